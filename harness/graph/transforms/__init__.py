"""Transforms of frozen graphs, as the Graph Transform Tool of TensorFlow 1 had them; one file in ``steps`` each."""
