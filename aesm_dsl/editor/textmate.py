"""The TextMate grammar of the language, made from its grammar and vocabulary: what colours a spec in editors.

`python -m aesm_dsl.editor.textmate` prints it; docs/editors/vscode holds it, and a test keeps the two the same.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field
from typing import Any

from aesm_dsl.editor.vocabulary import TOP_LEVEL, allowed_units, alternatives
from aesm_dsl.spec import kinds
from aesm_dsl.spec.block_model import BlockModel, child_model
from aesm_dsl.spec.kinds import BlockKind, Kind, MembersKind
from aesm_dsl.spec.model import Spec
from aesm_dsl.syntax.characters import FULL_WIDTH
from aesm_dsl.syntax.parse import parser

_BLANKS = r"[^\S\n]*"


@dataclass(slots=True)
class _Words:
    """All words of the vocabulary, by what they are."""

    settings: set[str] = field(default_factory=set)
    blocks: set[str] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)
    arguments: set[str] = field(default_factory=set)
    constants: set[str] = field(default_factory=set)
    units: set[str] = field(default_factory=set)


def textmate() -> dict[str, Any]:
    """The grammar, scope `source.aesm`: blocks with their names, settings, calls, arguments, units, words, strings.

    A full-width key outside strings and comments is `invalid`, as the language says.
    """
    words = _Words({"aesm"}, set(TOP_LEVEL) - {"aesm"})
    _collect(Spec, words)
    patterns = {terminal.name: terminal.pattern.to_regexp() for terminal in parser().terminals}
    name, number = f"(?:{_plain(patterns['NAME'])})", f"(?:{_plain(patterns['NUMBER'])})"
    value = [{"include": f"#{rule}"} for rule in ("comment", "string", "number", "call", "list", "word", "wide")]
    return {
        "$schema": "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
        "name": "aesm",
        "scopeName": "source.aesm",
        "fileTypes": ["aesm"],
        "patterns": [{"include": f"#{rule}"} for rule in ("comment", "string", "setting", "block", "wide")],
        "repository": {
            "comment": {
                "patterns": [
                    _match("comment.line.documentation.aesm", "##.*$"),
                    _match("comment.line.number-sign.aesm", "#.*$"),
                ]
            },
            "string": {
                "name": "string.quoted.double.aesm",
                "begin": '"',
                "end": '"|$',
                "patterns": [_match("constant.character.escape.aesm", r"\\.")],
            },
            "setting": {
                "begin": rf"(?:({_one_of(words.settings)})|({name})){_BLANKS}(=)",
                "beginCaptures": {
                    "1": {"name": "support.type.property-name.aesm"},
                    "2": {"name": "variable.other.member.aesm"},
                    "3": {"name": "keyword.operator.assignment.aesm"},
                },
                "end": "$|(?=[;}])",
                "patterns": value,
            },
            "block": {
                "match": rf"(?:({_one_of(words.blocks)})|({name}))(?:{_BLANKS}({name}))?",
                "captures": {
                    "1": {"name": "keyword.declaration.aesm"},
                    "2": {"name": "meta.block.unknown.aesm"},
                    "3": {"name": "entity.name.type.aesm"},
                },
            },
            "number": {
                "match": rf"(?<!\w)({number})(?:{_BLANKS}({_one_of(words.units)}))?",
                "captures": {"1": {"name": "constant.numeric.aesm"}, "2": {"name": "keyword.other.unit.aesm"}},
            },
            "call": {
                "begin": rf"(?:({_one_of(words.calls)})|({name})){_BLANKS}(\()",
                "beginCaptures": {
                    "1": {"name": "support.function.aesm"},
                    "2": {"name": "variable.function.aesm"},
                    "3": {"name": "punctuation.section.arguments.begin.aesm"},
                },
                "end": r"\)",
                "endCaptures": {"0": {"name": "punctuation.section.arguments.end.aesm"}},
                "patterns": [
                    {
                        "match": rf"(?:({_one_of(words.arguments)})|({name})){_BLANKS}(:)",
                        "captures": {
                            "1": {"name": "variable.parameter.aesm"},
                            "2": {"name": "meta.argument.unknown.aesm"},
                            "3": {"name": "punctuation.separator.key-value.aesm"},
                        },
                    },
                    *value,
                ],
            },
            "list": {
                "begin": r"\[",
                "beginCaptures": {"0": {"name": "punctuation.section.brackets.begin.aesm"}},
                "end": r"\]",
                "endCaptures": {"0": {"name": "punctuation.section.brackets.end.aesm"}},
                "patterns": value,
            },
            "word": {
                "patterns": [
                    _match("constant.language.aesm", rf"{_one_of(words.constants)}(?!\.)"),
                    _match("support.function.aesm", rf"{_one_of(words.calls)}(?!\.)"),
                    _match("variable.other.aesm", name),
                ]
            },
            "wide": _match("invalid.illegal.full-width.aesm", f"[{''.join(FULL_WIDTH)}]"),
        },
    }


def text() -> str:
    """Returns the grammar as JSON."""
    return json.dumps(textmate(), ensure_ascii=False, indent=2) + "\n"


def _collect(model: type[BlockModel], words: _Words) -> None:
    for word, kind in model.kinds().items():
        if isinstance(kind, BlockKind):
            words.blocks.add(word)
            _collect(child_model(model, model.field_of(word)), words)
        elif isinstance(kind, MembersKind):
            _values(kind.of, words)
        else:
            words.settings.add(word)
            _values(kind, words)


def _values(kind: Kind, words: _Words) -> None:
    words.units |= set(allowed_units(kind))
    for alternative in alternatives(kind):
        match alternative:
            case kinds.ChoiceKind(choices):
                words.constants |= set(choices)
            case kinds.ListKind(of):
                _values(of, words)
            case kinds.CallKind(models):
                for model in models:
                    if model.call_name() not in words.calls:
                        words.calls.add(model.call_name())
                    for argument, inner in model.kinds().items():
                        if not isinstance(inner, BlockKind | MembersKind):
                            words.arguments.add(argument)
                            _values(inner, words)


def _match(scope: str, pattern: str) -> dict[str, str]:
    return {"name": scope, "match": pattern}


def _one_of(words: set[str]) -> str:
    """Any of the words, whole: longer ones first, so that `mixture_norm` is not read as `mixture`."""
    longest = sorted(words, key=lambda word: (-len(word), word))
    return rf"\b(?:{'|'.join(map(re.escape, longest))})\b"


def _plain(pattern: str) -> str:
    """The pattern without capturing groups: a scope is given to a group by its number."""
    return re.sub(r"(?<!\\)\((?!\?)", "(?:", pattern)


if __name__ == "__main__":
    sys.stdout.write(text())
