"""Overrides: settings by their dotted path, given beside a spec (`--set`); they take the place of the file's own."""

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
    """The overrides of a spec while it is read, and which of them have found their setting."""

    def __init__(self, settings: Sequence[tree.Setting]) -> None:
        self.given = {normalize(setting.key.text): setting for setting in settings}
        self.used: set[str] = set()

    def take(self, path: str) -> tree.Setting | None:
        """The override of a path, as if it were written in its block; None without one, or when it has been taken."""
        if path not in self.given or path in self.used:
            return None
        self.used.add(path)
        given = self.given[path]
        return tree.Setting(tree.Word(path.rpartition(".")[2], given.key.span), given.value, given.span)

    def added(self, block: tree.Block, path: str, kinds: Mapping[str, Any]) -> list[tree.Statement]:
        """Statements that only overrides ask for: settings the block does not have, and blocks to put them into."""
        written = {one.key.text for one in block.statements if isinstance(one, tree.Setting)}
        inside = {one.kind.text for one in block.statements if isinstance(one, tree.Block)}
        added: list[tree.Statement] = []
        for word, kind in kinds.items():
            inner = join_path(path, word)
            if isinstance(kind, BlockKind):
                wanted = next((s for key, s in self.given.items() if key.startswith(f"{inner}.")), None)
                if wanted and not kind.many and word not in inside:
                    added.append(tree.Block(tree.Word(word, wanted.key.span), None, None, True, (), wanted.span))
            elif word not in written and (setting := self.take(inner)):
                added.append(setting)
        return added

    def report_unused(self, known: Mapping[str, None], reporter: SpecReporter) -> None:
        """E209 for every override whose setting this spec does not have; `known` are the paths that it could have."""
        for path, setting in self.given.items():
            if path not in self.used:
                whole = next((one for one in known if path.startswith(f"{one}.")), None)
                reporter.report(
                    "E209",
                    f"this spec has no setting `{path}`",
                    setting.key.span,
                    label="not known",
                    help=f"`{whole}` is one setting: write all of it, for example as `aesm show` prints it"
                    if whole
                    else _meant(path, known, setting.key.span),
                )


def _meant(path: str, known: Mapping[str, None], place: Span) -> Help:
    """The paths that end like this one, or the one that looks most like it."""
    last = path.rpartition(".")[2]
    same = [one for one in known if one == last or one.endswith(f".{last}")]
    if guess := suggest(path, same or known, place):
        return guess
    return f"settings called `{last}` are {quoted(same)}" if same else ""
