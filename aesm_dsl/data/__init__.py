"""Tables in, tensors out.

In: a `Plan` (which columns, nodes, labels, files) and files of rows, parquet or csv.
Out: `Tables` of checked rows, `Encoders` fitted on the training rows, `EncodedTable` and its `Batch`es;
everything wrong with the data as findings (E5, W5), told in one go.

May import plan, diagnostic, source; polars, numpy, torch. A file's way through the room:
files.py (find, read) -> check.py (columns, types) -> target.py (nodes, labels, weights) -> split.py
-> table.py (the stages in order) -> encode.py -> encoded.py. simulate.py makes a world with a known truth.
"""
