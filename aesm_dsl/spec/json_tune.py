"""`tune` in JSON: an object of strings, each a setting as `--set` takes it: `"embed": "choice(4, 8)"`."""

from __future__ import annotations

from dataclasses import replace

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.source import Source
from aesm_dsl.spec.search_space import TUNE
from aesm_dsl.syntax import tree
from aesm_dsl.syntax.json import Member
from aesm_dsl.syntax.parse import parse


def tune_block_from_json(source: Source, member: Member, findings: Findings) -> tree.Block | None:
    """Returns the block that the object stands for; None after adding E301 because it is no object."""
    members = member.value.value
    if not isinstance(members, tuple):
        findings.add("E301", f"`{TUNE}` must be an object", member.value.span, label="this is not one")
        return None
    settings: list[tree.Statement] = []
    for inner in members:
        if isinstance(inner.value.value, str):
            file = parse(_alone(source, inner, inner.value.value), findings)
            settings += file.statements
        else:
            help = f'for example `"{inner.key}": "choice(4, 8, 16)"`'
            message = f"`{inner.key}` must be a string, as `--set` takes it"
            findings.add("E301", message, inner.value.span, label="this is no string", help=help)
    return tree.Block(tree.Word(TUNE, member.key_span), None, None, True, tuple(settings), member.value.span)


def move_findings_to_json(findings: Findings, source: Source) -> None:
    """Moves findings about single settings (`_alone`) into the JSON text that has them."""
    for position, item in enumerate(findings.items):
        if item.span is not None and item.span.source.path == source.path:
            findings.items[position] = replace(item, span=replace(item.span, source=source))


def _alone(source: Source, member: Member, text: str) -> Source:
    """The setting in the language, with blanks around it, so that every character keeps its offset in the JSON text."""
    key, value = member.key_span.start + 1, member.value.span.start
    before = "".join(character if character == "\n" else " " for character in source.text[:key])
    setting = f"{member.key.ljust(value - key)}= {text}"
    # `=` takes the place of the opening quote, so that there is no room for a blank behind it.
    whole = before + setting.replace("\n", " ").replace("= ", "=", 1)
    return Source(source.path, whole + " " * (len(source.text) - len(whole)))
