"""Do the records of a run fit its plan? Scores, calibration, usage, history and profile: anybody may have written them.

Each function returns what it is given, or raises ValueError and says what is wrong where.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aesm_dsl.plan.plan import OUTSIDE, TASKS, LayerPlan, Plan
from aesm_dsl.plan.strict_json import read_json
from aesm_dsl.training.metrics.calibration import Calibration
from aesm_dsl.training.metrics.scores import ALL, Score
from aesm_dsl.training.run.history import Epoch
from aesm_dsl.training.sharing.usage import Usage

PARTS = ("train", "valid", "test")
LARGEST = 2.0**53
"""The largest number of rows, steps or parameters that a table of floats can hold."""


@dataclass(frozen=True, slots=True)
class RunInfo:
    """The values of run.json, with `_` for a space: what it must hold, and of which type."""

    training: str
    aesm: str
    python: str
    torch: str
    device: str
    processes: int
    seed: int
    architecture: str
    parameters: int
    sparse_tables: list[str | int]
    rows: dict[str, int]
    measured_on: str
    roots: list[str]
    seconds: float
    steps: int
    best_step: int
    stopped_early: bool
    warm_start: dict[str, str | float] | None = None
    log_variances: dict[str, float] | None = None
    loss_factors: dict[str, float] | None = None


@dataclass(frozen=True, slots=True)
class _LeafProfile:
    leaf: str
    rows: int
    labels: dict[str, int]
    positives: dict[str, int]
    correlation: list[_Correlation]


@dataclass(frozen=True, slots=True)
class _Correlation:
    tasks: tuple[str, str]
    phi: float | None


@dataclass(frozen=True, slots=True)
class _NodeProfile:
    node: str
    rows: int
    missing: dict[str, float]
    users: int | None = None


@dataclass(frozen=True, slots=True)
class _SharedUsers:
    nodes: tuple[str, str]
    users: int


@dataclass(frozen=True, slots=True)
class _LevelProfile:
    level: str
    nodes: list[_NodeProfile]
    shared_users: list[_SharedUsers] | None = None


@dataclass(frozen=True, slots=True)
class _Likeness:
    leaf: str
    task: str
    small: bool
    alike: float | None


@dataclass(frozen=True, slots=True)
class _RowSketch:
    parts: dict[str, tuple[int, str]]
    limit: str
    expected: float
    hashes: str


@dataclass(frozen=True, slots=True)
class RunProfile:
    """The values of profile.json, with `_` for a space (`Profile.summary`, `RowSketch.summary`)."""

    format: int
    rows: dict[str, int]
    leaves: list[_LeafProfile]
    levels: list[_LevelProfile]
    missing: dict[str, float]
    likeness: list[_Likeness]
    rows_learnt: _RowSketch | None = None


def check_info(info: dict[str, Any], plan: Plan) -> dict[str, Any]:
    """Returns the values of run.json if they are a run's of this plan."""
    known = read_json(RunInfo, json.dumps({key.replace(" ", "_"): value for key, value in info.items()}))
    architecture = "aes" if plan.baseline is None else plan.baseline.architecture
    if known.architecture != architecture:
        raise ValueError(f"`architecture` is `{known.architecture}`, the plan's is `{architecture}`")
    if known.measured_on not in PARTS:
        raise ValueError(f"`measured on` is `{known.measured_on}`, no part of the rows")
    if "train" not in known.rows or not set(known.rows) <= set(PARTS):
        raise ValueError("`rows` are not those of training, validation and test")
    _in_range("`steps`", [known.steps, known.best_step, known.parameters, known.processes, *known.rows.values()], None)
    _in_range("`seconds`", [known.seconds], None)
    return info


def check_scores(scores: tuple[Score, ...], plan: Plan) -> tuple[Score, ...]:
    """Returns the scores if they are those of the plan's leaves and tasks."""
    _check_places([(score.leaf, score.task) for score in scores], plan)
    for score in scores:
        where = f"`{score.leaf}`, `{score.task}`"
        counts = [score.rows, score.positives, score.users, score.queries]
        _in_range(where, [*counts, score.log_loss, score.normalised_entropy], None)
        shares = [value for interval in score.intervals for value in interval]
        _in_range(where, [score.rate, score.calibration_error, score.auc_off, *shares], 1)
        _in_range(where, [score.calibration], None)
        if score.positives > score.rows:
            raise ValueError(f"{where} has more positives than rows")
        for middle, low, high in score.intervals:
            if (low is None) != (high is None) or (low is not None and middle is None):
                raise ValueError(f"{where} has half an interval")
    return scores


def check_calibration(calibration: tuple[Calibration, ...], plan: Plan) -> tuple[Calibration, ...]:
    """Returns the calibration if it is that of the plan's leaves and tasks."""
    _check_places([(of_leaf.leaf, of_leaf.task) for of_leaf in calibration], plan)
    for of_leaf in calibration:
        for bin in of_leaf.bins:
            where = f"`{of_leaf.leaf}`, `{of_leaf.task}`"
            _in_range(where, [bin.foretold, bin.seen], 1)
            if not 1 <= bin.rows <= LARGEST:
                raise ValueError(f"{where} has a bin of {bin.rows} rows")
    return calibration


def _check_places(places: Sequence[tuple[str, str]], plan: Plan) -> None:
    """Every leaf, and all rows, with every task, once. Paths with unknown nodes may stand beside them."""
    tasks = [task.name for task in plan.tasks.tasks]
    leaves = [plan.leaf_name(path) for path in plan.leaves] if plan.levels else []
    due = {(leaf, task) for leaf in (*leaves, ALL) for task in tasks}
    beside = {(leaf, task) for leaf, task in set(places) - due if OUTSIDE in leaf.split(" > ") and task in tasks}
    if len(set(places)) < len(places):
        raise ValueError("a leaf and task stand there twice")
    for leaf, task in sorted((set(places) - beside) ^ due):
        raise ValueError(f"`{leaf}`, `{task}` " + ("is missing" if (leaf, task) in due else "is not in the plan"))


def check_usage(usage: Usage, plan: Plan) -> Usage:
    """Returns the usage if it is that of the plan's layers, nodes and experts."""
    nodes, layers = _nodes(plan), _layers(plan)
    if [(layer.level, layer.layer) for layer in usage] != list(layers):
        raise ValueError("its layers are not those of the plan")
    for layer in usage:
        where, experts = f"layer {layer.layer + 1} of `{layer.level}`", layers[layer.level, layer.layer].experts
        if layer.nodes != nodes[layer.level]:
            raise ValueError(f"{where} has other nodes than the plan")
        _in_range(where, layer.rows_N, None, len(layer.nodes))
        for table in (layer.specific_NE, layer.shared_NE, layer.weight_NE):
            _check_table(where, table, len(layer.nodes), experts)
        _in_range(where, layer.dead_units_E, 1, len(layer.dead_units_E) and experts)
    last = {name: stack.experts for (name, _), stack in layers.items()}
    for flow in usage.flows:
        names = list(nodes)
        if flow.above not in last or flow.below not in names or names.index(flow.above) + 1 != names.index(flow.below):
            raise ValueError(f"rows do not flow from `{flow.above}` to `{flow.below}`")
        below = last[TASKS] if flow.below == TASKS else len(nodes[flow.below])
        _check_table(f"the flow from `{flow.above}`", flow.share, last[flow.above], below)
    return usage


def check_history(epochs: Iterable[Epoch], plan: Plan) -> tuple[Epoch, ...]:
    """Returns the epochs if their losses are of the plan's tasks, and their experts of its layers."""
    history, nodes, layers = tuple(epochs), _nodes(plan), _layers(plan)
    tasks = {task.name for task in plan.tasks.tasks}
    for before, epoch in zip((None, *history), history, strict=False):
        where = f"epoch {epoch.epoch}"
        if before is not None and (epoch.epoch <= before.epoch or epoch.step < before.step):
            raise ValueError(f"{where} comes after epoch {before.epoch}")
        of_tasks = (epoch.train_losses, epoch.valid_losses, epoch.log_variances, epoch.loss_factors)
        if not set().union(*of_tasks) <= tasks:
            raise ValueError(f"{where} has losses of other tasks than the plan")
        _in_range(where, [epoch.epoch, epoch.step, epoch.seconds], None)
        _in_range(where, [epoch.valid_mean_auc, epoch.valid_mean_gauc, epoch.valid_mean_ndcg], 1)
        for health in epoch.experts:
            key = health.level, health.layer
            if key not in layers:
                raise ValueError(f"{where} has a layer that is not in the plan")
            experts, count = layers[key].experts, len(nodes[health.level])
            _in_range(where, [health.in_use, *health.dead, *health.occupied], experts)
            _in_range(where, health.gradient, 1, len(health.gradient) and experts)
            _in_range(where, health.rows_N, None, len(health.rows_N) and count)
            _check_table(where, health.weight_NE, len(health.weight_NE) and count, experts)
            if not set(health.occupied.values()) <= set(nodes[health.level]):
                raise ValueError(f"{where} has other nodes than the plan")
    return history


def check_profile(text: str, plan: Plan) -> dict[str, Any]:
    """Returns the profile if it is of the plan's leaves, nodes and tasks."""
    profile: dict[str, Any] = json.loads(text)
    known = read_json(RunProfile, json.dumps(_underscored(profile)))
    tasks = [task.name for task in plan.tasks.tasks]
    _in_range("`rows`", known.rows.values(), None)
    leaves = [plan.leaf_name(path) or "all rows" for path in plan.leaves]
    if [leaf.leaf for leaf in known.leaves] != leaves:
        raise ValueError("its leaves are not those of the plan")
    for leaf in known.leaves:
        if not list(leaf.labels) == list(leaf.positives) == tasks:
            raise ValueError(f"`{leaf.leaf}` has other tasks than the plan")
        pairs = [(first, second) for at, first in enumerate(tasks) for second in tasks[at + 1 :]]
        if [pair.tasks for pair in leaf.correlation] != pairs:
            raise ValueError(f"`{leaf.leaf}` has other pairs of tasks than the plan")
        _in_range(f"`{leaf.leaf}`", [leaf.rows, *leaf.labels.values(), *leaf.positives.values()], None)
    levels = [(level.name, [node.name for node in level.nodes]) for level in plan.levels]
    if [(level.level, [node.node for node in level.nodes]) for level in known.levels] != levels:
        raise ValueError("its nodes are not those of the plan")
    for level in known.levels:
        with_users = [node.users is not None for node in level.nodes]
        if any(with_users) != all(with_users) or all(with_users) != (level.shared_users is not None):
            raise ValueError(f"`{level.level}` has users at some nodes alone")
        nodes = {node.node for node in level.nodes}
        if any(not set(pair.nodes) <= nodes for pair in level.shared_users or ()):
            raise ValueError(f"`{level.level}` has users of other nodes than the plan")
        for node in level.nodes:
            _in_range(f"`{node.node}`", [node.rows, node.users], None)
            _in_range(f"`{node.node}`", node.missing.values(), 1)
    for similarity in known.likeness:
        if similarity.leaf not in leaves or similarity.task not in tasks:
            raise ValueError(f"`{similarity.leaf}`, `{similarity.task}` is not in the plan")
    return profile


def _underscored(value: Any) -> Any:
    """JSON with `_` for a space in the names of the fields that have one."""
    if isinstance(value, dict):
        names = {"shared users": "shared_users", "rows learnt": "rows_learnt"}
        return {names.get(key, key): _underscored(inner) for key, inner in value.items()}
    return [_underscored(inner) for inner in value] if isinstance(value, list) else value


def _nodes(plan: Plan) -> dict[str, tuple[str, ...]]:
    """The nodes of every level, and the tasks."""
    nodes = {level.name: tuple(node.name for node in level.nodes) for level in plan.levels}
    return {**nodes, TASKS: tuple(task.name for task in plan.tasks.tasks)}


def _layers(plan: Plan) -> dict[tuple[str, int], LayerPlan]:
    """The layers whose usage a run has; none for a baseline."""
    stacks = {level.name: level.layers for level in plan.levels} | {TASKS: plan.tasks.layers}
    return {(name, index): layer for name, stack in stacks.items() for index, layer in enumerate(stack)}


def _check_table(where: str, table: Sequence[Sequence[float]], rows: int, columns: int) -> None:
    _in_range(where, [1.0] * len(table), 1, rows)
    for row in table:
        _in_range(where, row, 1.0001, columns)


def _in_range(where: str, values: Iterable[float | None], most: float | None, count: int | None = None) -> None:
    """Raises ValueError if a value is below 0 or above `most`, or if there are not `count` of them.

    Nothing is above LARGEST.
    """
    known = list(values)
    if count is not None and len(known) != count:
        raise ValueError(f"{where} has {len(known)} values, expected {count}")
    for value in known:
        if value is not None and not 0 <= value <= (LARGEST if most is None else most):
            raise ValueError(f"{where} has the value {value}")
