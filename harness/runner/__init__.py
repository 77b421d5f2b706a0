"""Who runs when, in which process, and what becomes of a process that dies."""
