"""A table -> a first spec of it."""
