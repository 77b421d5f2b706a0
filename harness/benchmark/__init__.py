"""Records as pytest-benchmark's JSON: its own tools then compare and plot them."""
