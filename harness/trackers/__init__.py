"""Experiment trackers, one file each: a finished run sent to where a team looks at its experiments."""
