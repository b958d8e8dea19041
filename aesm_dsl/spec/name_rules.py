"""Rules about names: every name that is referred to is declared, and no two things have the same name."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from aesm_dsl.findings.diagnostic import Help, Related, did_you_mean, quoted, suggest
from aesm_dsl.findings.fix import replacement
from aesm_dsl.findings.known_names import KnownNames
from aesm_dsl.findings.lookalike import describe_letter, mixed_script_letters, normalize, skeleton
from aesm_dsl.findings.source import Span
from aesm_dsl.spec.features import FeatureDefinition
from aesm_dsl.spec.levels import Level, Node
from aesm_dsl.spec.places import NAMELESS
from aesm_dsl.spec.rule_context import RuleContext
from aesm_dsl.spec.tasks import Task

SHOWN = 8
"""Declared names that a finding lists."""
TASK_LEVEL = "tasks"
"""The name of the task level in reports and files; no other level may have it."""


Thing = Level | Node | Task


class _Declared:
    """The things of one kind to which a name may refer."""

    def __init__(self, kind: str, things: Sequence[Thing], level: str = "") -> None:
        """Takes the things; `level` is that of nodes."""
        self.kind, self.level, self.names = kind, level, KnownNames(thing.name for thing in things)
        self.by_label: dict[str, Thing] = {}
        for thing in things:
            if thing.title is not None:
                self.by_label.setdefault(_as_label(thing.title), thing)

    def check(self, context: RuleContext, path: str, name: str, own: str = "", *, span: Span | None = None) -> None:
        """Reports E203 if a name is not declared, unless it may be declared in text that could not be read.

        Args:
            context: the spec.
            path: path of the setting that holds the name.
            name: the name.
            own: name of the thing that refers, which is not suggested.
            span: the place of the name, if it is a part of the setting's value.
        """
        places = context.spec.places
        unsure = name in context.lost or NAMELESS in self.names or places.is_broken(path)
        if name in self.names or unsure:
            return
        where = f" of `{self.level}`" if self.level else ""
        count = len(self.names) - (own in self.names)
        others = [*islice((other for other in self.names if other != own), SHOWN)]
        if count > 1:
            more = f" and {count - SHOWN} more" if count > SHOWN else ""
            known = f"the {self.kind}s{where} are {quoted(others)}{more}"
        else:
            known = f"the only {self.kind}{where} is `{others[0]}`" if others else f"no {self.kind} is declared"
        span, meant = span or places.of(path), self.by_label.get(_as_label(name))
        context.findings.add(
            "E203",
            f"no {self.kind} called `{name}`" + (f" in level `{self.level}`" if self.level else ""),
            span,
            label="not declared",
            help=[_refer_by_name(meant, self.kind, span) if meant else _suggest(name, self.names, own, span), known],
        )


def _refer_by_name(thing: Level | Node | Task, kind: str, span: Span | None) -> Help:
    line = f'"{thing.title}" is the label of `{thing.name}`; refer to {kind}s by name'
    return replacement(thing.name, span, line) if span is not None else line


def _suggest(name: str, known: KnownNames, own: str, span: Span | None) -> Help:
    return suggest(name, known, span, own) if span is not None else did_you_mean(name, known, own)


def _as_label(text: str) -> str:
    """The form in which a name and a label are compared: apart from capitals."""
    return normalize(text).casefold()


def references_are_declared(context: RuleContext) -> None:
    """Reports names of levels, nodes and tasks that are not declared (E203)."""
    spec = context.spec
    levels, by_name = _Declared("level", spec.levels), {level.name: level for level in reversed(spec.levels)}
    for level in spec.levels:
        path = f"level.{level.name}"
        if level.under is not None:
            levels.check(context, f"{path}.under", level.under, level.name)
        above = None if level.under is None else by_name.get(level.under)
        if above is None:
            continue
        nodes = _Declared("node", above.nodes, above.name)
        for node in level.nodes:
            for position, parent in enumerate(node.under or ()):
                under = f"{path}.node.{node.name}.under"
                item = f"{under}.{position}" if f"{under}.{position}" in spec.places.values else under
                nodes.check(context, item, parent)
    if spec.tasks.under is not None:
        levels.check(context, "tasks.under", spec.tasks.under)
    tasks = _Declared("task", spec.tasks.tasks)
    for task in spec.tasks.tasks:
        for word, name in (("after", task.after), ("where", task.where)):
            if name is not None:
                tasks.check(context, f"tasks.task.{task.name}.{word}", name, task.name)


def nodes_of_features_are_declared(context: RuleContext) -> None:
    """Reports nodes of features that no level declares (E203), or several levels (E221)."""
    spec = context.spec
    for group in spec.features:
        of_group = [(f"features.{group.name}.only", group.only)]
        for name, feature in group.members.items():
            of_group.append((f"features.{group.name}.{name}.only", feature.only))
        for path, only in of_group:
            for position, node in enumerate(only or ()):
                item = f"{path}.{position}"
                _check_node(context, item if item in spec.places.values else path, node)


def _check_node(context: RuleContext, path: str, name: str) -> None:
    """Reports a node of any level, `wealth` or `card.wealth`, that is not declared, or not by one level alone."""
    levels = context.spec.levels
    level_name, dot, node_name = name.rpartition(".")
    if dot:
        span, end = context.spec.places.of(path), len(level_name)
        level = next((level for level in levels if level.name == level_name), None)
        if level is None:
            _Declared("level", levels).check(context, path, level_name, span=_part(span, 0, end))
        else:
            here = _part(span, end + 1, len(name))
            _Declared("node", level.nodes, level.name).check(context, path, node_name, span=here)
        return
    having = [level.name for level in levels if name in {node.name for node in level.nodes}]
    if not having:
        _Declared("node", [node for level in levels for node in level.nodes]).check(context, path, name)
    elif len(having) > 1:
        context.findings.add(
            "E221",
            f"{len(having)} levels have a node `{name}`",
            context.spec.places.of(path),
            label="which of them is meant is not said",
            help=f"write {' or '.join(f'`{level}.{name}`' for level in having[:SHOWN])}",
        )


def _part(span: Span | None, start: int, end: int) -> Span | None:
    return None if span is None else span.source.span(span.start + start, span.start + end)


def names_use_one_script(context: RuleContext) -> None:
    """Warns of names that mix scripts (W104): a name whose letters only look Latin cannot be typed again."""
    spec, findings = context.spec, context.findings
    helps = (line for item in findings if item.code == "E203" for line in item.help)
    explained = {line.removeprefix("`").partition("` looks the same")[0] for line in helps if "looks the same" in line}
    names = {f"features.{group.name}": group.name for group in spec.features}
    names |= {f"features.{group.name}.{name}": name for group in spec.features for name in group.members}
    names |= {f"level.{level.name}": level.name for level in spec.levels}
    names |= {f"level.{level.name}.node.{node.name}": node.name for level in spec.levels for node in level.nodes}
    names |= {f"tasks.task.{task.name}": task.name for task in spec.tasks.tasks}
    for path, name in names.items():
        if name.isascii() or not (foreign := mixed_script_letters(name)):
            continue
        if name in explained:
            continue
        latin = skeleton(name)
        findings.add(
            "W104",
            f"the name `{name}` mixes scripts",
            context.span_of_key(path),
            label=" and ".join(describe_letter(letter) for letter in foreign),
            help=f"write `{latin}`, all in Latin letters" if latin.isascii() else "write it in letters of one script",
        )


def feature_names_are_unique(context: RuleContext) -> None:
    """Reports features that have the same name in the whole model (E204)."""
    places, first = context.spec.places, dict[str, str]()
    for group in context.spec.features:
        for name in group.members:
            path = f"features.{group.name}.{name}"
            if name not in first:
                first[name] = path
                continue
            context.findings.add(
                "E204",
                f"two features are called `{name}`",
                places.of(path),
                label="here",
                help=_rename_help(group.name, name, group.members[name]),
                second=Related.at(places.of(first[name]), "and here"),
            )


def _rename_help(group: str, name: str, feature: FeatureDefinition) -> str:
    """Help to give a feature another name; it then needs its old name as `column`."""
    if feature.model_fields_set - {"call"}:
        return "give one of them another name"
    return f"write `{group}_{name} = {feature.call}(column: {name})`"


def no_level_is_called_tasks(context: RuleContext) -> None:
    """Reports a level with the name of the task level (E208)."""
    for level in context.spec.levels:
        if level.name == TASK_LEVEL:
            context.findings.add(
                "E208",
                f"no level may be called `{TASK_LEVEL}`",
                context.spec.places.of(f"level.{level.name}"),
                label="this is the name of the last level, the tasks",
                help="give it another name",
            )
