"""Network + batches -> a fitted network."""
