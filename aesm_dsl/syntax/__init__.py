"""Turns a `Source` into a syntax tree (`tree.File`) whose nodes have spans; reports syntax errors as E1xx.

This package knows the two shapes of the language, settings and blocks, but none of its words. Only lexer, parse,
recover, hint and parse_errors import lark.
"""
