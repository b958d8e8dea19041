"""Overrides: settings by their dotted path, given beside a spec (`--set`), which replace those of the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aesm_dsl.findings.diagnostic import Help, normalize, quoted, suggest
from aesm_dsl.findings.source import Span
from aesm_dsl.spec.kinds import BlockKind
from aesm_dsl.spec.places import join_path
from aesm_dsl.spec.value_errors import SpecReporter
from aesm_dsl.syntax import tree


class Overrides:
    """The overrides of a spec while it is read, and which of them have been used."""

    def __init__(self, settings: Sequence[tree.Setting]) -> None:
        self.settings = {normalize(setting.key.text): setting for setting in settings}
        self.used: set[str] = set()

    def take(self, path: str) -> tree.Setting | None:
        """Returns the override of a path as if it were written in its block; None if there is none, or it was taken."""
        if path not in self.settings or path in self.used:
            return None
        self.used.add(path)
        override = self.settings[path]
        return tree.Setting(tree.Word(path.rpartition(".")[2], override.key.span), override.value, override.span)

    def added(self, block: tree.Block, path: str, kinds: Mapping[str, Any]) -> list[tree.Statement]:
        """Returns statements that only overrides ask for: settings that a block does not have, and blocks for them."""
        written = {setting.key.text for setting in block.statements if isinstance(setting, tree.Setting)}
        inside = {inner.kind.text for inner in block.statements if isinstance(inner, tree.Block)}
        added: list[tree.Statement] = []
        for word, kind in kinds.items():
            inner = join_path(path, word)
            if isinstance(kind, BlockKind):
                wanted = next((setting for key, setting in self.settings.items() if key.startswith(f"{inner}.")), None)
                if wanted and not kind.many and word not in inside:
                    added.append(tree.Block(tree.Word(word, wanted.key.span), None, None, True, (), wanted.span))
            elif word not in written and (setting := self.take(inner)):
                added.append(setting)
        return added

    def report_unused(self, known: Mapping[str, None], reporter: SpecReporter) -> None:
        """Adds E209 for every override whose setting this spec lacks; `known` are the paths that it could have."""
        for path, setting in self.settings.items():
            if path not in self.used:
                whole = next((other for other in known if path.startswith(f"{other}.")), None)
                reporter.report(
                    "E209",
                    f"this spec has no setting `{path}`",
                    setting.key.span,
                    label="not known",
                    help=f"`{whole}` is one setting: write all of it, for example as `aesm show` prints it"
                    if whole
                    else _suggestion(path, known, setting.key.span),
                )


def _suggestion(path: str, known: Mapping[str, None], span: Span) -> Help:
    """The paths that end in the same word, or the one that is most similar."""
    last = path.rpartition(".")[2]
    same = [other for other in known if other == last or other.endswith(f".{last}")]
    if guess := suggest(path, same or known, span):
        return guess
    return f"settings called `{last}` are {quoted(same)}" if same else ""
