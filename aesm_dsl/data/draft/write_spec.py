"""`TableDraft` -> a spec in the language, with a comment wherever something was guessed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from aesm_dsl.data.draft.column import Column
from aesm_dsl.data.draft.column_names import split_words
from aesm_dsl.data.draft.network_settings import network_settings, tower_settings
from aesm_dsl.data.draft.shared_values import is_history
from aesm_dsl.data.draft.table_draft import LevelGuess, TableDraft, TaskGuess
from aesm_dsl.findings.lookalike import normalize
from aesm_dsl.plan.data import CsvFormat
from aesm_dsl.plan.number_form import NumberForm
from aesm_dsl.spec.data import Csv, Data, Split
from aesm_dsl.spec.features import (
    CategoryFeature,
    DateFeature,
    FeatureDefinition,
    FeatureGroup,
    IdFeature,
    ListFeature,
    NumberFeature,
    SameFeature,
    SequenceFeature,
)
from aesm_dsl.spec.levels import Level as LevelBlock
from aesm_dsl.spec.levels import Node, RunsShared
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.name_rules import TASK_LEVEL
from aesm_dsl.spec.tasks import Above, Equals, Task, Tasks
from aesm_dsl.spec.write import write
from aesm_dsl.syntax.format import is_word

GROUP = "row"
MANY = 1_000_000
"""A column with more values is hashed; fewer values have a vocabulary, so that no two of them share an embedding."""
FEW = 12
"""Numbers with at most this many values become categories."""
LONGEST = 100
"""Most values of a list that are used."""


def draft_spec(draft: TableDraft, table: str, name: str) -> str:
    """Returns the text of the spec.

    Args:
        draft: the roles of the table's columns.
        table: the table's path, relative to the spec's folder.
        name: the name of the model.
    """
    names = _Names()
    tasks = {task.column: names.of(task.column) for task in draft.tasks}
    levels = {level.column: names.of(level.column, TASK_LEVEL) for level in draft.levels}
    members = {names.of(column.name): column for column in draft.features}
    spec = Spec(
        name=_Names().of(name),
        doc=f"Drafted by `aesm init` from {draft.rows:,} rows of {_line(table)}.\n"
        "Every choice is a guess: look at each.",
        features=(FeatureGroup(name=GROUP, members=_features(members, draft)),),
        levels=_levels(draft.levels, levels),
        tasks=Tasks(tasks=tuple(_task(task, tasks) for task in draft.tasks), **tower_settings(draft)),
        data=_data(draft, table),
        **network_settings(draft),
    )
    notes = {
        f"features.{GROUP}.{key}": draft.notes.get(column.name, _value_counts(column))
        for key, column in members.items()
    }
    for task in draft.tasks:
        said = f"1 in {task.rate:.1%} of the rows"
        notes[f"tasks.task.{tasks[task.column]}.label"] = f"{said}; {task.note}" if task.note else said
        notes[f"tasks.task.{tasks[task.column]}.after"] = "never happens without it"
    notes["data.format"] = "by the bytes and cells of the files"
    for level in draft.levels:
        notes[f"level.{levels[level.column]}.unknown"] = f"{level.missing:,} rows without a value"
    out = [f"{column}: {why}" for column, why in draft.left_out.items()]
    below = {f"features.{GROUP}": ["Left out:", *out] if out else []}
    return write(
        spec,
        lambda path: _line(notes.get(path, "")),
        given=True,
        below=lambda path: [_line(text) for text in below.get(path, ())],
    )


def _line(text: str) -> str:
    """The text in a form that a comment can hold, whatever the names and values of the table contain."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


class _Names:
    """Makes names of the language from the words of a table, each name once."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def of(self, text: str, *taken: str) -> str:
        """Returns a name like the text that is not in `taken` and was not returned before."""
        name = split_words(normalize(text)).lower() or "value"
        if not is_word(name) or name in ("none", "auto"):
            name = f"v_{name}"
        free, number = name, 1
        while free in self._used or free in taken:
            number += 1
            free = f"{name}_{number}"
        self._used.add(free)
        return free


def _features(members: dict[str, Column], draft: TableDraft) -> dict[str, FeatureDefinition]:
    feature_of = {column.name: name for name, column in members.items()}
    return {
        name: _feature(name, column, feature_of.get(draft.shared.get(column.name, "")))
        for name, column in members.items()
    }


def _feature(name: str, column: Column, shared: str | None) -> FeatureDefinition:
    """The definition of a feature; `shared` is the feature whose things its column holds too."""
    settings = _settings(column=column.name if column.name != name else None)
    if column.kind == "time":
        settings |= _settings(format=column.dates or None)
        return DateFeature(call="date", parts=column.date_parts, **settings)
    if column.kind == "list":
        longest = column.longest
        most = min(longest, LONGEST) if longest > ListFeature.model_fields["most"].default else None
        of = shared or _single(column.values, {}, pooled=True)
        settings |= _settings(separator=column.separator or None)
        if is_history(column):
            return SequenceFeature(call="sequence", of=of, **_settings(last=most), **settings)
        return ListFeature(call="list", of=of, **_settings(most=most), **settings)
    return SameFeature(call="same", of=shared, **settings) if shared else _single(column, settings)


def _single(
    column: Column, settings: dict[str, Any], *, pooled: bool = False
) -> CategoryFeature | IdFeature | NumberFeature:
    """The definition of a feature with one value; `pooled` says that it is a value of a list."""
    identifies = column.is_key or (pooled and column.is_whole)
    if column.form is not None or (column.kind == "number" and column.distinct > FEW and not identifies):
        settings = settings | _number_form(column.form)
        if column.distinct > 100 and column.has_tail and not pooled:
            return NumberFeature(call="number", scale="log", **settings)
        return NumberFeature(call="number", quantiles=32 if column.distinct > 100 else 16, **settings)
    if column.distinct > MANY and (column.kind == "text" or column.is_whole):
        return IdFeature(call="id", buckets=_round_up(4 * column.distinct), **settings)
    rare = _settings(min_count=10 if column.distinct > 50 else None)
    default = int(CategoryFeature.model_fields["limit"].default)
    large = _settings(limit=_round_up(2 * column.distinct) if 2 * column.distinct > default else None)
    return CategoryFeature(call="category", **rare, **large, **settings)


def _number_form(form: NumberForm | None) -> dict[str, Any]:
    """The arguments of `number` that say how its numbers are written."""
    return {} if form is None else _differing(form, NumberForm())


def _differing(value: NumberForm | CsvFormat, plain: NumberForm | CsvFormat) -> dict[str, Any]:
    """The fields of a value that differ from those of the plain one."""
    names = (field.name for field in fields(value))
    return {name: getattr(value, name) for name in names if getattr(value, name) != getattr(plain, name)}


def _round_up(count: int) -> int:
    """The next larger of 5,000, 10,000, 20,000, 50,000 and so on."""
    scale = 1_000
    while True:
        for first in (5, 10, 20):
            if first * scale >= count:
                return first * scale
        scale *= 10


def _value_counts(column: Column) -> str:
    """How many values a column has, and how often it is missing, in words."""
    values = f"{column.distinct:,} values" + (" in the sample" if column.distinct > 1000 else "")
    return values + (f", {column.missing:.1%} missing" if column.missing else "")


def _levels(levels: Iterable[LevelGuess], names: dict[str, str]) -> tuple[LevelBlock, ...]:
    blocks: list[LevelBlock] = []
    above: dict[str, str] = {}
    for level in levels:
        node_names = _Names()
        nodes = {value: node_names.of(value) for value in level.values}
        blocks.append(
            LevelBlock(
                name=names[level.column],
                nodes=tuple(_node(value, name, level.parents.get(value, []), above) for value, name in nodes.items()),
                **_settings(
                    under=blocks[-1].name if blocks else None,
                    column=level.column if names[level.column] != level.column else None,
                    unknown=RunsShared(call="shared") if level.missing else None,
                ),
            )
        )
        above = nodes
    return tuple(blocks)


def _node(value: str, name: str, parents: list[str], above: dict[str, str]) -> Node:
    under = tuple(above[parent] for parent in above if parent in parents)
    value_settings = _settings(title=value, value=(value,)) if name != value else {}
    return Node(name=name, **value_settings, **_settings(under=under if len(under) < len(above) else None))


def _task(task: TaskGuess, names: dict[str, str]) -> Task:
    name, column = names[task.column], task.column
    after = _settings(after=names.get(task.after or ""))
    if task.rule == "equals":
        return Task(name=name, label=Equals(call="equals", column=column, value=task.value), **after)
    if task.rule == "above":
        return Task(name=name, label=Above(call="above", column=column, value=float(task.value)), **after)
    return Task(name=name, label=column, **after)


def _data(draft: TableDraft, table: str) -> Data:
    settings = _settings(user=draft.user, query=draft.query)
    if draft.csv != CsvFormat():
        settings["format"] = Csv(call="csv", **_differing(draft.csv, CsvFormat()))
    if draft.time is not None:
        settings["test"], settings["valid"] = (
            Split(call="split", last=share, by=draft.time.name, **_settings(format=draft.time.dates or None))
            for share in (0.2, 0.1)
        )
        return Data(train=(table,), **settings)
    for part in ("valid", "test"):
        if (value := draft.parts.get(part)) is not None:
            settings[part] = Split(call="split", equals=value, by=draft.part_column)
        else:
            settings[part] = Split(call="split", random=0.1)
    return Data(train=(table,), **settings)


def _settings(**settings: Any) -> dict[str, Any]:
    """The settings that are not None; the others are left to their defaults and are not written."""
    return {name: value for name, value in settings.items() if value is not None}
