"""Checks of the tables, one a module. Each names the codes that it reports."""
