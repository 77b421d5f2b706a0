"""A history as a terminal, a program or a browser wants it."""
