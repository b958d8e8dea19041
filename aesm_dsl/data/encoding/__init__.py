"""Columns -> ids and numbers: encoders, what fits them, and how rows are split."""
