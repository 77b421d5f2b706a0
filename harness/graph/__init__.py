"""Looking inside artifacts without running them."""
