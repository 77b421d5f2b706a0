"""One vocabulary of operators for all frameworks: tables of names, and fused forms unfolded."""
