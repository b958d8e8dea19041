"""Findings: the user's mistakes as values with a place, a message and help, and how they are printed."""
