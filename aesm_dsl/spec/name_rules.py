"""Rules about names: what is referred to is declared, and no two things have one name."""

from __future__ import annotations

from dataclasses import dataclass

from aesm_dsl.findings.diagnostic import Findings, Help, Related, did_you_mean, normalize, quoted, suggest
from aesm_dsl.findings.fix import replacement
from aesm_dsl.findings.lookalike import describe_letter, mixed_script_letters, skeleton
from aesm_dsl.findings.source import Span
from aesm_dsl.spec.features import FeatureDefinition
from aesm_dsl.spec.levels import Level, Node
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.places import NAMELESS
from aesm_dsl.spec.tasks import Task

TASK_LEVEL = "tasks"
"""The name under which the task level is reported; no level of the user's may have it."""


@dataclass(frozen=True, slots=True)
class _Declared:
    """What may be referred to: the names of one kind in one place, and the labels they have."""

    kind: str
    things: tuple[Level, ...] | tuple[Node, ...] | tuple[Task, ...]
    of: str = ""

    def tell(self, spec: Spec, lost: set[str], findings: Findings, path: str, name: str, own: str = "") -> None:
        """E203 for a name at a path that is not declared, unless text that was lost, or a nameless thing, may be it.

        own  the name of the thing that refers: it is not one to refer to
        """
        names = [one.name for one in self.things]
        unsure = name in lost or NAMELESS in names or spec.places.is_broken(path)
        if name in names or unsure:
            return
        where = f" of `{self.of}`" if self.of else ""
        others = [one for one in names if one != own]
        several = f"the {self.kind}s{where} are {quoted(others)}" if len(others) > 1 else ""
        labelled = next((one for one in self.things if one.title is not None and _same_label(one.title, name)), None)
        place = spec.places.of(path)
        findings.add(
            "E203",
            f"no {self.kind} called `{name}`" + (f" in level `{self.of}`" if self.of else ""),
            place,
            label="not declared",
            help=[
                _by_name(labelled, self.kind, place) if labelled else _suggest(name, others, place),
                several or f"the only {self.kind}{where} is `{others[0]}`" if others else f"no {self.kind} is declared",
            ],
        )


def _by_name(thing: Level | Node | Task, kind: str, place: Span | None) -> Help:
    line = f'"{thing.title}" is the label of `{thing.name}`; refer to {kind}s by name'
    return replacement(thing.name, place, line) if place is not None else line


def _suggest(name: str, known: list[str], place: Span | None) -> Help:
    return suggest(name, known, place) if place is not None else did_you_mean(name, known)


def _same_label(label: str, name: str) -> bool:
    """Whether a name is the label as someone may type it from memory."""
    return normalize(label).casefold() == normalize(name).casefold()


def references(spec: Spec, lost: set[str], findings: Findings) -> None:
    """Every name that is referred to is declared."""
    levels = _Declared("level", spec.levels)
    for level in spec.levels:
        path = f"level.{level.name}"
        if level.under is not None:
            levels.tell(spec, lost, findings, f"{path}.under", level.under, level.name)
        above = next((one for one in spec.levels if one.name == level.under), None)
        if above is None:
            continue
        nodes = _Declared("node", above.nodes, above.name)
        for node in level.nodes:
            for position, parent in enumerate(node.under or ()):
                place = f"{path}.node.{node.name}.under"
                item = f"{place}.{position}" if f"{place}.{position}" in spec.places.values else place
                nodes.tell(spec, lost, findings, item, parent)
    if spec.tasks.under is not None:
        levels.tell(spec, lost, findings, "tasks.under", spec.tasks.under)
    tasks = _Declared("task", spec.tasks.tasks)
    for task in spec.tasks.tasks:
        for word, name in (("after", task.after), ("where", task.where)):
            if name is not None:
                tasks.tell(spec, lost, findings, f"tasks.task.{task.name}.{word}", name, task.name)


def scripts(spec: Spec, lost: set[str], findings: Findings) -> None:
    """A name is written in one script: nobody can type a name whose letters only look right."""
    told = {line for item in findings if item.code == "E203" for line in item.help}
    named = {f"features.{group.name}": group.name for group in spec.features}
    named |= {f"features.{group.name}.{name}": name for group in spec.features for name in group.members}
    named |= {f"level.{level.name}": level.name for level in spec.levels}
    named |= {f"level.{level.name}.node.{node.name}": node.name for level in spec.levels for node in level.nodes}
    named |= {f"tasks.task.{task.name}": task.name for task in spec.tasks.tasks}
    for path, name in named.items():
        if name.isascii() or not (odd := mixed_script_letters(name)):
            continue
        if any(line.startswith(f"`{name}` looks the same") for line in told):
            continue
        latin = skeleton(name)
        findings.add(
            "W104",
            f"the name `{name}` mixes scripts",
            spec.places.keys.get(path) or spec.places.of(path),
            label=" and ".join(f"{describe_letter(one)}" for one in odd),
            help=f"write `{latin}`, all in Latin letters" if latin.isascii() else "write it in letters of one script",
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
                help=_renamed(group.name, name, group.members[name]),
                second=Related.at(spec.places.of(first[name]), "and here"),
            )


def _renamed(group: str, name: str, feature: FeatureDefinition) -> str:
    """How a feature is written that reads the same column under another name."""
    if feature.model_fields_set - {"call"}:
        return "give one of them another name"
    return f"write `{group}_{name} = {feature.call}(column: {name})`"


def reserved(spec: Spec, lost: set[str], findings: Findings) -> None:
    """The task level's name is taken."""
    for level in spec.levels:
        if level.name == TASK_LEVEL:
            findings.add(
                "E208",
                f"no level may be called `{TASK_LEVEL}`",
                spec.places.of(f"level.{level.name}"),
                label="this is the name of the last level, the tasks",
                help="give it another name",
            )
