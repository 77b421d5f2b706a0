"""Patterns in graphs: find them, whatever surrounds them, and rewrite what was found."""
