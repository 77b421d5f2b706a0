"""One file, one transform; what it holds is said in ``harness.graph.transforms.contract``."""
