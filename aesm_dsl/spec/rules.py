"""RULES: what must hold between blocks. Each rule is one function; each tells only what no earlier finding implies."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from aesm_dsl.findings.diagnostic import Findings, Related, normalize, quoted
from aesm_dsl.findings.source import Span
from aesm_dsl.spec import feature_rules, name_rules
from aesm_dsl.spec.data import Split
from aesm_dsl.spec.features import KINDS, column_of
from aesm_dsl.spec.levels import ExpertsBlock, RunsShared
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.tasks import Task
from aesm_dsl.spec.training import Dense


def check_rules(spec: Spec, damaged: tuple[Span, ...], findings: Findings) -> None:
    """Runs every rule. `damaged` is text that could not be read: a name that stands in it is not called unknown."""
    lost = {normalize(word) for span in (*damaged, *spec.places.lost) for word in re.findall(r"\w+", span.text)}
    for rule in RULES:
        rule(spec, lost, findings)


def _node_values(spec: Spec, lost: set[str], findings: Findings) -> None:
    """A value of a level's column means one node."""
    for level in spec.levels:
        first: dict[str, tuple[str, str]] = {}
        for node in level.nodes:
            path = f"level.{level.name}.node.{node.name}"
            if spec.places.is_broken(path):
                continue
            for position, value in enumerate(node.value or (node.name,)):
                item = f"{path}.value.{position}"
                place = item if item in spec.places.values else f"{path}.value"
                if str(value) not in first:
                    first[str(value)] = (node.name, place)
                    continue
                other, there = first[str(value)]
                findings.add(
                    "E308",
                    f"the value `{value}` means two nodes of level `{level.name}`",
                    spec.places.of(place),
                    label=f"`{node.name}`",
                    help="give it to one of them",
                    second=Related.at(spec.places.of(there), f"and `{other}`"),
                )


def _something(spec: Spec, lost: set[str], findings: Findings) -> None:
    """There is something to look at and something to predict."""
    if lost or spec.places.broken:
        return
    if not any(group.members for group in spec.features):
        findings.add(
            "E409",
            "the model has no features",
            spec.places.of(""),
            label="no feature in it",
            help="write `features GROUP { NAME = category() }`; kinds are "
            + quoted((kind.call_name() for kind in KINDS), 9),
        )
    if not spec.tasks.tasks:
        findings.add(
            "E406",
            "the model has no tasks",
            spec.places.of("tasks"),
            label="no task in it",
            help="write `tasks { task NAME { label = COLUMN } }`",
        )


def _experts(spec: Spec, lost: set[str], findings: Findings) -> None:
    """No level lets a row pick more experts than there are."""
    for path, experts in _all_experts(spec):
        for word in ("specific", "shared"):
            picked, count = getattr(experts, word), experts.count
            if isinstance(picked, int) and isinstance(count, int) and picked > count:
                own, other = _given(spec, path, word), _given(spec, path, "count")
                if spec.places.is_broken(own) or spec.places.is_broken(other):
                    continue
                findings.add(
                    "E408",
                    f"`{word} = {picked}` is more than there are experts",
                    spec.places.of(own),
                    label=f"{picked} of {count}",
                    help=f"write `{word} = {count}` or less, or a larger `count`",
                    second=Related.at(spec.places.of(other), f"{count} experts"),
                )


def _task_budget(spec: Spec, lost: set[str], findings: Findings) -> None:
    """The budget of experts leaves every task its best one."""
    budget, count, tasks = spec.tasks.budget, spec.tasks.experts.count, len(spec.tasks.tasks)
    needed = tasks if count == "auto" else min(tasks, count)
    if budget is None or budget >= needed or lost or spec.places.is_broken("tasks"):
        return
    findings.add(
        "E411",
        f"`budget = {budget} experts` is too small for {tasks} tasks",
        spec.places.of("tasks.budget"),
        label="every task keeps its best expert",
        help=f"write `budget = {needed} experts` or more",
        second=Related.at(spec.places.of("tasks"), f"{tasks} tasks"),
    )


def _unknown_nodes(spec: Spec, lost: set[str], findings: Findings) -> None:
    """Rows of unknown nodes have shared experts to run on."""
    for level in spec.levels:
        own, other = f"level.{level.name}.unknown", _given(spec, f"level.{level.name}.experts", "shared")
        if not isinstance(level.unknown, RunsShared) or level.experts.shared != 0:
            continue
        if spec.places.is_broken(own) or spec.places.is_broken(other):
            continue
        findings.add(
            "E412",
            f"rows of unknown nodes of level `{level.name}` have no experts to run on",
            spec.places.of(own),
            label="they run on the shared experts alone",
            help="write `shared = 1` or more, or `unknown = error`",
            second=Related.at(spec.places.of(other), "there are none"),
        )


def _joint(spec: Spec, lost: set[str], findings: Findings) -> None:
    """`joint` says something about a task that follows another, and rows are not told what the product learns."""
    tasks = {task.name: task for task in spec.tasks.tasks}
    for task in tasks.values():
        path = f"tasks.task.{task.name}"
        if task.joint is not None and task.after is None and not spec.places.is_broken(f"{path}.after"):
            findings.add(
                "W110",
                f"task `{task.name}` follows no other, so there is nothing to join",
                spec.places.of(f"{path}.joint"),
                label="has no effect",
                help="write `after = TASK`, or delete `joint`",
            )
        if task.joint == "direct" or task.after is None or task.where is None:
            continue
        if task.where in _before(task.name, tasks):
            findings.add(
                "W111",
                f"task `{task.name}` is a product that starts from all rows, and counts only those where "
                f"`{task.where}` happened",
                spec.places.of(f"{path}.where"),
                label=f"there P(`{task.where}`) is already known to be 1",
                help=[
                    "delete `where`: the product is learnt on all rows",
                    "or write `joint = direct`: a tower for what happens on these rows",
                ],
                second=Related.at(spec.places.of(f"{path}.after"), "the product"),
            )


def _before(name: str, tasks: dict[str, Task]) -> list[str]:
    """The tasks whose probabilities are factors of a task's, the nearest first; a circle is followed once."""
    found: list[str] = []
    task = tasks[name]
    while task.joint != "direct" and task.after in tasks and task.after not in found:
        found.append(task.after)
        task = tasks[task.after]
    return found


def _all_experts(spec: Spec) -> Iterator[tuple[str, ExpertsBlock]]:
    for level in spec.levels:
        yield f"level.{level.name}.experts", level.experts
    yield "tasks.experts", spec.tasks.experts


def _given(spec: Spec, path: str, word: str) -> str:
    """Where a level's setting was given: in the level, or as the model's default."""
    own = f"{path}.{word}"
    return own if own in spec.places.values else f"experts.{word}"


def _splits(spec: Spec, lost: set[str], findings: Findings) -> None:
    """A split says one thing, and by which column."""
    for word in ("valid", "test"):
        split, path = getattr(spec.data, word, None), f"data.{word}"
        if not isinstance(split, Split) or spec.places.is_broken(path):
            continue
        ways = {"last": split.last, "from": split.start, "equals": split.equals, "random": split.random}
        given = [name for name, value in ways.items() if value is not None]
        if not given:
            findings.add(
                "E307",
                "a split says which rows it takes",
                spec.places.of(path),
                label="neither `last`, `from`, `equals` nor `random`",
                help="write `split(last: 10%, by: day)` or `split(random: 10%)`, for example",
            )
        elif len(given) > 1:
            _exclusive(spec, findings, path, (given[0], given[1]), help="delete one of them")
        elif given[0] != "random" and split.by is None:
            findings.add(
                "E307",
                f"`{given[0]}` needs `by`, the column that decides",
                spec.places.of(path),
                label="`by` is missing",
                help="write `by: COLUMN`, for example `by: day`",
            )
        elif given[0] == "random" and split.by is not None:
            _exclusive(spec, findings, path, ("random", "by"), help="delete `by`")


def _leaks(spec: Spec, lost: set[str], findings: Findings) -> None:
    """A feature that reads a label's column knows the answer."""
    labels: dict[str, str] = {}
    for task in spec.tasks.tasks:
        label = task.label if task.label is not None else task.name
        labels.setdefault(label if isinstance(label, str) else label.column, task.name)
    for group in spec.features:
        for name, feature in group.members.items():
            task_name = labels.get(column_of(name, feature))
            if task_name is None:
                continue
            label_place = spec.places.of(f"tasks.task.{task_name}.label")
            findings.add(
                "W103",
                f"feature `{name}` reads the label of task `{task_name}`",
                spec.places.of(f"features.{group.name}.{name}"),
                label="a leak: the answer is not known when the model is asked",
                help="delete the feature",
                second=Related.at(label_place, "the label"),
            )


def _early_stop(spec: Spec, lost: set[str], findings: Findings) -> None:
    """Stopping early was asked for, so there must be rows to watch."""
    asked = spec.places.values.get("train.stop")
    if asked and spec.train.stop is not None and spec.data is not None and spec.data.valid is None:
        if spec.places.is_broken("data"):
            return
        findings.add(
            "W102",
            "training cannot stop early without validation rows",
            asked,
            label="has no effect",
            help="write `valid = split(random: 10%)` in `data`",
        )


def _within_users(spec: Spec, lost: set[str], findings: Findings) -> None:
    """What is watched within users needs to know whose a row is."""
    named = spec.data is not None and spec.data.user is not None
    if spec.train.stop is None or spec.train.stop.on != "mean_gauc" or named or spec.places.is_broken("data"):
        return
    findings.add(
        "E307",
        "`mean_gauc` is the AUC within users, and no column says whose a row is",
        spec.places.of("train.stop.on"),
        label="needs users",
        help="write `user = COLUMN` in `data`",
    )


def _sharded(spec: Spec, lost: set[str], findings: Findings) -> None:
    """What is sharded are the tables of which a step moves some rows only."""
    if spec.train.tables == "sharded" and isinstance(spec.train.embeddings, Dense):
        findings.add(
            "E308",
            "`tables = sharded` and `embeddings = dense` do not go together",
            spec.places.of("train.tables"),
            label="shares the tables of which a step moves some rows only",
            help="delete one of them",
            second=Related.at(spec.places.of("train.embeddings"), "moves all rows of all tables"),
        )


def _exclusive(spec: Spec, findings: Findings, path: str, words: tuple[str, str], help: str) -> None:
    """E308 for two arguments of which a call takes one."""
    first, other = (spec.places.keys.get(f"{path}.{word}") for word in words)
    message = f"`{words[0]}` and `{words[1]}` do not go together"
    findings.add("E308", message, other, label="this one", help=help, second=Related.at(first, "and this one"))


RULES: tuple[Callable[[Spec, set[str], Findings], None], ...] = (
    name_rules.references,
    name_rules.scripts,
    name_rules.feature_names,
    feature_rules.rules,
    _node_values,
    name_rules.reserved,
    _something,
    _experts,
    _task_budget,
    _unknown_nodes,
    _joint,
    _splits,
    _leaks,
    _early_stop,
    _within_users,
    _sharded,
)
