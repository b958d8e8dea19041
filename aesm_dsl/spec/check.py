"""RULES: what must hold between blocks. Each rule is one function; each tells only what no earlier finding implies."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from aesm_dsl.diagnostic import Findings, Related, did_you_mean, fold, quoted
from aesm_dsl.lookalike import describe, skeleton, strangers
from aesm_dsl.source import Span
from aesm_dsl.spec.levels import Experts, RunsShared
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.tables import Split

TASK_LEVEL = "tasks"
"""The name under which the task level is reported; no level of the user's may have it."""


def check(spec: Spec, damaged: tuple[Span, ...], findings: Findings) -> None:
    """Runs every rule. `damaged` is text that could not be read: a name that stands in it is not called unknown."""
    lost = {fold(word) for span in (*damaged, *spec.places.lost) for word in re.findall(r"\w+", span.text)}
    for rule in RULES:
        rule(spec, lost, findings)


def _references(spec: Spec, lost: set[str], findings: Findings) -> None:
    """Every name that is referred to is declared."""
    levels = [level.name for level in spec.levels]
    titles = {level.title: level.name for level in spec.levels}
    for level in spec.levels:
        path = f"level.{level.name}"
        if level.under is not None:
            _known(spec, lost, findings, f"{path}.under", level.under, levels, "level", "", titles)
        above = next((one for one in spec.levels if one.name == level.under), None)
        if above is None:
            continue
        names = [node.name for node in above.nodes]
        node_titles = {node.title: node.name for node in above.nodes}
        for node in level.nodes:
            for position, parent in enumerate(node.under or ()):
                place = f"{path}.node.{node.name}.under"
                within = f" in level `{above.name}`"
                item = f"{place}.{position}" if f"{place}.{position}" in spec.places.values else place
                _known(spec, lost, findings, item, parent, names, "node", within, node_titles)
    if spec.tasks.under is not None:
        _known(spec, lost, findings, "tasks.under", spec.tasks.under, levels, "level", "", titles)
    tasks = [task.name for task in spec.tasks.tasks]
    task_titles = {task.title: task.name for task in spec.tasks.tasks}
    for task in spec.tasks.tasks:
        if task.after is not None:
            _known(spec, lost, findings, f"tasks.task.{task.name}.after", task.after, tasks, "task", "", task_titles)


def _known(
    spec: Spec,
    lost: set[str],
    findings: Findings,
    path: str,
    name: str,
    names: list[str],
    kind: str,
    within: str,
    titles: dict[str | None, str],
) -> None:
    if name in names or name in lost or spec.places.is_broken(path):
        return
    listed = f"the {kind}s{' of' + within.removeprefix(' in level') if within else ''} are {quoted(names)}"
    title = f'"{name}" is the label of `{titles[name]}`; refer to {kind}s by name' if name in titles else ""
    findings.add(
        "E203",
        f"no {kind} called `{name}`{within}",
        spec.places.of(path),
        label="not declared",
        help=[title or did_you_mean(name, names), listed if names else f"no {kind} is declared"],
    )


def _scripts(spec: Spec, lost: set[str], findings: Findings) -> None:
    """A name is written in one script: nobody can type a name whose letters only look right."""
    told = {line for item in findings if item.code == "E203" for line in item.help}
    named = {f"features.{group.name}": group.name for group in spec.features}
    named |= {f"features.{group.name}.{name}": name for group in spec.features for name in group.members}
    named |= {f"level.{level.name}": level.name for level in spec.levels}
    named |= {f"level.{level.name}.node.{node.name}": node.name for level in spec.levels for node in level.nodes}
    named |= {f"tasks.task.{task.name}": task.name for task in spec.tasks.tasks}
    for path, name in named.items():
        if name.isascii() or not (odd := strangers(name)):
            continue
        if any(line.startswith(f"`{name}` looks the same") for line in told):
            continue
        findings.add(
            "W104",
            f"the name `{name}` mixes scripts",
            spec.places.keys.get(path) or spec.places.of(path),
            label=" and ".join(f"{describe(one)}" for one in odd),
            help=f"write `{skeleton(name)}`, all in Latin letters" if skeleton(name).isascii() else "",
        )


def _feature_names(spec: Spec, lost: set[str], findings: Findings) -> None:
    """A feature's name is unique in the whole model."""
    first: dict[str, str] = {}
    for group in spec.features:
        for name in group.members:
            path = f"features.{group.name}.{name}"
            if name not in first:
                first[name] = path
                continue
            _twice(
                spec,
                findings,
                "E204",
                f"two features are called `{name}`",
                path,
                first[name],
                help="give one of them another name and `column:`",
            )


def _node_values(spec: Spec, lost: set[str], findings: Findings) -> None:
    """A value of a level's column means one node."""
    for level in spec.levels:
        first: dict[str, str] = {}
        for node in level.nodes:
            path = f"level.{level.name}.node.{node.name}"
            if spec.places.is_broken(path):
                continue
            for value in node.value or (node.name,):
                if str(value) in first:
                    message = f"the value `{value}` means two nodes of level `{level.name}`"
                    _twice(spec, findings, "E308", message, f"{path}.value", f"{first[str(value)]}.value")
                first.setdefault(str(value), path)


def _reserved(spec: Spec, lost: set[str], findings: Findings) -> None:
    """The task level's name is taken."""
    for level in spec.levels:
        if level.name == TASK_LEVEL:
            findings.add(
                "E208",
                f"no level may be called `{TASK_LEVEL}`",
                spec.places.of(f"level.{level.name}"),
                label="this is the name of the last level, the tasks",
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
            help="write `features GROUP { NAME = category() }`; kinds are `category`, `id` and `number`",
        )
    if not spec.tasks.tasks:
        findings.add(
            "E406",
            "the model has no tasks",
            spec.places.of("tasks"),
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
                count_place = spec.places.of(other)
                findings.add(
                    "E408",
                    f"`{word} = {picked}` is more than there are experts",
                    spec.places.of(own),
                    label=f"{picked} of {count}",
                    second=Related(count_place, f"{count} experts") if count_place else None,
                )


def _task_budget(spec: Spec, lost: set[str], findings: Findings) -> None:
    """The budget of experts leaves every task its best one."""
    budget, count, tasks = spec.tasks.budget, spec.tasks.experts.count, len(spec.tasks.tasks)
    needed = tasks if count == "auto" else min(tasks, count)
    if budget is None or budget >= needed or lost or spec.places.is_broken("tasks"):
        return
    place = spec.places.of("tasks")
    findings.add(
        "E411",
        f"`budget = {budget} experts` is too small for {tasks} tasks",
        spec.places.of("tasks.budget"),
        label=f"at least {needed}, as every task keeps its best expert",
        second=Related(place, f"{tasks} tasks") if place else None,
    )


def _unknown_nodes(spec: Spec, lost: set[str], findings: Findings) -> None:
    """Rows of unknown nodes have shared experts to run on."""
    for level in spec.levels:
        own, other = f"level.{level.name}.unknown", _given(spec, f"level.{level.name}.experts", "shared")
        if not isinstance(level.unknown, RunsShared) or level.experts.shared != 0:
            continue
        if spec.places.is_broken(own) or spec.places.is_broken(other):
            continue
        place = spec.places.of(other)
        findings.add(
            "E412",
            f"rows of unknown nodes of level `{level.name}` have no experts to run on",
            spec.places.of(own),
            label="they run on the shared experts alone",
            help="write `shared = 1` or more, or `unknown = error`",
            second=Related(place, "there are none") if place else None,
        )


def _all_experts(spec: Spec) -> Iterator[tuple[str, Experts]]:
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
                help="for example `split(last: 10%, by: day)` or `split(random: 10%)`",
            )
        elif len(given) > 1:
            message = f"`{given[0]}` and `{given[1]}` do not go together"
            _twice(spec, findings, "E308", message, f"{path}.{given[1]}", f"{path}.{given[0]}", help="keep one")
        elif given[0] != "random" and split.by is None:
            findings.add(
                "E307",
                f"`{given[0]}` needs `by`, the column that decides",
                spec.places.of(path),
                label="`by` is missing",
                help="for example `by: day`",
            )
        elif given[0] == "random" and split.by is not None:
            message = "`random` and `by` do not go together"
            _twice(spec, findings, "E308", message, f"{path}.by", f"{path}.random", help="delete `by`")


def _leaks(spec: Spec, lost: set[str], findings: Findings) -> None:
    """A feature that reads a label's column knows the answer."""
    labels: dict[str, str] = {}
    for task in spec.tasks.tasks:
        label = task.label if task.label is not None else task.name
        labels.setdefault(label if isinstance(label, str) else label.column, task.name)
    for group in spec.features:
        for name, feature in group.members.items():
            task_name = labels.get(feature.column or name)
            if task_name is None:
                continue
            label_place = spec.places.of(f"tasks.task.{task_name}.label")
            findings.add(
                "W103",
                f"feature `{name}` reads the label of task `{task_name}`",
                spec.places.of(f"features.{group.name}.{name}"),
                label="a leak: the answer is not known when the model is asked",
                second=Related(label_place, "the label") if label_place else None,
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


def _twice(spec: Spec, findings: Findings, code: str, message: str, path: str, first: str, help: str = "") -> None:
    here, there = spec.places.of(path), spec.places.of(first)
    findings.add(code, message, here, label="here", help=help, second=Related(there, "and here") if there else None)


RULES: tuple[Callable[[Spec, set[str], Findings], None], ...] = (
    _references,
    _scripts,
    _feature_names,
    _node_values,
    _reserved,
    _something,
    _experts,
    _task_budget,
    _unknown_nodes,
    _splits,
    _leaks,
    _early_stop,
)
