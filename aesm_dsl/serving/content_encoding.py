"""`decompressed`: a body as it was before the client compressed it."""

from __future__ import annotations

import zlib

from aesm_dsl.serving.protocol import RequestError

_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""Encoding -> the window of zlib, which also says what surrounds the compressed data."""

ENCODINGS = ("identity", *_WINDOWS)
"""The values of `Content-Encoding` that are read."""

ENCODED = "`gzip`, `deflate` and `identity`"
"""The same, as told to users."""


def decompressed(body: bytes, encoding: str, most: int) -> bytes:
    """Returns the body without its compression.

    Args:
        body: the body as it was sent.
        encoding: one of ENCODINGS other than "identity".
        most: the most bytes that it may have.

    Raises:
        RequestError: it is not compressed in this way, is cut off, or is larger (413).
    """
    unpacker = zlib.decompressobj(_WINDOWS[encoding])
    try:
        content = unpacker.decompress(body, most + 1)
    except zlib.error as error:
        raise RequestError(f"`Content-Encoding` is {encoding}, but the body is not: {error}") from None
    if len(content) > most:
        raise RequestError(f"the body is larger than {most:,} bytes", 413)
    if not unpacker.eof or unpacker.unused_data:
        what = "goes on after its end" if unpacker.eof else "is cut off"
        raise RequestError(f"`Content-Encoding` is {encoding}, but the body {what}")
    return content
