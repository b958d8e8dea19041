"""How the names of files that hold rows end, by kind of file. Loads no library."""

PARQUET = (".parquet", ".pq")
ARROW = (".arrow", ".feather", ".ipc")
CSV = (".csv", ".csv.gz", ".tsv", ".tsv.gz")

KINDS = (PARQUET, ARROW, CSV)
ENDINGS = (*PARQUET, *ARROW, *CSV)
