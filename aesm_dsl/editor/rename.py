"""Renames what a spec declares, everywhere it is referred to, without changing what the spec means.

A node that says nothing else stands for the value that is called like it; so do the columns of levels, labels and
features. Whoever loses such a default by the new name is given the old one in writing.
"""

from __future__ import annotations

from aesm_dsl.editor.analysis import Analysis
from aesm_dsl.editor.names import FEATURE, GROUP, IMPORT, LEVEL, NODE, TASK, Declared, Names, given, names
from aesm_dsl.findings.diagnostic import normalize
from aesm_dsl.findings.fix import Edit
from aesm_dsl.findings.source import Span
from aesm_dsl.spec.features import KINDS
from aesm_dsl.spec.imports import is_groups
from aesm_dsl.spec.name_rules import TASK_LEVEL
from aesm_dsl.syntax import tree
from aesm_dsl.syntax.format import is_word

_CALLED_LIKE_IT = {NODE: "value", LEVEL: "column", TASK: "label", FEATURE: "column"}
"""Noun -> the setting that by default has the name itself."""

_SYNTAX = "E1"
"""Codes of text that is not in the language."""

_RESERVED = ("auto", "none")
"""Words that mean something else wherever a name may stand."""


class CannotRename(Exception):  # noqa: N818 - the user's mistake, told to him as it is
    """Why, in a sentence."""


def renamable(analysis: Analysis, offset: int) -> tuple[int, int] | None:
    """Start and end of the name at a place that `rename` can change; None where there is none."""
    found = names(analysis.file)
    name = found.at(offset)
    return (name.place.start, name.place.end) if name is not None and found.meant(name) is not None else None


def rename(analysis: Analysis, offset: int, new: str) -> list[Edit]:
    """The changes that give the name at a place another one, in the order of the text. Raises CannotRename."""
    found = names(analysis.file)
    name = found.at(offset)
    declared = found.meant(name) if name is not None else None
    if declared is None:
        raise CannotRename("nothing here has a name that can be changed")
    if declared.noun == GROUP and is_groups(analysis.file):
        raise CannotRename("files that import this one take the group by its name")
    if any(one.code.startswith(_SYNTAX) for one in analysis.findings):
        raise CannotRename("a part of this file cannot be read; mend it first, so that no place is missed")
    _check(found, declared, normalize(new))
    places = [declared.place, *(one.place for one in found.uses(declared))]
    edits = [Edit(one, normalize(new)) for one in places if one.text != normalize(new)]
    if normalize(new) != declared.name:
        edits += _keep_meaning(declared)
    return sorted(edits, key=lambda edit: (edit.span.start, edit.span.end))


def _check(found: Names, declared: Declared, new: str) -> None:
    if not is_word(new) or "." in new:
        raise CannotRename(f"`{new}` is no name: a name is letters, digits and `_`, and starts with no digit")
    if new in _RESERVED or (declared.noun == LEVEL and new == TASK_LEVEL):
        raise CannotRename(f"`{new}` is a word of the language here")
    within = declared.within if declared.noun == NODE else None
    if any(one.name == new for one in found.of(declared.noun, within) if one is not declared):
        where = f" in level `{within}`" if within else ""
        raise CannotRename(f"there is a {declared.noun} called `{new}`{where} already")


def _keep_meaning(declared: Declared) -> list[Edit]:
    """Writes down the old name where it was the default of a setting."""
    word, statement = _CALLED_LIKE_IT.get(declared.noun), declared.statement
    if word is None:
        assert declared.noun in (GROUP, IMPORT)
        return []
    if isinstance(statement, tree.Setting):
        value = statement.value
        if isinstance(value, tree.Word):
            return [_insertion(value.span, value.span.end, f"({word}: {declared.name})")]
        if not isinstance(value, tree.Call) or any(one.name and one.name.text == word for one in value.arguments):
            return []
        if not any(model.call_name() == value.name.text and word in model.kinds() for model in KINDS):
            return []  # a feature made of others reads no column
        separator = ", " if value.arguments else ""
        after = statement.span.source.text.index("(", value.name.span.end) + 1
        return [_insertion(statement.span, after, f"{word}: {declared.name}{separator}")]
    if given(statement, word) is not None:
        return []
    line = f'{word} = "{declared.name}"' if declared.noun == NODE else f"{word} = {declared.name}"
    if not statement.braces:
        return [_insertion(statement.span, statement.span.end, f" {{ {line} }}")]
    text = statement.span.source.text
    brace = text.index("{", statement.head.end) + 1
    first = statement.statements[0].span.start if statement.statements else statement.span.end - 1
    if "\n" not in text[brace:first]:
        return [_insertion(statement.span, brace, f" {line};" if statement.statements else f" {line} ")]
    # On a line of its own, above the documentation of the statement whose indentation it takes.
    start, blanks = text.index("\n", brace) + 1, text[text.rindex("\n", 0, first) + 1 : first]
    return [_insertion(statement.span, start, f"{blanks}{'' if statement.statements else '  '}{line}\n")]


def _insertion(within: Span, at: int, text: str) -> Edit:
    """Text put at an offset of the source that a place belongs to."""
    return Edit(within.source.span(at, at), text)
