"""Turns a `Spec` into a `Plan`: every size of a network as plain numbers. Also compares plans and specs."""
