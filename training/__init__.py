"""Fit, score and export the networks of the starter pack. The only room that imports TensorFlow."""
