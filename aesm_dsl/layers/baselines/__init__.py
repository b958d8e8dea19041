"""The architectures that AES is compared with, for the same features, levels and tasks (docs/architectures.md).

In:  a `Plan` with a `BaselinePlan`, and the same `Batch` as the AES network takes.
Out: the same `Prediction`, with an empty selection: nothing is selected.

`network` puts a whole network together. Each architecture is a module of its own, called as its paper calls it, that
turns x_BD into logits. A leaf is a path of the scenario levels. Whatever belongs to leaves has stacked parameters and
runs on rows sorted by leaf (`layers.leaf_rows`, `layers.stacked_linears`).
"""
