"""Renames what a spec declares, and all its uses, without changing what the spec means.

A node without a `value` stands for the value of its own name; so do the columns of levels, labels and features. If the
new name would change such a default, the old one is written down.
"""

from __future__ import annotations

from aesm_dsl.editor.analysis import Analysis
from aesm_dsl.editor.names import (
    FEATURE,
    GROUP,
    IMPORT,
    LEVEL,
    NODE,
    TASK,
    Declaration,
    SpecNames,
    collect_names,
    own_setting,
)
from aesm_dsl.findings.fix import Edit
from aesm_dsl.findings.lookalike import normalize
from aesm_dsl.findings.source import Span
from aesm_dsl.spec.features import KINDS
from aesm_dsl.spec.imports import is_group_file
from aesm_dsl.spec.name_rules import TASK_LEVEL
from aesm_dsl.syntax import tree
from aesm_dsl.syntax.format import is_word

_DEFAULT_IS_NAME = {NODE: "value", LEVEL: "column", TASK: "label", FEATURE: "column"}
"""Noun -> the setting whose default is the name itself."""

_SYNTAX = "E1"
"""First characters of the codes of syntax errors."""

_RESERVED = ("auto", "none")
"""Words that mean something else wherever a name may be written."""


class CannotRenameError(Exception):
    """Says why a name cannot be changed."""


def renamable(analysis: Analysis, offset: int) -> tuple[int, int] | None:
    """Returns start and end of the name at an offset, if `rename` can change it; else None."""
    names = collect_names(analysis.file)
    name = names.at(offset)
    return (name.span.start, name.span.end) if name is not None and names.declaration_of(name) is not None else None


def rename(analysis: Analysis, offset: int, new: str) -> list[Edit]:
    """Returns the edits that rename what is declared or used at an offset, in the order of the text.

    Raises:
        CannotRenameError: there is no such name, or the new one will not do.
    """
    names = collect_names(analysis.file)
    name = names.at(offset)
    declared = names.declaration_of(name) if name is not None else None
    if declared is None:
        raise CannotRenameError("nothing here has a name that can be changed")
    if declared.noun == GROUP and is_group_file(analysis.file):
        raise CannotRenameError("files that import this one take the group by its name")
    if any(finding.code.startswith(_SYNTAX) for finding in analysis.findings):
        raise CannotRenameError("a part of this file cannot be read; fix it first, so that no place is missed")
    _check(names, declared, normalize(new))
    spans = [declared.span, *(use.span for use in names.uses_of(declared))]
    edits = [Edit(span, normalize(new)) for span in spans if span.text != normalize(new)]
    if normalize(new) != declared.name:
        edits += _keep_meaning(declared)
    return sorted(edits, key=lambda edit: (edit.span.start, edit.span.end))


def _check(names: SpecNames, declared: Declaration, new: str) -> None:
    if not is_word(new) or "." in new:
        raise CannotRenameError(f"`{new}` is no name: a name is letters, digits and `_`, and starts with no digit")
    if new in _RESERVED or (declared.noun == LEVEL and new == TASK_LEVEL):
        raise CannotRenameError(f"`{new}` is a word of the language here")
    within = declared.within if declared.noun == NODE else None
    if any(other.name == new for other in names.of(declared.noun, within) if other is not declared):
        where = f" in level `{within}`" if within else ""
        raise CannotRenameError(f"there is a {declared.noun} called `{new}`{where} already")


def _keep_meaning(declared: Declaration) -> list[Edit]:
    """The edits that write down the old name, if it was the default of a setting."""
    word, statement = _DEFAULT_IS_NAME.get(declared.noun), declared.statement
    if word is None:
        assert declared.noun in (GROUP, IMPORT)
        return []
    if isinstance(statement, tree.Setting):
        value = statement.value
        if isinstance(value, tree.Word):
            return [_insertion(value.span, value.span.end, f"({word}: {declared.name})")]
        if not isinstance(value, tree.Call) or any(
            argument.name and argument.name.text == word for argument in value.arguments
        ):
            return []
        if not any(model.call_name() == value.name.text and word in model.kinds() for model in KINDS):
            return []  # a feature made of others reads no column
        separator = ", " if value.arguments else ""
        after = statement.span.source.text.index("(", value.name.span.end) + 1
        return [_insertion(statement.span, after, f"{word}: {declared.name}{separator}")]
    if own_setting(statement, word) is not None:
        return []
    line = f'{word} = "{declared.name}"' if declared.noun == NODE else f"{word} = {declared.name}"
    if not statement.braces:
        return [_insertion(statement.span, statement.span.end, f" {{ {line} }}")]
    text = statement.span.source.text
    brace = text.index("{", statement.head.end) + 1
    first = statement.statements[0].span.start if statement.statements else statement.span.end - 1
    if "\n" not in text[brace:first]:
        return [_insertion(statement.span, brace, f" {line};" if statement.statements else f" {line} ")]
    # On a line of its own, above the documentation of the first statement, with the indentation of that one.
    start, blanks = text.index("\n", brace) + 1, text[text.rindex("\n", 0, first) + 1 : first]
    return [_insertion(statement.span, start, f"{blanks}{'' if statement.statements else '  '}{line}\n")]


def _insertion(within: Span, at: int, text: str) -> Edit:
    """An edit that inserts text at an offset of a source."""
    return Edit(within.source.span(at, at), text)
