"""Models from outside, to hold the networks against: they learn from the same encoded rows, and are scored alike."""
