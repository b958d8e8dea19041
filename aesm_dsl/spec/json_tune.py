"""`tune` in JSON: an object of texts, each a setting as `--set` takes it: `"embed": "choice(4, 8)"`."""

from __future__ import annotations

from dataclasses import replace

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.source import Source
from aesm_dsl.spec.search_space import TUNE
from aesm_dsl.syntax import tree
from aesm_dsl.syntax.json import Member
from aesm_dsl.syntax.parse import parse


def tune_block_from_json(source: Source, member: Member, findings: Findings) -> tree.Block | None:
    """The block that the object stands for; None after telling (E301) that it is none."""
    found = member.value.value
    if not isinstance(found, tuple):
        findings.add("E301", f"`{TUNE}` must be an object", member.value.span, label="this is not one")
        return None
    settings: list[tree.Statement] = []
    for one in found:
        if isinstance(one.value.value, str):
            file = parse(_alone(source, one, one.value.value), findings)
            settings += file.statements
        else:
            help = f'for example `"{one.key}": "choice(4, 8, 16)"`'
            message = f"`{one.key}` must be a string, as `--set` takes it"
            findings.add("E301", message, one.value.span, label="this is no string", help=help)
    return tree.Block(tree.Word(TUNE, member.place), None, None, True, tuple(settings), member.value.span)


def move_findings_to_json(findings: Findings, source: Source) -> None:
    """Moves what was found in single texts (`_alone`) into the JSON text that they stand in."""
    for position, item in enumerate(findings.items):
        if item.span is not None and item.span.source.path == source.path:
            findings.items[position] = replace(item, span=replace(item.span, source=source))


def _alone(source: Source, member: Member, text: str) -> Source:
    """The setting in the language, and blanks around it, so that every character stands where it stands in JSON."""
    key, value = member.place.start + 1, member.value.span.start
    before = "".join(one if one == "\n" else " " for one in source.text[:key])
    setting = f"{member.key.ljust(value - key)}= {text}"
    # The quote that opens the text is where `=` stands: no blank between them.
    whole = before + setting.replace("\n", " ").replace("= ", "=", 1)
    return Source(source.path, whole + " " * (len(source.text) - len(whole)))
