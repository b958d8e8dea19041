"""Whether a model from outside is ahead of every network, in a sentence."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from aesm_dsl.training.metrics.t_test import mean_of_runs


def ahead_of_networks(
    overall: Mapping[str, Sequence[float]], by_task: Mapping[str, Mapping[str, float]], outside: Collection[str]
) -> Iterator[str]:
    """Yields a sentence if a model from outside has the best mean AUC, else one for every task at which one has it.

    Args:
        overall: the mean AUC of every network and every model from outside, for each seed.
        by_task: task -> the AUC of each of them.
        outside: which of them are from outside.
    """
    best, network = _first_two({name: float(np.mean(values)) for name, values in overall.items()}, outside)
    if best in outside:
        ahead = mean_of_runs([own - other for own, other in zip(overall[best], overall[network], strict=True)])
        surely = "" if ahead.p is None else f" (p {ahead.p:.3f})"
        yield f"`{best}` is ahead of every network here: its mean AUC is {ahead.value:.4f} above `{network}`'s{surely}"
        return
    for task, values in by_task.items():
        best, network = _first_two(values, outside)
        if best in outside:
            more = values[best] - values[network]
            yield f"`{best}` is ahead of every network at `{task}`: its AUC is {more:.4f} above `{network}`'s"


def _first_two(values: Mapping[str, float], outside: Collection[str]) -> tuple[str, str]:
    """The best of all, and the best network."""
    networks = [name for name in values if name not in outside]
    return max(values, key=values.__getitem__), max(networks, key=values.__getitem__)
