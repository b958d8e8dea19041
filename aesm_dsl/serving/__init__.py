"""A run outside of aesm: a model file that a server runs, and what it needs to know of the encoders."""
