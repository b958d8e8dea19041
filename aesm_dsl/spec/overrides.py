"""Overrides: settings by their dotted path, given beside a spec (`--set`), which replace those of the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aesm_dsl.findings.diagnostic import Help, quoted, suggest
from aesm_dsl.findings.known_names import KnownNames
from aesm_dsl.findings.lookalike import normalize
from aesm_dsl.findings.source import Span
from aesm_dsl.spec.kinds import BlockKind
from aesm_dsl.spec.places import join_path
from aesm_dsl.spec.value_errors import SpecReporter
from aesm_dsl.syntax import tree


class Overrides:
    """The overrides of a spec while it is read, and which of them have been used."""

    def __init__(self, settings: Sequence[tree.Setting], candidates: Sequence[tree.Setting] = ()) -> None:
        """Takes the overrides.

        Args:
            settings: the overrides; the last one of a path counts.
            candidates: further ones that a search may try. The first one of a path counts, and the values of the others
                are only read, so that what is wrong with them is reported.
        """
        self.settings = {normalize(setting.key.text): setting for setting in settings}
        self.others: dict[str, list[tree.Setting]] = {}
        for candidate in candidates:
            path = normalize(candidate.key.text)
            if path in self.others:
                self.others[path].append(candidate)
            else:
                self.settings[path], self.others[path] = candidate, []
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
        unused = [path for path in self.settings if path not in self.used]
        paths = _KnownPaths(known) if unused else None
        for path in unused:
            for span in dict.fromkeys(
                setting.key.span for setting in (self.settings[path], *self.others.get(path, ()))
            ):
                assert paths is not None
                reporter.report(
                    "E209",
                    f"this spec has no setting `{path}`",
                    span,
                    label="not known",
                    help=paths.help_for(path, span),
                )


class _KnownPaths:
    """The paths that a spec could have, as they are looked up for those that it lacks."""

    def __init__(self, paths: Mapping[str, None]) -> None:
        self._paths, self._all = paths, KnownNames(paths)
        by_last: dict[str, list[str]] = {}
        for path in paths:
            by_last.setdefault(path.rpartition(".")[2], []).append(path)
        self._by_last = {last: KnownNames(own) for last, own in by_last.items()}

    def help_for(self, path: str, span: Span) -> Help:
        """Returns help to name the setting around a path, or one that ends in the same word or is most similar."""
        around = path
        while around := around.rpartition(".")[0]:
            if around in self._paths:
                return f"`{around}` is one setting: write all of it, for example as `aesm show` prints it"
        last = path.rpartition(".")[2]
        same = self._by_last.get(last)
        if guess := suggest(path, same or self._all, span):
            return guess
        return f"settings called `{last}` are {quoted(same)}" if same else ""
