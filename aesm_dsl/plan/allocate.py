"""Automatic allocation: replaces every `auto` of a spec by a number, by rules that fit in a sentence.

  count       Twice the level's nodes, rounded up to a multiple of 4, from 8 to 64. With one node `specific`
              and `shared` together: nobody else would use the others.
  specific    2.
  shared      2.
  hidden      [w, w/2]. Without a budget, w is the largest power of two that is at most the width of all features
              together, from 32 to 256. With a budget, w is the largest multiple of 8 from 8 to 1024, the same for all
              levels, with which the whole network stays within the budget; if even 8 is too wide, automatic counts
              are halved first, down to 4.
  embeddings  sparse(from: 16), but dense if there is weight decay.
  embeddings_decay
              `weight_decay`; if Adam has none, 10 over the rows of a batch, at most 0.02.
  embed       The fourth root of the table's rows (`features.auto_width`); for a level and the tasks, of the number of
              nodes. If the training rows decide how many rows a feature's table has, its `embed` stays `auto` until
              they are known, and whatever is computed before that uses the upper bound of the rows.

A budget counts everything except the features' embedding tables. `specific` and `shared` never exceed `count`.
"""

from __future__ import annotations

from collections.abc import Callable

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.compile import compile_aes
from aesm_dsl.plan.compile_features import feature_plans
from aesm_dsl.plan.cost import cost
from aesm_dsl.plan.features import auto_width
from aesm_dsl.plan.hierarchy import Hierarchy
from aesm_dsl.spec.block_model import BlockModel
from aesm_dsl.spec.features import DateFeature, FeatureDefinition, ListFeature, SameFeature, SequenceFeature
from aesm_dsl.spec.levels import ExpertsBlock
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.name_rules import TASK_LEVEL
from aesm_dsl.spec.training import Adam, Dense, Sparse

FEWEST_EXPERTS, MOST_EXPERTS = 8, 64
NARROWEST, WIDEST = 32, 256
STEP, WIDEST_IN_BUDGET = 8, 1024
FEWEST_IN_BUDGET = 4

LARGE_TABLE = 16
"""Rows of an embedding table, per id that a batch looks up in it, from which on sparse updates (only of the rows that
were looked up) are clearly cheaper. Both kinds of updates cost the same at two to eight rows (bench/embeddings.py)."""

DECAY_OF_A_ROW, MOST_DECAY = 10, 0.02
"""Weight decay of the embeddings, times the rows of a batch: a batch's loss is a mean, so one row of it counts
1 / rows, and the decay is to weigh the same against it whatever the batch's size. At most MOST_DECAY, since values that
every batch holds do not need more in small batches. `python bench/quality.py defaults` shows what it is worth."""

Reasons = dict[str, str]
"""Maps the path of a setting that was `auto` or left out to the reason for its value."""


def allocate(spec: Spec, hierarchy: Hierarchy, findings: Findings) -> tuple[Spec, Reasons]:
    """Replaces every `auto` by a number, and writes out every name and width that was left out.

    A budget that cannot be kept is reported as E410.

    Returns:
        The resolved spec, and the reason for each value that was filled in.
    """
    spec, names = _fill_names(spec, hierarchy)
    spec, steps = _fill_steps(spec)
    spec, tables = _fill_embeddings(spec)
    spec, decay = _fill_embeddings_decay(spec)
    spec, widths = _fill_feature_widths(spec)
    resolved, numbers = _fill_experts_within_budget(spec, hierarchy, findings)
    return resolved, names | steps | tables | decay | widths | numbers


def _fill_steps(spec: Spec) -> tuple[Spec, Reasons]:
    """Writes out what sequences that stand `with` another one take from it."""
    features, reasons = {name: one for group in spec.features for name, one in group.members.items()}, Reasons()

    def fill(path: str, feature: FeatureDefinition) -> FeatureDefinition:
        lead = features[feature.lead] if isinstance(feature, SequenceFeature) and feature.lead is not None else None
        if not isinstance(lead, SequenceFeature) or not isinstance(feature, SequenceFeature):
            return feature
        reasons[path] = f"`last` and `pool` as `{feature.lead}`"
        return feature.model_copy(update={"last": lead.last, "pool": lead.pool})

    groups = []
    for group in spec.features:
        members = {name: fill(f"features.{group.name}.{name}", one) for name, one in group.members.items()}
        groups.append(group.model_copy(update={"members": members}))
    return spec.model_copy(update={"features": tuple(groups)}), reasons


def _fill_feature_widths(spec: Spec) -> tuple[Spec, Reasons]:
    """Fills the `embed` of every feature whose table's rows the spec alone decides."""
    both = (*feature_plans(spec), *feature_plans(spec, training_only=True))
    plans, reasons = {plan.name: plan for plan in both}, Reasons()

    def fill(path: str, name: str, feature: FeatureDefinition) -> FeatureDefinition:
        inner = feature.of if isinstance(feature, ListFeature | SequenceFeature) else None
        embedded = feature if inner is None else inner
        if isinstance(embedded, str | SameFeature | ListFeature | SequenceFeature):
            return feature
        if (embedded.embed or spec.embed) != "auto":
            return feature
        plan = plans[name]
        if plan.auto:
            rows = "known after fitting"
        elif plan.values:
            rows = "a number has no rows"
        else:
            rows = "those of its largest part" if isinstance(embedded, DateFeature) else f"{plan.rows:,}"
        reasons[path] = f"`embed` auto: by its table's rows, {rows}"
        update = {"embed": "auto" if plan.auto else plan.embed}
        return feature.model_copy(update=update if inner is None else {"of": embedded.model_copy(update=update)})

    groups = []
    for group in spec.features:
        members = {
            name: fill(f"features.{group.name}.{name}", name, feature) for name, feature in group.members.items()
        }
        groups.append(group.model_copy(update={"members": members}))
    return spec.model_copy(update={"features": tuple(groups)}), reasons


def _fill_embeddings(spec: Spec) -> tuple[Spec, Reasons]:
    if spec.train.embeddings != "auto":
        return spec, {}
    embeddings: Dense | Sparse = Sparse(call="sparse", least=LARGE_TABLE)
    reason = f"large tables, {LARGE_TABLE} rows or more for every id that a batch looks up"
    if spec.train.optimizer.weight_decay:
        embeddings, reason = Dense(call="dense"), "weight decay is to reach all rows"
    train = spec.train.model_copy(update={"embeddings": embeddings})
    return spec.model_copy(update={"train": train}), {"train.embeddings": f"auto: {reason}"}


def _fill_embeddings_decay(spec: Spec) -> tuple[Spec, Reasons]:
    optimizer = spec.train.optimizer
    if not isinstance(optimizer, Adam) or optimizer.embeddings_decay != "auto" or optimizer.weight_decay:
        return spec, {}
    decay = min(float(f"{DECAY_OF_A_ROW / spec.train.batch:.3g}"), MOST_DECAY)
    train = spec.train.model_copy(update={"optimizer": optimizer.model_copy(update={"embeddings_decay": decay})})
    reason = f"`embeddings_decay` auto: {DECAY_OF_A_ROW} over the rows of a batch, at most {MOST_DECAY}"
    return spec.model_copy(update={"train": train}), {"train.optimizer": reason}


def _fill_names(spec: Spec, hierarchy: Hierarchy) -> tuple[Spec, Reasons]:
    """Writes out columns, values and labels that default to a name, and node widths that default to the model's."""
    reasons: Reasons = {}

    def choose(model: BlockModel, path: str, word: str, value: object, reason: str) -> dict[str, object]:
        if getattr(model, word) is not None:
            return {}
        reasons[f"{path}.{word}"] = reason
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
    """The default width of a level's node embedding, and the reason for it."""
    if spec.embed == "auto":
        return auto_width(nodes), "auto: the fourth root of its nodes"
    return spec.embed, "the model's"


def _fill_experts_within_budget(spec: Spec, hierarchy: Hierarchy, findings: Findings) -> tuple[Spec, Reasons]:
    features_width = max(1, sum(feature.width for feature in feature_plans(spec)))
    if spec.budget is None:
        width = max(NARROWEST, min(WIDEST, 1 << (features_width.bit_length() - 1)))
        reason = f"the power of two at most {features_width}, the features' width, from {NARROWEST} to {WIDEST}"
        return _fill_experts(spec, hierarchy, width, MOST_EXPERTS, reason)
    limit, unit = spec.budget.value, spec.budget.unit

    def network_cost(most: int, width: int) -> int:
        filled, _ = _fill_experts(spec, hierarchy, width, most, "")
        total = cost(compile_aes(filled, hierarchy)).total
        return total.parameters if unit == "parameters" else total.selected

    most = MOST_EXPERTS
    while network_cost(most, STEP) > limit and most > FEWEST_IN_BUDGET:
        most //= 2
    if (least := network_cost(most, STEP)) > limit:
        findings.add(
            "E410",
            f"the budget of {limit:,} {unit} cannot be kept",
            spec.places.of("budget"),
            label=f"the smallest network needs {least:,}",
            help="raise the budget, or write smaller `count`, `hidden` or `tower`",
        )
    width = STEP * largest_that_fits(lambda steps: network_cost(most, STEP * steps) <= limit, WIDEST_IN_BUDGET // STEP)
    return _fill_experts(spec, hierarchy, width, most, f"the widest within the budget of {limit:,} {unit}")


def largest_that_fits(fits: Callable[[int], bool], most: int, least: int = 1) -> int:
    """Finds by bisection the largest number from `least` to `most` that fits; `least` if none does.

    Args:
        fits: must be monotone: a number above one that does not fit does not fit either.
        most: upper end of the range.
        least: lower end of the range.
    """
    low, high = least, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _fill_experts(spec: Spec, hierarchy: Hierarchy, width: int, most: int, reason: str) -> tuple[Spec, Reasons]:
    """Fills every `auto` of all `experts` blocks: at most `most` experts, the first hidden width `width`."""
    reasons: Reasons = {}

    def fill(path: str, experts: ExpertsBlock, nodes: int) -> ExpertsBlock:
        values: dict[str, object] = {}

        def choose(word: str, value: object, reason: str) -> None:
            values[word] = value
            reasons[f"{path}.{word}"] = f"auto: {reason}"

        count = experts.count
        if count == "auto":
            fixed = [selected for selected in (experts.specific, experts.shared) if isinstance(selected, int)]
            if nodes == 1:
                picked = [2 if selected == "auto" else selected for selected in (experts.specific, experts.shared)]
                count, why = max(1, min(most, sum(picked)), *fixed), "one node picks them all"
            else:
                count = max(min(FEWEST_EXPERTS, most), min(most, -(-2 * nodes // 4) * 4), *fixed, 1)
                why = f"twice {nodes} nodes, a multiple of 4, from {min(FEWEST_EXPERTS, most)} to {most}"
            choose("count", count, why)
        for word in ("specific", "shared"):
            if getattr(experts, word) == "auto":
                choose(word, min(2, count), "2 of each kind")
        if experts.hidden == "auto":
            choose("hidden", (width, max(1, width // 2)), reason)
        return experts.model_copy(update=values)

    levels = []
    for level in spec.levels:
        nodes = len(hierarchy.nodes(level.name))
        levels.append(level.model_copy(update={"experts": fill(f"level.{level.name}.experts", level.experts, nodes)}))
    filled = fill("tasks.experts", spec.tasks.experts, len(hierarchy.nodes(TASK_LEVEL)))
    tasks = spec.tasks.model_copy(update={"experts": filled})
    resolved = spec.model_copy(update={"levels": tuple(levels), "tasks": tasks})
    return resolved, reasons
