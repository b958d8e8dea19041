"""Columns -> ids and numbers: the encoders, how they are fitted, and how rows are split."""
