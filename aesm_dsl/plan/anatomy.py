"""`anatomy`: describes every tensor of an AES network's state, with a name for each index along each of its axes.

Comparing the anatomies of two plans shows which weights of one network mean the same in the other: indices are matched
by name, not by position. This module does not import torch; layers/ builds the tensors that are described here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.bottom import BottomPlan, field_widths
from aesm_dsl.plan.features import FeaturePlan, NumberEncoding
from aesm_dsl.plan.parts import MEAN, Axis, Part
from aesm_dsl.plan.plan import TASKS, LayerPlan, LevelPlan, Plan
from aesm_dsl.plan.pool_parts import pool_parts
from aesm_dsl.plan.pools import pools_of
from aesm_dsl.plan.tables import table_keys

Vocabularies = Mapping[str, Sequence[str]]
"""Maps each feature whose vocabulary was fitted to the values of the vocabulary, in order."""


def anatomy(plan: Plan, vocabularies: Vocabularies | None = None) -> list[Part]:
    """Returns all parts of the state of `Network(plan)`.

    Raises:
        ValueError: the plan is of another architecture than AES.
    """
    if plan.baseline is not None:
        raise ValueError(f"a network of `{plan.baseline.architecture}`, expected AES")
    return list(_Anatomy(plan, vocabularies or {}).parts())


def report_no_anatomy(plan: Plan, name: str, findings: Findings) -> None:
    """Reports E620 if the plan, which the message calls `name`, is of another architecture than AES."""
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
    """Runs of the next layer's input; each layer that is walked through replaces them."""
    context: dict[str, int] = field(init=False)
    """Runs of the next layer's context; each level adds its node embedding."""

    def __post_init__(self) -> None:
        self.x = {f"feature {feature.name}": feature.width for feature in self.plan.features}
        self.context = {}

    def parts(self) -> Iterator[Part]:
        plan = self.plan
        yield from self._embedding(plan.features, "embedding")
        if plan.training_features:
            yield from self._shallow_tower()
        if plan.bottom is not None:
            yield from self._gate(plan.bottom)
            yield from self._interaction(plan.bottom)
        for index, level in enumerate(plan.levels):
            nodes = {f"node {node.name}": 1 for node in level.nodes}
            owner = f"level {level.name}"
            yield Part(f"{owner}, embedding", owner, f"context.nodes.{index}.weight", _node_axes(level))
            self.context[owner] = level.width
            yield from self._layers(owner, f"levels.{index}", level.layers, Axis("nodes", nodes, (MEAN,)))
        tasks = {f"task {task.name}": 1 for task in plan.tasks.tasks}
        gates = Axis("tasks", tasks, (MEAN,))
        yield Part("tasks, embedding", TASKS, "context.tasks.weight", (gates, _units(plan.tasks.width)))
        self.context[TASKS] = plan.tasks.width
        yield from self._layers(TASKS, "tasks", plan.tasks.layers, gates)
        yield from self._leaf_towers() if plan.tasks.tower_per == "leaf" else self._towers()

    def _gate(self, bottom: BottomPlan) -> Iterator[Part]:
        inputs, outputs = self.x, self.x
        if bottom.gate == "scenario":
            for index, level in enumerate(self.plan.levels):
                state = f"bottom.gate.nodes.nodes.{index}.weight"
                yield Part(f"bottom, level {level.name}", "bottom", state, _node_axes(level))
            inputs = {f"level {level.name}": level.width for level in self.plan.levels} | self.x
        elif bottom.gate == "senet":
            inputs = outputs = {f"feature {one.name}": len(field_widths([one])) for one in self.plan.features}
        else:
            return
        hidden = _units(bottom.gate_widths(self.plan.features, self.plan.node_width)[1])
        axes = {"0": (hidden, Axis("inputs", inputs)), "2": (Axis("outputs", outputs), hidden)}
        for layer, (after, before) in axes.items():
            yield Part(f"bottom, gate {layer} weight", "bottom", f"bottom.gate.factor.{layer}.weight", (after, before))
            yield Part(f"bottom, gate {layer} bias", "bottom", f"bottom.gate.factor.{layer}.bias", (after,))

    def _interaction(self, bottom: BottomPlan) -> Iterator[Part]:
        """Each product of an interaction that makes x wider is an input of its own."""
        state = "bottom.interaction"
        if bottom.interaction == "dcn_v2":
            x, rank = Axis("inputs", self.x), _units(bottom.rank)
            for depth in range(bottom.layers):
                name = f"bottom, cross layer {depth + 1}"
                yield Part(f"{name}, down", "bottom", f"{state}.down.{depth}.weight", (rank, x))
                yield Part(f"{name}, up", "bottom", f"{state}.up.{depth}.weight", (x, rank))
                yield Part(f"{name}, bias", "bottom", f"{state}.up.{depth}.bias", (x,))
        elif bottom.interaction == "fm":
            fields: dict[int, dict[str, int]] = {}
            for feature in self.plan.features:
                fields.setdefault(feature.embed, {})[f"feature {feature.name}"] = len(field_widths([feature]))
            for width, of_width in fields.items():
                if width != bottom.factors:
                    axes = (Axis("fields", of_width), _units(width), _units(bottom.factors))
                    yield Part(f"bottom, width {width}", "bottom", f"{state}.matrices.{width}", axes)
            self.x = {**self.x, "products": bottom.factors}

    def _shallow_tower(self) -> Iterator[Part]:
        features, owner = self.plan.training_features, "shallow tower"
        yield from self._embedding(features, "shallow_tower.embedding", "shallow ")
        inputs = Axis("inputs", {f"feature {feature.name}": feature.width for feature in features})
        leaves, tasks = self._leaves_and_tasks()
        yield Part(f"{owner}, weight", owner, "shallow_tower.weight_TD", (tasks, inputs))
        yield Part(f"{owner}, weight of leaves", owner, "shallow_tower.weight_LTD", (leaves, tasks, inputs))

    def _embedding(self, features: tuple[FeaturePlan, ...], root: str, of: str = "") -> Iterator[Part]:
        next_row: dict[int, int] = {}
        keys = table_keys(feature for feature in features if feature.slots)
        for feature in features:
            owner = f"feature {feature.name}"
            if feature.kind == "vectors" and not feature.table:
                yield from self._vectors(feature, owner, f"{root}.tables.{keys.index(feature.name)}")
            elif feature.slots and not feature.table:
                state = f"{root}.tables.{keys.index(feature.embed)}.weight"
                axes = (self._rows(feature), _units(feature.embed))
                first = next_row.get(feature.embed, 0)
                yield Part(f"{owner}, table", owner, state, axes, first)
                next_row[feature.embed] = first + feature.rows
        for index, pool in enumerate(pools_of(features)):
            yield from pool_parts(pool, f"{root}.pools.{index}")
        values = [feature for feature in features if feature.values]
        numbers = {f"feature {feature.name}": feature.width for feature in values if feature.encoding is None}
        if numbers:
            for name in ("slope", "start", "missing"):
                yield Part(f"{of}numbers, {name}", "numbers", f"{root}.numbers.{name}", (Axis("numbers", numbers),))
        for index, feature in enumerate(feature for feature in values if feature.encoding is not None):
            assert feature.encoding is not None
            yield from self._encoded_number(feature, feature.encoding, f"{root}.numbers.encoded.{index}")

    def _encoded_number(self, feature: FeaturePlan, encoding: NumberEncoding, state: str) -> Iterator[Part]:
        owner, size = f"feature {feature.name}", encoding.size
        terms = {f"{size} bins": size}
        if encoding.kind == "periodic":
            terms = {"sine": size, "cosine": size}
            frequencies = Axis("frequencies", {"frequency": size})
            yield Part(f"{owner}, frequencies", owner, f"{state}.frequency_K", (frequencies,))
        axes = (_units(feature.width), Axis("terms", terms))
        yield Part(f"{owner}, {encoding.kind} weight", owner, f"{state}.linear.weight", axes)
        for name, key in (("bias", "linear.bias"), ("missing", "missing")):
            yield Part(f"{owner}, {encoding.kind} {name}", owner, f"{state}.{key}", (_units(feature.width),))

    def _vectors(self, feature: FeaturePlan, owner: str, state: str) -> Iterator[Part]:
        keys = self.vocabularies.get(feature.name, ())
        runs = {f"value {key}": 1 for key in keys} or {"values": max(feature.rows - 2, 1)}
        width = feature.given or feature.embed
        table = f"{state}.trained.weight" if feature.trained else f"{state}.frozen_KG"
        axes = (Axis("values", runs), _units(width))
        yield Part(f"{owner}, vectors", owner, table, axes, from_file=not feature.trained)
        absent = Axis("values", {"missing": 1, "other": 1})
        yield Part(f"{owner}, absent", owner, f"{state}.absent_2W", (absent, _units(feature.embed)))
        if width != feature.embed:
            yield Part(f"{owner}, turn", owner, f"{state}.turn.weight", (_units(feature.embed), _units(width)))

    def _cross_digest(self, feature: FeaturePlan) -> str:
        """A digest of what the buckets of a cross depend on: its features, and the order of their vocabularies."""
        owners = {member.name: member.table or member.name for member in self.plan.features}
        vocabularies = [(name, tuple(self.vocabularies.get(owners[name], ()))) for name in feature.crossed]
        return hashlib.sha256(repr(vocabularies).encode()).hexdigest()[:8]

    def _rows(self, feature: FeaturePlan) -> Axis:
        """The rows of a table, named by what they stand for."""
        # Hash buckets and quantiles of two networks mean the same only if both have equally many, so the run's name
        # holds their number.
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
                crossed = f"{', '.join(feature.crossed)} ({self._cross_digest(feature)})"
                buckets = f"of {feature.rows - 1} buckets of {crossed}"
                return Axis("buckets", {"missing": 1, buckets: feature.rows - 1})
        parts = ", ".join(feature.parts)
        return Axis("rows", {f"{feature.kind} {parts} {feature.rows}": feature.rows})

    def _layers(self, owner: str, state: str, layers: Sequence[LayerPlan], gates: Axis) -> Iterator[Part]:
        for depth, layer in enumerate(layers):
            yield from self._layer(f"{owner}, layer {depth + 1}", f"{state}.{depth}", layer, gates)

    def _layer(self, owner: str, state: str, layer: LayerPlan, gates: Axis) -> Iterator[Part]:
        experts = Axis("experts", {"expert": layer.experts})
        inputs = Axis("inputs", {**self.x, **self.context})
        yield Part(f"{owner}, gate", owner, f"{state}.gate.weight", (gates, experts, inputs))
        yield Part(f"{owner}, gate bias", owner, f"{state}.gate.bias", (gates, experts))
        before, kinds = self.x, ["bias"]
        if layer.norm != "none":
            kinds += ["scale", "shift"]
        if layer.norm == "batch":
            kinds += ["mean", "variance"]
        for block, width in enumerate(layer.hidden):
            block_state, name = f"{state}.experts.blocks.{block}", f"{owner}, experts, block {block + 1}"
            axes = (experts, Axis("inputs", before), _units(width))
            yield Part(f"{name}, weight", owner, f"{block_state}.weight_EDH", axes)
            for kind in kinds:
                yield Part(f"{name}, {kind}", owner, f"{block_state}.{kind}_EH", (experts, _units(width)))
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
        plan, (leaves, tasks) = self.plan, self._leaves_and_tasks()
        before = self.x
        for depth, width in enumerate((*plan.tasks.tower, 1)):
            last = depth == len(plan.tasks.tower)
            state = "towers.head" if last else f"towers.hidden.linears.{depth}"
            name = "towers, " + ("head" if last else f"layer {depth + 1}")
            axes = (leaves, tasks, Axis("inputs", before), _units(width))
            yield Part(f"{name}, weight", "towers", f"{state}.weight_LGDH", axes)
            yield Part(f"{name}, bias", "towers", f"{state}.bias_LGH", (leaves, tasks, _units(width)))
            before = {"unit": width}

    def _leaves_and_tasks(self) -> tuple[Axis, Axis]:
        named = [f"leaf {self.plan.leaf_name(path)}" for path in self.plan.leaves]
        unknown = {"unknown": 1} if self.plan.leaf_count > len(named) else {}
        leaves = Axis("leaves", dict.fromkeys(named, 1) | unknown, ("unknown",))
        return leaves, Axis("tasks", {f"task {task.name}": 1 for task in self.plan.tasks.tasks})


def _node_axes(level: LevelPlan) -> tuple[Axis, Axis]:
    """The axes of a level's node embeddings."""
    nodes = {f"node {node.name}": 1 for node in level.nodes} | ({"unknown": 1} if level.unknown else {})
    return Axis("nodes", nodes, ("unknown", MEAN)), _units(level.width)


def _units(width: int) -> Axis:
    return Axis("units", {"unit": width})
