"""`anatomy`: what every tensor of an AES network's state is about, with a name for each place along each of its axes.

Two plans' anatomies tell which weights of one network mean the same in the other: places are compared by name, and
not by where they stand. No torch here; layers/ builds what is described.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import TASKS, LayerPlan, Plan
from aesm_dsl.plan.tables import homes

MEAN = "mean"
"""In `Axis.start`: as the mean of all old places."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Named runs of neighbouring places; within a run places are told apart by their number alone."""

    what: str
    """What the places are, in words: "nodes", "experts", "inputs", ..."""
    runs: Mapping[str, int]
    """Name -> how many places, in order."""
    start: tuple[str, ...] = ()
    """How a new place begins: as the first of these runs that the old axis has, or MEAN; none: as if untrained."""

    @property
    def size(self) -> int:
        return sum(self.runs.values())

    def starts(self) -> dict[str, int]:
        """Name -> the first place of its run."""
        return dict(zip(self.runs, accumulate(self.runs.values(), initial=0), strict=False))


@dataclass(frozen=True, slots=True)
class Part:
    """A tensor of the state, or consecutive rows of one."""

    name: str
    """What it is, wherever it stands in the network."""
    owner: str
    """Whom a person would say it belongs to: a feature, a node, a level, a task."""
    state: str
    """Its key in the network's state."""
    axes: tuple[Axis, ...]
    """The part has, or is viewed as, the shape of their sizes."""
    first: int = 0
    """Where its rows begin in a table that several features share."""
    given: bool = False
    """Whether a file says it, and no training: it is not carried over."""

    @property
    def numel(self) -> int:
        count = 1
        for axis in self.axes:
            count *= axis.size
        return count


Vocabularies = Mapping[str, Sequence[str]]
"""Feature -> the values of its vocabulary, in order, where one was fitted."""


def anatomy(plan: Plan, vocabularies: Vocabularies | None = None) -> list[Part]:
    """All parts of the state of `Network(plan)`. Raises ValueError for a plan of another architecture."""
    if plan.baseline is not None:
        raise ValueError(f"a network of `{plan.baseline.architecture}`, expected AES")
    return list(_Anatomy(plan, vocabularies or {}).parts())


def tell_no_anatomy(plan: Plan, name: str, findings: Findings) -> None:
    """E620 where the plan, which a person calls `name`, is of another architecture than AES."""
    if plan.baseline is not None:
        findings.add(
            "E620",
            f"`{name}` is a `{plan.baseline.architecture}`, whose weights cannot be carried over to another spec",
            help="only those of `architecture = aes` can",
        )


@dataclass(slots=True)
class _Anatomy:
    plan: Plan
    vocabularies: Vocabularies
    x: dict[str, int] = field(init=False)
    """What the next layer is given: runs of its input."""

    def __post_init__(self) -> None:
        self.x = {f"feature {one.name}": one.width for one in self.plan.features}

    def parts(self) -> Iterator[Part]:
        yield from self._embedding()
        plan, context = self.plan, dict[str, int]()
        for index, level in enumerate(plan.levels):
            nodes = {f"node {node.name}": 1 for node in level.nodes}
            places = nodes | ({"unknown": 1} if level.unknown else {})
            rows = Axis("nodes", places, ("unknown", MEAN))
            owner = f"level {level.name}"
            yield Part(f"{owner}, embedding", owner, f"context.nodes.{index}.weight", (rows, _units(level.width)))
            context[owner] = level.width
            for depth, layer in enumerate(level.layers):
                yield from self._layer(
                    owner, f"levels.{index}.{depth}", depth, layer, Axis("nodes", nodes, (MEAN,)), context
                )
        tasks = {f"task {task.name}": 1 for task in plan.tasks.tasks}
        gates = Axis("tasks", tasks, (MEAN,))
        yield Part("tasks, embedding", TASKS, "context.tasks.weight", (gates, _units(plan.tasks.width)))
        context[TASKS] = plan.tasks.width
        for depth, layer in enumerate(plan.tasks.layers):
            yield from self._layer(TASKS, f"tasks.{depth}", depth, layer, gates, context)
        yield from self._leaf_towers() if plan.tasks.tower_per == "leaf" else self._towers()

    def _embedding(self) -> Iterator[Part]:
        above: dict[int, int] = {}
        places = homes(one for one in self.plan.features if one.slots)
        pools = 0
        for one in self.plan.features:
            owner = f"feature {one.name}"
            if one.kind == "vectors" and not one.table:
                yield from self._vectors(one, owner, f"embedding.tables.{places.index(one.name)}")
            elif one.slots and not one.table:
                state = f"embedding.tables.{places.index(one.embed)}.weight"
                axes = (self._rows(one), _units(one.embed))
                yield Part(f"{owner}, table", owner, state, axes, above.get(one.embed, 0))
                above[one.embed] = above.get(one.embed, 0) + one.rows
            if one.pool:
                state = f"embedding.pools.{pools}"
                yield Part(f"{owner}, empty", owner, f"{state}.empty", (_units(one.width),))
                if one.pool == "attention":
                    yield Part(f"{owner}, turn", owner, f"{state}.turn", (_units(one.width), _units(one.width)))
                    yield Part(f"{owner}, age", owner, f"{state}.age", (Axis("places", {"place": one.slots}),))
                pools += 1
        numbers = {f"feature {one.name}": one.width for one in self.plan.features if one.values}
        if numbers:
            for name in ("slope", "start", "missing"):
                yield Part(f"numbers, {name}", "numbers", f"embedding.numbers.{name}", (Axis("numbers", numbers),))

    def _vectors(self, feature: FeaturePlan, owner: str, state: str) -> Iterator[Part]:
        keys = self.vocabularies.get(feature.name, ())
        runs = {f"value {key}": 1 for key in keys} or {"values": max(feature.rows - 2, 1)}
        width = feature.given or feature.embed
        table = f"{state}.trained.weight" if feature.trained else f"{state}.frozen_KG"
        axes = (Axis("values", runs), _units(width))
        yield Part(f"{owner}, vectors", owner, table, axes, given=not feature.trained)
        absent = Axis("values", {"missing": 1, "other": 1})
        yield Part(f"{owner}, absent", owner, f"{state}.absent_2W", (absent, _units(feature.embed)))
        if width != feature.embed:
            yield Part(f"{owner}, turn", owner, f"{state}.turn.weight", (_units(feature.embed), _units(width)))

    def _crossed(self, feature: FeaturePlan) -> str:
        """What the buckets of a cross depend on: its features, and the order of their vocabularies."""
        owners = {one.name: one.table or one.name for one in self.plan.features}
        words = [(name, tuple(self.vocabularies.get(owners[name], ()))) for name in feature.crossed]
        return hashlib.sha256(repr(words).encode()).hexdigest()[:8]

    def _rows(self, feature: FeaturePlan) -> Axis:
        """Rows of a table by what they stand for. Buckets of a hash mean the same only where there are as many."""
        match feature.kind:
            case "category" if feature.name in self.vocabularies:
                values = {f"value {value}": 1 for value in self.vocabularies[feature.name]}
                return Axis("values", {"missing": 1, "other": 1, **values}, ("other",))
            case "category":
                return Axis("values", {"missing": 1, "other": 1, "values": feature.rows - 2}, ("other",))
            case "id":
                return Axis("buckets", {"missing": 1, f"of {feature.rows - 1} buckets": feature.rows - 1})
            case "number":
                return Axis("quantiles", {"missing": 1, f"of {feature.rows - 1} quantiles": feature.rows - 1})
            case "cross":
                buckets = f"of {feature.rows - 1} buckets of {', '.join(feature.crossed)} ({self._crossed(feature)})"
                return Axis("buckets", {"missing": 1, buckets: feature.rows - 1})
        parts = ", ".join(feature.parts)
        return Axis("rows", {f"{feature.kind} {parts} {feature.rows}": feature.rows})

    def _layer(
        self, owner: str, state: str, depth: int, layer: LayerPlan, gates: Axis, context: Mapping[str, int]
    ) -> Iterator[Part]:
        owner = f"{owner}, layer {depth + 1}"
        experts = Axis("experts", {"expert": layer.experts})
        inputs = Axis("inputs", {**self.x, **context})
        yield Part(f"{owner}, gate", owner, f"{state}.gate.weight", (gates, experts, inputs))
        yield Part(f"{owner}, gate bias", owner, f"{state}.gate.bias", (gates, experts))
        before, kinds = self.x, ["bias"]
        if layer.norm != "none":
            kinds += ["scale", "shift"]
        if layer.norm == "batch":
            kinds += ["mean", "variance"]
        for block, width in enumerate(layer.hidden):
            here, name = f"{state}.experts.blocks.{block}", f"{owner}, experts, block {block + 1}"
            axes = (experts, Axis("inputs", before), _units(width))
            yield Part(f"{name}, weight", owner, f"{here}.weight_EDH", axes)
            for kind in kinds:
                yield Part(f"{name}, {kind}", owner, f"{here}.{kind}_EH", (experts, _units(width)))
            before = {"unit": width}
        if layer.mixture_norm == "layer":
            for kind in ("weight", "bias"):
                yield Part(f"{owner}, norm {kind}", owner, f"{state}.norm.{kind}", (_units(layer.output),))
        self.x = {"unit": layer.output}

    def _towers(self) -> Iterator[Part]:
        tasks = self.plan.tasks
        for index, task in enumerate(tasks.tasks):
            owner, before = f"task {task.name}", self.x
            for depth, width in enumerate((*tasks.tower, 1)):
                last = depth == len(tasks.tower)
                state = f"towers.{index}." + ("head" if last else f"linears.{depth}")
                name = f"{owner}, tower " + ("head" if last else f"layer {depth + 1}")
                yield Part(f"{name}, weight", owner, f"{state}.weight", (_units(width), Axis("inputs", before)))
                yield Part(f"{name}, bias", owner, f"{state}.bias", (_units(width),))
                before = {"unit": width}

    def _leaf_towers(self) -> Iterator[Part]:
        plan = self.plan
        named = [f"leaf {plan.leaf_name(path)}" for path in plan.leaves]
        unknown = plan.leaf_count > len(named)
        places = dict.fromkeys(named, 1) | ({"unknown": 1} if unknown else {})
        leaves = Axis("leaves", places, ("unknown",))
        tasks = Axis("tasks", {f"task {task.name}": 1 for task in plan.tasks.tasks})
        before = self.x
        for depth, width in enumerate((*plan.tasks.tower, 1)):
            last = depth == len(plan.tasks.tower)
            state = "towers.head" if last else f"towers.hidden.linears.{depth}"
            name = "towers, " + ("head" if last else f"layer {depth + 1}")
            axes = (leaves, tasks, Axis("inputs", before), _units(width))
            yield Part(f"{name}, weight", "towers", f"{state}.weight_LGDH", axes)
            yield Part(f"{name}, bias", "towers", f"{state}.bias_LGH", (leaves, tasks, _units(width)))
            before = {"unit": width}


def _units(width: int) -> Axis:
    return Axis("units", {"unit": width})
