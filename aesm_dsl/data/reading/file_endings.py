"""What the ending of a file's name says of its type.

This module imports no library: the shell completion of `aesm` uses it.
"""

from __future__ import annotations

PARQUET, ARROW, CSV = "parquet", "Arrow", "csv"
"""Types of files of rows."""

KINDS = {
    PARQUET: (".parquet", ".pq", ".parq"),
    ARROW: (".arrow", ".arrows", ".feather", ".ipc"),
    CSV: (".csv", ".tsv"),
}
"""The endings of each type. A folder stands for its files of the first type that it has any of."""
COMPRESSED = (".gz", ".gzip", ".zst", ".zstd", ".bz2", ".xz")
"""What may follow the ending of a csv that is compressed as a whole."""


def kind_of_name(name: str) -> str:
    """Returns the type that a file's name says, in upper or lower case; empty if it says none."""
    name = name.casefold()
    if kind := next((kind for kind, endings in KINDS.items() if name.endswith(endings)), ""):
        return kind
    return CSV if without_compression(name).endswith(KINDS[CSV]) else ""


def without_compression(name: str) -> str:
    """Returns a name in lower case, without an ending that only says how the file is compressed."""
    name = name.casefold()
    return next((name.removesuffix(ending) for ending in COMPRESSED if name.endswith(ending)), name)
