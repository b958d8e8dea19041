"""Simulated worlds with a known truth."""
