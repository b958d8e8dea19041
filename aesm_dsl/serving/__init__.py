"""Scores outside of training: tables, an HTTP server, and exports that another server runs without aesm."""
