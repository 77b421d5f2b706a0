"""Which input and output of one model is which of another."""
