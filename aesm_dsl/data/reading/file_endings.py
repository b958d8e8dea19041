"""The endings of the names of data files, by file type.

This module imports no library: the shell completion of `aesm` uses it.
"""

PARQUET = (".parquet", ".pq")
ARROW = (".arrow", ".feather", ".ipc")
CSV = (".csv", ".csv.gz", ".tsv", ".tsv.gz")

KINDS = (PARQUET, ARROW, CSV)
ENDINGS = (*PARQUET, *ARROW, *CSV)
