"""Source -> its text in the one layout, proved to say the same. What `aesm fmt` and editors call.

Line ends become LF, a byte order mark is removed, and a file that does not state the edition of the language gets it:
below leading comments that a blank line sets apart, above the comments and documentation of the first statement.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.fix import Edit
from aesm_dsl.findings.source import Source
from aesm_dsl.spec.model import EDITION
from aesm_dsl.spec.top_level import edition_span
from aesm_dsl.syntax import tree
from aesm_dsl.syntax.format import format_file
from aesm_dsl.syntax.parse import parse, pause_garbage_collection
from aesm_dsl.syntax.text_under_repair import COMMENT

FULL_WIDTH_CODE = "E102"
"""The code of full-width punctuation."""


class LayoutError(Exception):
    """A bug of the formatter, found before anything was written."""


@pause_garbage_collection()
def format_text(source: Source, findings: Findings) -> str | None:
    """Returns the text in the one layout; None after adding its syntax errors.

    Raises:
        LayoutError: the new text does not say the same, which is a bug of aesm.
    """
    mistakes = Findings()
    file = _parse(source.path, source.text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n"), mistakes)
    if mistakes.errors:
        # Parsed again as it is, so that the columns of findings count a byte order mark too.
        parse(source, findings)
        return None
    stated = _with_edition(file)
    text = format_file(stated)
    if text != source.text or stated is not file:
        _prove(file, stated, text)
    return text


def format_edits(source: Source) -> list[Edit]:
    """Returns what `format_text` changes as edits of whole lines, in order; none for a text with syntax errors."""
    text = format_text(source, Findings())
    if text is None:
        return []
    before, after = source.text.splitlines(keepends=True), text.splitlines(keepends=True)
    starts = [0]
    for line in before:
        starts.append(starts[-1] + len(line))
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    return [
        Edit(source.span(starts[first], starts[last]), "".join(after[new:end]))
        for tag, first, last, new, end in matcher.get_opcodes()
        if tag != "equal"
    ]


def _parse(path: str, text: str, findings: Findings) -> tree.File:
    return parse(Source(path, text), findings)


def _with_edition(file: tree.File) -> tree.File:
    """The file with an edition stated, unless it is empty."""
    if not file.statements or any(map(_states_edition, file.statements)):
        return file
    text, at = file.source.text, edition_span(file).start
    return _parse(file.source.path, f"{text[:at]}aesm = {EDITION}\n\n{text[at:]}", Findings())


def _states_edition(statement: tree.Statement) -> bool:
    return isinstance(statement, tree.Setting) and statement.key.text == "aesm"


def _prove(before: tree.File, stated: tree.File, text: str) -> None:
    """Raises LayoutError unless the new text has the same tree and comments, and is in the layout itself."""
    findings = Findings()
    after = _parse(before.source.path, text, findings)
    statements = after.statements
    if stated is not before:
        statements = tuple(statement for statement in statements if not _states_edition(statement))
    for fault, holds in (
        ("cannot be read any more", not findings.errors),
        ("says something else", list(map(structure, statements)) == list(map(structure, before.statements))),
        ("lacks comments or has others", list(comment_texts(after)) == list(comment_texts(before))),
        ("is laid out differently once more", format_file(after) == text),
    ):
        if not holds:
            raise LayoutError(f"{before.source.path} was left alone: formatted, it {fault}. This is a bug of aesm")


def structure(node: tree.Statement | tree.Value | tree.Argument) -> tuple[Any, ...]:
    """Returns what a node says, without its place: equal structures mean the same."""
    match node:
        case tree.Setting(key, value):
            return ("setting", key.text, structure(value), tree.documentation(node))
        case tree.Block(kind, name, label, braces, statements):
            head = (kind.text, name.text if name else None, label.text if label else None)
            return ("block", *head, braces, tuple(map(structure, statements)), tree.documentation(node))
        case tree.List(items):
            return ("list", *map(structure, items))
        case tree.Call(name, arguments):
            return ("call", name.text, *map(structure, arguments))
        case tree.Argument(name, value):
            return ("argument", name.text if name else None, structure(value))
        case tree.Number(value, percent, unit):
            return ("number", value, percent, unit.text if unit else None)
        case tree.Word(text):
            return ("word", text)
        case tree.Text(text):
            return ("text", text)


def comment_texts(file: tree.File) -> Iterator[str]:
    """Returns all comments, in order, without blanks at their ends."""
    return (match.group().rstrip() for match in COMMENT.finditer(file.source.text) if match.group("comment"))
