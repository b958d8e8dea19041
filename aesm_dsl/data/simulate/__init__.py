"""Simulated tables whose true probabilities are known."""
