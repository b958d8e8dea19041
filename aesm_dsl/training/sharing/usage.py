"""`Usage`: which experts every node used, counted over rows. `UsageMeter` counts selections batch by batch.

Axes: B rows (on the task level one per row and task), N nodes of the level, E experts. Numbers are counts of rows,
shares in [0, 1] and mixture weights (method.md eq. 6-7), all kept in float64.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from aesm_dsl.layers.selection import Selection
from aesm_dsl.plan.plan import TASKS, Plan
from aesm_dsl.plan.strict_json import read_json
from aesm_dsl.training.distributed.process_group import SINGLE_PROCESS, ProcessGroup
from aesm_dsl.training.sharing.layer_usage import Flow, LayerUsage, Table
from aesm_dsl.training.sharing.sharing_matrix import Sharing, sharing

FORMAT = 1
"""Version of the usage's JSON form; a usage of another version is refused."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Usage of every layer of a network: levels top down, "tasks" last, a level's layers in order."""

    layers: tuple[LayerUsage, ...]
    flows: tuple[Flow, ...] = ()
    """From each level to the one below; none without rows, or if the usage is of segments."""

    def __iter__(self) -> Iterator[LayerUsage]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def level(self, name: str) -> tuple[LayerUsage, ...]:
        """Returns the layers of one level, in order. Raises KeyError if no level has this name."""
        stack = tuple(layer for layer in self.layers if layer.level == name)
        if not stack:
            raise KeyError(name)
        return stack

    def shown(self, layers: str = "best") -> tuple[LayerUsage, ...]:
        """Returns the layers of every level that are worth a look.

        Args:
            layers: "best" takes the layer that distinguishes its nodes best, by mutual information, the first of equal
                ones; "first", "last" or "all" are the others.

        Raises:
            ValueError: it is another word.
        """
        if layers == "all":
            return self.layers
        if layers not in ("best", "first", "last"):
            raise ValueError(f'layers is "best", "first", "last" or "all", not {layers!r}')
        chosen = []
        for name in dict.fromkeys(layer.level for layer in self.layers):
            stack = self.level(name)
            best = max(stack, key=lambda layer: (sharing(layer).mutual_information, -layer.layer))
            chosen.append({"best": best, "first": stack[0], "last": stack[-1]}[layers])
        return tuple(chosen)

    def sharing(self, level: str, layer: int = -1) -> Sharing:
        """Returns what the nodes of a level share in one of its layers.

        Args:
            level: name of the level; the task level is "tasks".
            layer: index in the level's stack; by default the last.

        Raises:
            KeyError: no level has this name.
        """
        return sharing(self.level(level)[layer])

    def with_rows(self) -> Usage:
        """Returns the usage without the nodes that no row visited."""

        layers = (_of_nodes(layer, [at for at, rows in enumerate(layer.rows_N) if rows]) for layer in self.layers)
        return replace(self, layers=tuple(layers))

    def of_nodes(self, kept: Mapping[str, Collection[str]]) -> Usage:
        """Returns the usage of some nodes alone.

        Args:
            kept: names of the nodes to keep, by level; a level that is not in it keeps all.
        """

        def places(level: str, nodes: Sequence[str]) -> list[int]:
            return [at for at, node in enumerate(nodes) if level not in kept or node in kept[level]]

        nodes = {layer.level: layer.nodes for layer in self.layers}
        flows = [
            flow
            if flow.below == TASKS
            else replace(
                flow, share=tuple(tuple(row[at] for at in places(flow.below, nodes[flow.below])) for row in flow.share)
            )
            for flow in self.flows
        ]
        layers = (_of_nodes(layer, places(layer.level, layer.nodes)) for layer in self.layers)
        return Usage(tuple(layers), tuple(flows))

    def with_dead_units(self, dead_units: Mapping[tuple[str, int], tuple[float | None, ...]]) -> Usage:
        """Returns the usage with the dead units that an `OutputMeter` found, by level and layer."""
        layers = (replace(layer, dead_units_E=dead_units.get((layer.level, layer.layer), ())) for layer in self.layers)
        return replace(self, layers=tuple(layers))

    def to_json(self) -> str:
        layers, flows = (
            ",\n".join(json.dumps(asdict(part), ensure_ascii=False) for part in parts)
            for parts in (self.layers, self.flows)
        )
        return f'{{"format": {FORMAT}, "layers": [\n{layers}\n],\n"flows": [\n{flows}\n]}}\n'

    @staticmethod
    def from_json(text: str) -> Usage:
        """Reads the usage that `to_json` wrote.

        Raises:
            ValueError: the version of the format is another, or a field is not of its type.
        """
        values: dict[str, Any] = json.loads(text)
        version = values.get("format")
        if version != FORMAT:
            raise ValueError(f"usage format {version}, this version reads format {FORMAT}")
        del values["format"]
        return read_json(Usage, json.dumps(values))


class UsageMeter:
    """Adds up selections batch by batch; keeps one table of sums per layer, on the device of the selections.

    Rows of unknown nodes, whose index lies outside [0, N), are not counted.

    Args:
        plan: of the network.
        segments: names of segments of rows, such as the values of a feature, that take the place of the nodes of every
            level; empty for the nodes.
    """

    def __init__(self, plan: Plan, segments: tuple[str, ...] = ()) -> None:
        self._nodes = {level.name: tuple(node.name for node in level.nodes) for level in plan.levels}
        self._nodes[TASKS] = tuple(task.name for task in plan.tasks.tasks)
        self._levels = (*(level.name for level in plan.levels), TASKS)
        if segments:
            self._nodes = dict.fromkeys(self._levels, segments)
        layers = {level.name: level.layers for level in plan.levels} | {TASKS: plan.tasks.layers}
        self._experts = {
            (name, index): layer.experts for name, stack in layers.items() for index, layer in enumerate(stack)
        }
        self._sums: dict[tuple[str, int], Tensor] = {}
        self._flows: dict[tuple[str, str], Tensor] = {}
        last = {name: stack[-1].experts for name, stack in layers.items() if stack}
        pairs = [] if segments else [pair for pair in pairwise(self._levels) if set(pair) <= set(last)]
        self._sizes = {
            (above, below): (last[above], last[TASKS] if below == TASKS else len(self._nodes[below]))
            for above, below in pairs
        }

    @torch.no_grad()
    def add(self, selection: dict[str, tuple[Selection, ...]], segment_B: Tensor | None = None) -> None:
        """Counts a batch.

        Args:
            selection: level name -> the `Selection` of each of its layers. Levels may be left out.
            segment_B: int64; each row's segment, if the meter has segments.
        """
        for name, stack in selection.items():
            for index, chosen in enumerate(stack):
                if segment_B is not None:
                    own = segment_B if chosen.node.dim() == 1 else segment_B[:, None].expand_as(chosen.node)
                    chosen = replace(chosen, node=own)
                sums = _sums(chosen, len(self._nodes[name]))
                before = self._sums.get((name, index))
                self._sums[name, index] = sums if before is None else before.add_(sums)
        for above, below in self._sizes:
            if above in selection and below in selection:
                sums = _flow(selection[above][-1], selection[below][-1], len(self._nodes[below]), below == TASKS)
                before = self._flows.get((above, below))
                self._flows[above, below] = sums if before is None else before.add_(sums)

    def result(self, processes: ProcessGroup = SINGLE_PROCESS) -> Usage:
        """Returns the usage of all rows added so far, with every layer of the plan. Copies to the host once.

        Args:
            processes: processes that each have added rows: the usage is that of all of them.
        """
        sizes = {key: (len(self._nodes[key[0]]), 1 + 3 * experts) for key, experts in self._experts.items()}
        parts = [self._sums[key].flatten() for key in self._experts if key in self._sums]
        host = iter(torch.split(torch.cat(parts).cpu(), [len(part) for part in parts]) if parts else ())
        tables = [
            next(host).view(size) if key in self._sums else torch.zeros(size, dtype=torch.float64)
            for key, size in sizes.items()
        ]
        layers = [
            _usage(name, index, self._nodes[name], processes.sum(table))
            for (name, index), table in zip(self._experts, tables, strict=True)
        ]
        return Usage(tuple(layers), self._summed(processes))

    def _summed(self, processes: ProcessGroup) -> tuple[Flow, ...]:
        """The flows of all processes; none without rows."""
        flows = []
        for pair, size in self._sizes.items():
            sums = processes.sum(
                self._flows[pair].cpu() if pair in self._flows else torch.zeros(size, dtype=torch.float64)
            )
            if total := float(sums.sum()):
                flows.append(Flow(*pair, _table(sums / total)))
        return tuple(flows)


def _of_nodes(layer: LayerUsage, places: Sequence[int]) -> LayerUsage:
    """The usage of the nodes at some places; a table that was not kept stays empty."""

    def some(table: Table) -> Table:
        return tuple(table[at] for at in places) if table else ()

    return replace(
        layer,
        nodes=tuple(layer.nodes[at] for at in places),
        rows_N=tuple(layer.rows_N[at] for at in places),
        specific_NE=some(layer.specific_NE),
        shared_NE=some(layer.shared_NE),
        weight_NE=some(layer.weight_NE),
    )


def _sums(chosen: Selection, nodes: int) -> Tensor:
    """float64 (N, 1 + 3E): rows, and sums over them of specific, shared and weight.

    A product with the one-hot nodes rather than a scattered sum: on a GPU the latter adds in another order
    every time, and the same run would not give the same usage twice.
    """
    node_B = chosen.node.reshape(-1)
    if node_B.device.type == "mps":  # has no float64
        return _sums(Selection(*(part.cpu() for part in _parts(chosen))), nodes)
    parts = [part.reshape(-1, part.shape[-1]).double() for part in _parts(chosen)[1:]]
    counted = torch.cat([torch.ones_like(node_B, dtype=torch.float64)[:, None], *parts], dim=1)
    onehot_NB = torch.arange(nodes, device=node_B.device)[:, None] == node_B
    return onehot_NB.double() @ counted


def _flow(above: Selection, below: Selection, nodes: int, to_experts: bool) -> Tensor:
    """float64 (E, N): how much of the rows goes from each expert above to each node below; or to each expert (E, E)."""
    if above.weight.device.type == "mps":  # has no float64
        above, below = (
            Selection(*(part.cpu() for part in _parts(above))),
            Selection(*(part.cpu() for part in _parts(below))),
        )
    weight_BE = above.weight.double()
    if to_experts:
        return weight_BE.T @ below.weight.double().mean(dim=1)
    onehot_BN = below.node[:, None] == torch.arange(nodes, device=below.node.device)
    return weight_BE.T @ onehot_BN.double()


def _parts(chosen: Selection) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return chosen.node, chosen.specific, chosen.shared, chosen.weight


def _usage(level: str, layer: int, nodes: tuple[str, ...], sums: Tensor) -> LayerUsage:
    rows = sums[:, :1]
    specific, shared, weight = (sums[:, 1:] / rows.clamp(min=1)).chunk(3, dim=1)
    counts = tuple(int(count) for count in rows[:, 0].tolist())
    return LayerUsage(level, layer, nodes, counts, _table(specific), _table(shared), _table(weight))


def _table(values: Tensor) -> Table:
    return tuple(tuple(row) for row in values.tolist())
