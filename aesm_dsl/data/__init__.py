"""Tables in, tensors out.

In: a `Plan` (which columns, nodes, labels, files) and rows, in files or in memory.
Out: `Encoders` fitted on the training rows, `EncodedTable`s and their `Batch`es; everything wrong with the data as
findings (E5, W5), told in one go.

May import plan, diagnostic, source; polars, numpy, torch. Rows pass through the room in chunks (`Rows`), of which only
one is in memory: files.py, given.py (find, read) -> check.py (columns, types) -> target.py (nodes, labels, weights:
`Checked`) -> split.py -> table.py (the stages in order) -> fitting.py -> encode.py -> stored.py, kept by cache.py;
prepare.py tells that story, and encoded.py makes batches of it. simulate.py makes a world with a known truth.
"""
