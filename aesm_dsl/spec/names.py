"""Rules about names: what is referred to is declared, and no two things have one name."""

from __future__ import annotations

from aesm_dsl.diagnostic import Findings, Related, did_you_mean, quoted
from aesm_dsl.lookalike import describe, skeleton, strangers
from aesm_dsl.spec.model import Spec

TASK_LEVEL = "tasks"
"""The name under which the task level is reported; no level of the user's may have it."""


def references(spec: Spec, lost: set[str], findings: Findings) -> None:
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


def scripts(spec: Spec, lost: set[str], findings: Findings) -> None:
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


def feature_names(spec: Spec, lost: set[str], findings: Findings) -> None:
    """A feature's name is unique in the whole model."""
    first: dict[str, str] = {}
    for group in spec.features:
        for name in group.members:
            path = f"features.{group.name}.{name}"
            if name not in first:
                first[name] = path
                continue
            findings.add(
                "E204",
                f"two features are called `{name}`",
                spec.places.of(path),
                label="here",
                help="give one of them another name and `column:`",
                second=Related.at(spec.places.of(first[name]), "and here"),
            )


def reserved(spec: Spec, lost: set[str], findings: Findings) -> None:
    """The task level's name is taken."""
    for level in spec.levels:
        if level.name == TASK_LEVEL:
            findings.add(
                "E208",
                f"no level may be called `{TASK_LEVEL}`",
                spec.places.of(f"level.{level.name}"),
                label="this is the name of the last level, the tasks",
            )
