"""Encoded tables, in memory or on disk, and their cache."""
