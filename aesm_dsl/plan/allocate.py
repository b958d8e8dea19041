"""Automatic allocation: every `auto` of a spec becomes a number, by rules that can be told in a sentence.

  count     twice the level's nodes, rounded up to a multiple of 4, from 8 to 64
  specific  2
  shared    2
  hidden    [w, w/2]. Without a budget, w is the largest power of two that is at most the width of all features
            together, from 32 to 256. With one, w is the largest multiple of 8 from 8 to 1024, the same for all levels,
            with which the whole network stays within the budget; if even 8 is too wide, automatic counts are halved
            first, down to 4.
  embeddings  sparse(from: 16), but dense with weight decay
  embed     the fourth root of the table's rows (feature_plan.py); of a level and the tasks, of their nodes. Where the
            training rows decide how many there are, a feature's `embed` stays `auto` until they are known: what is
            computed from it before, from the most there may be

A budget counts everything but the embedding tables of the features. `specific` and `shared` never exceed `count`.
"""

from __future__ import annotations

from collections.abc import Callable

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.compile import compile_aes
from aesm_dsl.plan.compile_features import feature_plans
from aesm_dsl.plan.cost import cost
from aesm_dsl.plan.features import auto_width
from aesm_dsl.plan.hierarchy import Hierarchy
from aesm_dsl.spec.block_model import Model
from aesm_dsl.spec.features import DateFeature, FeatureDefinition, ListFeature, SameFeature, SequenceFeature
from aesm_dsl.spec.levels import Experts
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.name_rules import TASK_LEVEL
from aesm_dsl.spec.training import Dense, Sparse

FEWEST_EXPERTS, MOST_EXPERTS = 8, 64
NARROWEST, WIDEST = 32, 256
STEP, WIDEST_IN_BUDGET = 8, 1024
FEWEST_IN_BUDGET = 4

LARGE_TABLE = 16
"""Rows of an embedding table for every id that a batch looks up in it, from which on moving only the rows that were
looked up pays clearly: both ways cost the same at two to eight rows (`bench/embeddings.py`)."""

Reasons = dict[str, str]
"""Path of a setting that was `auto` -> why it got its value."""


def allocate(spec: Spec, hierarchy: Hierarchy, findings: Findings) -> tuple[Spec, Reasons]:
    """The spec with a number for every `auto` and a value for every name and width left out, and why each.

    Tells E410 when the budget cannot be kept.
    """
    spec, names = _fill_names(spec, hierarchy)
    spec, tables = _fill_embeddings(spec)
    spec, widths = _fill_widths(spec)
    resolved, numbers = _allocate(spec, hierarchy, findings)
    return resolved, names | tables | widths | numbers


def _fill_widths(spec: Spec) -> tuple[Spec, Reasons]:
    """The widths of features: numbers where the spec decides how many rows their tables have."""
    plans, reasons = {one.name: one for one in feature_plans(spec)}, Reasons()

    def filled(name: str, feature: FeatureDefinition) -> FeatureDefinition:
        inner = feature.of if isinstance(feature, ListFeature | SequenceFeature) else None
        own = feature if inner is None else inner
        if isinstance(own, str | SameFeature | ListFeature | SequenceFeature) or (own.embed or spec.embed) != "auto":
            return feature
        plan = plans[name]
        of_date = isinstance(own, DateFeature)
        rows = "a number has no rows" if plan.values else "those of its largest part" if of_date else f"{plan.rows:,}"
        reasons[path] = f"`embed` auto: by its table's rows, {'known after fitting' if plan.auto else rows}"
        wide = own.model_copy(update={"embed": "auto" if plan.auto else plan.embed})
        return wide if inner is None else feature.model_copy(update={"of": wide})

    groups = []
    for group in spec.features:
        members = {}
        for name, feature in group.members.items():
            path = f"features.{group.name}.{name}"
            members[name] = filled(name, feature)
        groups.append(group.model_copy(update={"members": members}))
    return spec.model_copy(update={"features": tuple(groups)}), reasons


def _fill_embeddings(spec: Spec) -> tuple[Spec, Reasons]:
    if spec.train.embeddings != "auto":
        return spec, {}
    chosen: Dense | Sparse = Sparse(call="sparse", least=LARGE_TABLE)
    why = f"large tables, {LARGE_TABLE} rows or more for every id that a batch looks up"
    if spec.train.optimizer.weight_decay:
        chosen, why = Dense(call="dense"), "weight decay is to reach all rows"
    train = spec.train.model_copy(update={"embeddings": chosen})
    return spec.model_copy(update={"train": train}), {"train.embeddings": f"auto: {why}"}


def _fill_names(spec: Spec, hierarchy: Hierarchy) -> tuple[Spec, Reasons]:
    """What is called like the thing itself, or as wide as the model says, is written out."""
    reasons: Reasons = {}

    def choose(model: Model, path: str, word: str, value: object, why: str) -> dict[str, object]:
        if getattr(model, word) is not None:
            return {}
        reasons[f"{path}.{word}"] = why
        return {word: value}

    levels = []
    for level in spec.levels:
        path = f"level.{level.name}"
        nodes = []
        for node in level.nodes:
            value = choose(node, f"{path}.node.{node.name}", "value", (node.name,), "the node's name")
            nodes.append(node.model_copy(update=value))
        changes = choose(level, path, "column", level.name, "the level's name")
        changes |= choose(level, path, "embed", *_node_width(spec, len(hierarchy.nodes(level.name))))
        levels.append(level.model_copy(update={"nodes": tuple(nodes), **changes}))
    tasks = []
    for task in spec.tasks.tasks:
        path = f"tasks.task.{task.name}"
        label = choose(task, path, "label", task.name, "the task's name")
        joint = choose(task, path, "joint", "product", "built in") if task.after is not None else {}
        tasks.append(task.model_copy(update=label | joint))
    embed = choose(spec.tasks, "tasks", "embed", *_node_width(spec, len(spec.tasks.tasks)))
    last = choose(spec.tasks, "tasks", "under", hierarchy.levels[-2], "the last level") if levels else {}
    task_level = spec.tasks.model_copy(update={"tasks": tuple(tasks), **embed, **last})
    return spec.model_copy(update={"levels": tuple(levels), "tasks": task_level}), reasons


def _node_width(spec: Spec, nodes: int) -> tuple[int, str]:
    """The width of a level's embedding that says nothing else, and why."""
    if spec.embed == "auto":
        return auto_width(nodes), "auto: the fourth root of its nodes"
    return spec.embed, "the model's"


def _allocate(spec: Spec, hierarchy: Hierarchy, findings: Findings) -> tuple[Spec, Reasons]:
    width = _feature_width(spec)
    natural = max(NARROWEST, min(WIDEST, 1 << (width.bit_length() - 1)))
    if spec.budget is None:
        reason = f"the power of two at most {width}, the features' width, from {NARROWEST} to {WIDEST}"
        return _fill(spec, hierarchy, natural, MOST_EXPERTS, reason)
    limit, unit = spec.budget.value, spec.budget.unit

    def spent(most: int, wide: int) -> int:
        filled, _ = _fill(spec, hierarchy, wide, most, "")
        total = cost(compile_aes(filled, hierarchy)).total
        return total.parameters if unit == "parameters" else total.selected

    most = MOST_EXPERTS
    while spent(most, STEP) > limit and most > FEWEST_IN_BUDGET:
        most //= 2
    if (least := spent(most, STEP)) > limit:
        findings.add(
            "E410",
            f"the budget of {limit:,} {unit} cannot be kept",
            spec.places.of("budget"),
            label=f"the smallest network needs {least:,}",
            help="raise the budget, or write smaller `count`, `hidden` or `tower`",
        )
    wide = STEP * largest(lambda steps: spent(most, STEP * steps) <= limit, WIDEST_IN_BUDGET // STEP)
    return _fill(spec, hierarchy, wide, most, f"the widest within the budget of {limit:,} {unit}")


def largest(fits: Callable[[int], bool], most: int, least: int = 1) -> int:
    """The largest number from `least` to `most` that fits; `least` if none does. What fails once must fail above."""
    low, high = least, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _feature_width(spec: Spec) -> int:
    return max(1, sum(feature.width for feature in feature_plans(spec)))


def _fill(spec: Spec, hierarchy: Hierarchy, wide: int, most: int, reason: str) -> tuple[Spec, Reasons]:
    reasons: Reasons = {}

    def fill(path: str, experts: Experts, nodes: int) -> Experts:
        values: dict[str, object] = {}

        def choose(word: str, value: object, why: str) -> None:
            values[word] = value
            reasons[f"{path}.{word}"] = f"auto: {why}"

        count = experts.count
        if count == "auto":
            fixed = [one for one in (experts.specific, experts.shared) if isinstance(one, int)]
            count = max(min(FEWEST_EXPERTS, most), min(most, -(-2 * nodes // 4) * 4), *fixed, 1)
            choose("count", count, f"twice {nodes} nodes, a multiple of 4, from {min(FEWEST_EXPERTS, most)} to {most}")
        for word in ("specific", "shared"):
            if getattr(experts, word) == "auto":
                choose(word, min(2, count), "2 of each kind")
        if experts.hidden == "auto":
            choose("hidden", (wide, max(1, wide // 2)), reason)
        return experts.model_copy(update=values)

    levels = []
    for level in spec.levels:
        nodes = len(hierarchy.nodes(level.name))
        levels.append(level.model_copy(update={"experts": fill(f"level.{level.name}.experts", level.experts, nodes)}))
    filled = fill("tasks.experts", spec.tasks.experts, len(hierarchy.nodes(TASK_LEVEL)))
    tasks = spec.tasks.model_copy(update={"experts": filled})
    resolved = spec.model_copy(update={"levels": tuple(levels), "tasks": tasks})
    return resolved, reasons
