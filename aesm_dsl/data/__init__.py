"""Tables in, tensors out.

In: a `Plan` (which columns, nodes, labels and files) and rows, in files or in memory.
Out: `Encoders` fitted on the training rows, `EncodedTable`s and their `Batch`es, and all problems of the data as
findings (E5, W5), reported together.

Rows pass through in chunks, and only one chunk is in memory at a time:

    reading/   finds and reads files and frames                               -> `TableRows`
    checks/    checks columns, nodes, labels and weights                      -> `CheckedRows`
    encoding/  splits rows, fits encoders on them and encodes them            -> ids and values
    store/     keeps encoded rows in memory or in a cached folder             -> `EncodedTable`

Each of these folders imports only itself and the ones above it. `open_tables`, `encoded_stream` and `prepare` run the
whole sequence; `batch`, `rank_auc` and `cache_eviction` import none of the folders, so all may use them. Beside them,
`draft/` guesses a first spec from a table, and `simulate/` writes tables whose true probabilities are known.
"""
