"""Weights of a run into a new network: everything that means the same in both, matched by name (plan/anatomy.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from aesm_dsl.data.encoding.encoders import Encoders
from aesm_dsl.data.encoding.feature_encoders import CategoryEncoder
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.layers.build import AnyNetwork
from aesm_dsl.layers.network import Network
from aesm_dsl.plan.anatomy import anatomy, report_no_anatomy
from aesm_dsl.plan.evolution import count_carried
from aesm_dsl.plan.parts import MEAN, Axis, Part
from aesm_dsl.plan.plan import Plan
from aesm_dsl.training.run.folder import Run


def report_not_startable(plan: Plan, run: Run | None, findings: Findings) -> None:
    """Adds E620 if the plan, or the run that it is to start from, is of another architecture than AES."""
    if run is not None:
        report_no_anatomy(plan, "the spec", findings)
        report_no_anatomy(run.plan, str(run.folder), findings)


def start_from(run: Run | None, network: AnyNetwork, encoders: Encoders) -> dict[str, Any]:
    """Starts a network with the weights of a run, if there is one; returns what run.json says about it."""
    if run is None:
        return {}
    assert isinstance(network, Network)
    assert isinstance(run.network, Network)
    share = warm_start(network, encoders, run.network, run.encoders)
    return {"warm start": {"run": str(run.folder), "carried": round(share, 4)}}


def warm_start(network: Network, encoders: Encoders, old: Network, old_encoders: Encoders) -> float:
    """Copies into `network` what `old` has learnt.

    Features, nodes, tasks, levels and values of vocabularies are matched by name, experts and units by number. A new
    node starts as rows of unknown nodes run in the old network: with the mean of its nodes' gates, and the embedding of
    unknown nodes if there is one, else the mean embedding. A new value starts as out-of-vocabulary values. Whatever
    else is new starts as in any other training.

    Returns:
        The share of the network's parameters that were carried over.
    """
    before = {part.name: part for part in anatomy(old.plan, vocabularies(old_encoders))}
    parts = [part for part in anatomy(network.plan, vocabularies(encoders)) if not part.from_file]
    old_state, state = old.state_dict(), network.state_dict()
    carried = 0
    with torch.no_grad():
        for part in parts:
            was = before.get(part.name)
            if was is not None and len(was.axes) == len(part.axes):
                _copy(_view(old_state[was.state], was), was.axes, _view(state[part.state], part), part.axes)
                carried += count_carried(was, part)
    return carried / sum(part.numel for part in parts)


def vocabularies(encoders: Encoders) -> dict[str, tuple[str, ...]]:
    """Returns the vocabulary of every category."""
    return {encoder.name: encoder.values for encoder in encoders.encoders if isinstance(encoder, CategoryEncoder)}


def _view(tensor: Tensor, part: Part) -> Tensor:
    """The part's own rows of a tensor of the state, in the shape of its axes: a view, to write into the state."""
    sizes = [axis.size for axis in part.axes]
    if tensor.numel() == part.numel:
        return tensor.view(sizes)
    return tensor[part.first : part.first + sizes[0]].view(sizes)


def _copy(old: Tensor, old_axes: Sequence[Axis], new: Tensor, new_axes: Sequence[Axis]) -> None:
    known = torch.ones((), dtype=torch.bool)
    for dim, (before, axis) in enumerate(zip(old_axes, new_axes, strict=True)):
        places = _places(before, axis)
        if MEAN in axis.start:
            old = torch.cat([old, old.mean(dim, keepdim=True)], dim)
        old = old.index_select(dim, places.clamp(min=0))
        known = known.unsqueeze(-1) & (places >= 0)
    new.copy_(torch.where(known, old, new))


def _places(before: Axis, axis: Axis) -> Tensor:
    """For every place of the new axis that of the old one; -1 if there is none, one past the last for the mean."""
    first = before.starts()
    instead = next((place for name in axis.start if (place := (first | {MEAN: before.size}).get(name)) is not None), -1)
    places: list[int] = []
    for name, size in axis.runs.items():
        common = min(size, before.runs.get(name, 0))
        begin = first.get(name, 0)
        places += [*range(begin, begin + common), *([instead] * (size - common))]
    return torch.tensor(places, dtype=torch.int64)
