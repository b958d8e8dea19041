"""In: the text of an open spec and a place in it. Out: what an editor shows there: findings, help, words, names.

All but convert.py and server.py are functions from text to plain values and know nothing of the protocol; these two
alone import pygls and lsprotocol (extra `editor`). May import spec, syntax and what compiles a spec; neither torch nor
polars.
"""
