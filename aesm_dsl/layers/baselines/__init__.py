"""The architectures that AES is compared with, from the same plan's features, levels and tasks (docs/architectures.md).

In:  a `Plan` with a `BaselinePlan`, and the same `Batch` as the AES network takes.
Out: the same `Prediction`, whose selection is empty: nothing is selected.

`network` is the front door. A leaf is a path of the scenario levels. Whatever belongs to leaves has stacked parameters
and runs on rows sorted by leaf (`leaves`, `stack`, one door up); each architecture is a module that turns x_BD into
logits.
"""
