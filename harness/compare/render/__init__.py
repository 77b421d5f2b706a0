"""A comparison as a terminal, a CI summary, a program or a CI server's test page wants it."""
