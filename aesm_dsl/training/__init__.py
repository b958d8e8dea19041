"""A network and batches become a run: loss, steps, scores, the usage of experts, and the folder that holds them.

In:  a `Plan` and the tables it names. Out: a `Run`, its folder on disk, and what it says of further rows.
May import layers, data and plan; prints nothing: whoever wants to watch hands in a function.
"""
