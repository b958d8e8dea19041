"""In: the text of an open spec and a position in it. Out: what an editor shows: findings, help, completion, names.

All modules but lsp_types.py and server.py are functions from text to plain values, and know nothing of the protocol;
only these two import pygls and lsprotocol (extra `editor`). The room may import spec, syntax and what compiles a spec;
neither torch nor polars.
"""
