"""`RULES`: what must hold between blocks. Each rule is a function that reports only what no earlier finding implies."""

from __future__ import annotations

import re
from collections.abc import Callable

from aesm_dsl.findings.diagnostic import Findings, Related, quoted
from aesm_dsl.findings.lookalike import normalize
from aesm_dsl.findings.source import Span
from aesm_dsl.spec import (
    baseline_rules,
    bottom_rules,
    data_rules,
    expert_rules,
    feature_rules,
    form_rules,
    name_rules,
    only_rules,
    sequence_rules,
)
from aesm_dsl.spec.data import Split
from aesm_dsl.spec.features import KINDS, column_of
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.rule_context import RuleContext
from aesm_dsl.spec.tasks import Task
from aesm_dsl.spec.training import Dense


def check_rules(spec: Spec, damaged: tuple[Span, ...], findings: Findings) -> None:
    """Checks every rule.

    Args:
        spec: the spec as it was read.
        damaged: places of the file that could not be read; names that occur in them are not reported as unknown.
        findings: receives the mistakes.
    """
    lost = frozenset(
        normalize(word) for span in (*damaged, *spec.places.lost) for word in re.findall(r"\w+", span.text)
    )
    context = RuleContext(spec, lost, findings)
    for rule in RULES:
        rule(context)


def _values_mean_one_node(context: RuleContext) -> None:
    """Every value of a level's column means only one node."""
    places = context.spec.places
    for level in context.spec.levels:
        first: dict[str, tuple[str, str]] = {}
        for node in level.nodes:
            path = f"level.{level.name}.node.{node.name}"
            if places.is_broken(path):
                continue
            for position, value in enumerate(node.value or (node.name,)):
                item = f"{path}.value.{position}"
                value_path = item if item in places.values else f"{path}.value"
                if str(value) not in first:
                    first[str(value)] = (node.name, value_path)
                    continue
                other, other_path = first[str(value)]
                context.findings.add(
                    "E308",
                    f"the value `{value}` means two nodes of level `{level.name}`",
                    places.of(value_path),
                    label=f"`{node.name}`",
                    help="give it to one of them",
                    second=Related.at(places.of(other_path), f"and `{other}`"),
                )


def _has_features_and_tasks(context: RuleContext) -> None:
    """The model has at least one feature and one task."""
    spec = context.spec
    if context.lost or spec.places.broken:
        return
    if not any(group.members for group in spec.features):
        context.findings.add(
            "E409",
            "the model has no features",
            spec.places.of(""),
            label="no feature in it",
            help="write `features GROUP { NAME = category() }`; kinds are "
            + quoted((kind.call_name() for kind in KINDS), 9),
        )
    elif all(feature.training_only for group in spec.features for feature in group.members.values()):
        context.findings.add(
            "E409",
            "all features of the model are known in training only",
            spec.places.of(""),
            label="nothing to score a row by",
            help="delete `training_only` where a feature is known when the model is asked",
        )
    if not spec.tasks.tasks:
        context.findings.add(
            "E406",
            "the model has no tasks",
            spec.places.of("tasks"),
            label="no task in it",
            help="write `tasks { task NAME { label = COLUMN } }`",
        )


def _joint_has_effect(context: RuleContext) -> None:
    """`joint` is written only for tasks with `after`, and `where` does not restate what a product implies."""
    places, findings = context.spec.places, context.findings
    tasks = {task.name: task for task in context.spec.tasks.tasks}
    factors = _Factors(tasks)
    for task in tasks.values():
        path = f"tasks.task.{task.name}"
        if task.joint is not None and task.after is None and not places.is_broken(f"{path}.after"):
            findings.add(
                "W110",
                f"task `{task.name}` follows no other, so there is nothing to join",
                places.of(f"{path}.joint"),
                label="has no effect",
                help="write `after = TASK`, or delete `joint`",
            )
        if task.joint == "direct" or task.after is None or task.where is None:
            continue
        if factors.has(task.name, task.where):
            findings.add(
                "W111",
                f"task `{task.name}` is a product that starts from all rows, and counts only those where "
                f"`{task.where}` happened",
                places.of(f"{path}.where"),
                label=f"there P(`{task.where}`) is already known to be 1",
                help=[
                    "delete `where`: the product is learnt on all rows",
                    "or write `joint = direct`: a tower for what happens on these rows",
                ],
                second=Related.at(places.of(f"{path}.after"), "the product"),
            )


class _Factors:
    """Which tasks' probabilities are factors of which: those above a task in a forest, numbered as a walk goes."""

    def __init__(self, tasks: dict[str, Task]) -> None:
        below: dict[str | None, list[str]] = {}
        for task in tasks.values():
            parent = task.after if task.joint != "direct" and task.after in tasks else None
            below.setdefault(parent, []).append(task.name)
        self._entered, self._left = dict[str, int](), dict[str, int]()
        walk = [(name, iter(below.get(name, ()))) for name in reversed(below.get(None, []))]
        while walk:
            name, children = walk[-1]
            self._entered.setdefault(name, len(self._entered))
            child = next(children, None)
            if child is None:
                self._left[walk.pop()[0]] = len(self._entered)
            else:
                walk.append((child, iter(below.get(child, ()))))

    def has(self, task: str, factor: str) -> bool:
        """Whether a task's probability is a product with that of the other; never in a circle, which is E407."""
        entered = self._entered.get(factor, len(self._entered))
        return task != factor and entered <= self._entered.get(task, -1) < self._left.get(factor, -1)


def _splits_are_complete(context: RuleContext) -> None:
    """A split has exactly one rule for its rows, and the column that the rule needs."""
    spec, places = context.spec, context.spec.places
    for word in ("valid", "test"):
        split, path = getattr(spec.data, word, None), f"data.{word}"
        if not isinstance(split, Split) or places.is_broken(path):
            continue
        rules = {"last": split.last, "from": split.start, "equals": split.equals, "random": split.random}
        names = [name for name, value in rules.items() if value is not None]
        if not names:
            context.findings.add(
                "E307",
                "a split says which rows it takes",
                places.of(path),
                label="neither `last`, `from`, `equals` nor `random`",
                help="write `split(last: 10%, by: day)` or `split(random: 10%)`, for example",
            )
        elif len(names) > 1:
            words = f"`{names[0]}` and `{names[1]}`"
            context.report_conflict(words, f"{path}.{names[0]}", f"{path}.{names[1]}", "delete one of them")
        elif names[0] != "random" and split.by is None:
            context.findings.add(
                "E307",
                f"`{names[0]}` needs `by`, the column that decides",
                places.of(path),
                label="`by` is missing",
                help="write `by: COLUMN`, for example `by: day`",
            )
        elif names[0] == "random" and split.by is not None:
            context.report_conflict("`random` and `by`", f"{path}.random", f"{path}.by", "delete `by`")
        elif names[0] != "random" and split.seed is not None:
            words = f"`{names[0]}` and `seed`"
            context.report_conflict(words, f"{path}.{names[0]}", f"{path}.seed", "delete `seed`: nothing is drawn")


def _features_are_not_labels(context: RuleContext) -> None:
    """No feature reads the column of a label."""
    spec, places = context.spec, context.spec.places
    labels: dict[str, str] = {}
    for task in spec.tasks.tasks:
        label = task.label if task.label is not None else task.name
        labels.setdefault(label if isinstance(label, str) else label.column, task.name)
    for group in spec.features:
        for name, feature in group.members.items():
            task_name = labels.get(column_of(name, feature))
            if task_name is None:
                continue
            context.findings.add(
                "W103",
                f"feature `{name}` reads the label of task `{task_name}`",
                places.of(f"features.{group.name}.{name}"),
                label="a leak: the answer is not known when the model is asked",
                help="delete the feature",
                second=Related.at(places.of(f"tasks.task.{task_name}.label"), "the label"),
            )


def _early_stop_has_rows(context: RuleContext) -> None:
    """If `stop` is written, there are validation rows."""
    spec = context.spec
    stop = spec.places.values.get("train.stop")
    if stop and spec.train.stop is not None and spec.data is not None and spec.data.valid is None:
        if spec.places.is_broken("data"):
            return
        context.findings.add(
            "W102",
            "training cannot stop early without validation rows",
            stop,
            label="has no effect",
            help="write `valid = split(random: 10%)` in `data`",
        )


def _watched_has_its_column(context: RuleContext) -> None:
    """If `stop` watches a metric within users or queries, `data` names their column."""
    spec = context.spec
    metric = None if spec.train.stop is None else spec.train.stop.on
    if metric not in ("mean_gauc", "mean_ndcg") or spec.places.is_broken("data"):
        return
    word, message = {
        "mean_gauc": ("user", "`mean_gauc` is the AUC within users, and no column says whose a row is"),
        "mean_ndcg": ("query", "`mean_ndcg` is the NDCG within queries, and no column says to which a row belongs"),
    }[metric]
    if spec.data is None or getattr(spec.data, word) is None:
        place = spec.places.of("train.stop.on")
        of_rows = {"user": "users", "query": "queries"}[word]
        context.findings.add(
            "E307", message, place, label=f"needs {of_rows}", help=f"write `{word} = COLUMN` in `data`"
        )


def _sharded_tables_are_sparse(context: RuleContext) -> None:
    """Only tables with sparse updates can be sharded."""
    spec, places = context.spec, context.spec.places
    if spec.train.tables == "sharded" and isinstance(spec.train.embeddings, Dense):
        context.findings.add(
            "E308",
            "`tables = sharded` and `embeddings = dense` do not go together",
            places.of("train.tables"),
            label="divides the tables of which a step updates only some rows",
            help="delete one of them",
            second=Related.at(places.of("train.embeddings"), "updates all rows of all tables"),
        )


RULES: tuple[Callable[[RuleContext], None], ...] = (
    name_rules.references_are_declared,
    name_rules.nodes_of_features_are_declared,
    name_rules.names_use_one_script,
    name_rules.feature_names_are_unique,
    feature_rules.features_are_consistent,
    only_rules.features_of_nodes_are_consistent,
    sequence_rules.sequences_are_consistent,
    _values_mean_one_node,
    name_rules.no_level_is_called_tasks,
    _has_features_and_tasks,
    expert_rules.selects_from_enough_experts,
    expert_rules.budget_keeps_best_experts,
    expert_rules.unknown_nodes_have_experts,
    _joint_has_effect,
    baseline_rules.leaf_feature_has_effect,
    _splits_are_complete,
    form_rules.labels_and_splits_have_forms,
    data_rules.csv_format_can_be_read,
    _features_are_not_labels,
    _early_stop_has_rows,
    _watched_has_its_column,
    _sharded_tables_are_sparse,
    bottom_rules.scenario_gate_has_levels,
)
