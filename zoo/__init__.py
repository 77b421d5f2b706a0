"""What is measured: models, weights, preprocessing and data. Knows nothing of the harness."""
