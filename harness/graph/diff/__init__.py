"""What became of each operator of one graph in another: kept, fused, folded, rewritten, removed, added, unexplained."""
