"""Turns a syntax tree into a `Spec` with all defaults filled in and the places of its values; reports E2xx and E3xx.

This is the only package that knows the words of the language. It imports syntax/ and pydantic.
"""
