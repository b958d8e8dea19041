"""`use`: the feature groups that a model, or a file of groups, takes from its imports (E216, E217)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from aesm_dsl.findings.diagnostic import Findings, Help, Related, normalize, quoted, suggest
from aesm_dsl.findings.fix import replacement
from aesm_dsl.findings.source import Span
from aesm_dsl.spec.kinds import ListKind
from aesm_dsl.spec.misplaced import report_setting_twice
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.places import NAMELESS, Places
from aesm_dsl.spec.value_errors import ExpectedValue, InvalidValue, SpecReporter
from aesm_dsl.spec.value_reader import ValueReader
from aesm_dsl.syntax import tree

IMPORT, USE, GROUP = "import", "use", "features"


@dataclass(frozen=True, slots=True)
class FeatureGroups:
    """The feature groups of a file, by name. `lost` are the words of what in it could not be read or taken."""

    file: tree.File
    by_name: Mapping[str, tree.Block]
    lost: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Import:
    """An `import` and what it names; `groups` is None where that could not be read, which has been told."""

    name: tree.Word
    groups: FeatureGroups | None
    path: tree.Text | None = None


Imports = dict[str, Import]
"""The imports of a file, by name."""


@dataclass(slots=True)
class ImportLog:
    """What comes to light while imports are followed.

    broken  places of what could not be taken, which has been told
    used    the names of imports that something is taken from, or would be if all could be read
    """

    findings: Findings
    broken: list[Span] = field(default_factory=list)
    used: set[Span] = field(default_factory=set)


def is_use(statement: tree.Statement) -> bool:
    return isinstance(statement, tree.Setting) and normalize(statement.key.text) == USE


def words_in(spans: Iterable[Span]) -> frozenset[str]:
    """The words in places that could not be read: whatever is called like one is not called unknown."""
    return frozenset(normalize(word) for span in spans for word in re.findall(r"\w+", span.text))


def take_groups(
    statements: Sequence[tree.Statement],
    imports: Imports,
    damaged: tuple[Span, ...],
    ledger: ImportLog,
    override: tree.Setting | None = None,
) -> list[tree.Statement]:
    """The statements with the groups that they take in the place of `use`.

    damaged   what could not be read of the file in which they stand
    override  the `use` of `--set`, which takes the place of the written one
    """
    own = (one for one in statements if isinstance(one, tree.Block) and one.kind.text == GROUP and one.name)
    places = {normalize(one.name.text): (one, one.head) for one in own if one.name}
    taking = _Taking(imports, damaged, ledger, places)
    found: list[tree.Statement] = []
    first: tree.Setting | None = None
    for one in statements:
        if not isinstance(one, tree.Setting) or not is_use(one):
            found.append(one)
        elif first is not None:
            report_setting_twice(SpecReporter(ledger.findings, ()), first.key, one.key)
        else:
            first = one
            found += taking.groups((override or one).value)
    if first is None and override is not None:
        found += taking.groups(override.value)
    return found


@dataclass(slots=True)
class _Taking:
    """`places` has every group so far and where its name stands, or where it was taken."""

    imports: Imports
    damaged: tuple[Span, ...]
    ledger: ImportLog
    places: dict[str, tuple[tree.Block, Span]]

    def groups(self, value: tree.Value) -> list[tree.Block]:
        try:
            reporter, kind = SpecReporter(self.ledger.findings, self.damaged), _kind()
            ValueReader(reporter, Places()).read(kind, value, ExpectedValue(f"`{USE}`", USE, kind))
        except InvalidValue:
            self.ledger.broken.append(value.span)
            return []
        words = value.items if isinstance(value, tree.List) else (value,)
        return [block for word in words if isinstance(word, tree.Word) for block in self.of(word)]

    def of(self, word: tree.Word) -> list[tree.Block]:
        """The groups that a word names: `fund.product`, or `fund` for all of the file."""
        alias, dot, name = normalize(word.text).partition(".")
        found = self.imports.get(alias)
        if found is None:
            self.no_import(word, alias)
            return []
        self.ledger.used.add(found.name.span)
        if found.groups is None:
            self.ledger.broken.append(word.span)
            return []
        known = found.groups.by_name
        if not dot:
            return [block for one, block in known.items() if one != NAMELESS and self.is_free(one, block, word)]
        if name in known:
            return [known[name]] if self.is_free(name, known[name], word) else []
        self.ledger.broken.append(word.span)
        if name not in found.groups.lost and NAMELESS not in known:
            self.ledger.findings.add(
                "E216",
                f"`{found.groups.file.source.path}` has no feature group `{name}`",
                word.span,
                label="not there",
                help=[
                    suggest(word.text, [f"{alias}.{one}" for one in known], word.span),
                    f"its groups are {quoted(known)}",
                ],
            )
        return []

    def no_import(self, word: tree.Word, alias: str) -> None:
        unsure = alias in words_in((*self.damaged, *self.ledger.broken)) or NAMELESS in self.imports
        self.ledger.broken.append(word.span)
        if unsure:
            return
        groups = ((name, one.groups) for name, one in self.imports.items() if one.groups is not None)
        held = [f"{name}.{alias}" for name, one in groups if alias in one.by_name]
        self.ledger.findings.add(
            "E216",
            f"nothing is imported as `{alias}`",
            word.span,
            label="not known",
            help=[
                replacement(held[0], word.span) if len(held) == 1 else self.other_import(word, alias),
                f"the imports are {quoted(self.imports)}"
                if self.imports
                else f'write `import {alias} "FILE.aesm"` above',
            ],
        )

    def other_import(self, word: tree.Word, alias: str) -> Help:
        place = word.span.source.span(word.span.start, word.span.start + len(word.text.partition(".")[0]))
        return suggest(alias, self.imports, place)

    def is_free(self, name: str, block: tree.Block, word: tree.Word) -> bool:
        """Whether no other group has the name; tells if one has."""
        if name not in self.places:
            self.places[name] = (block, word.span)
            return True
        other, place = self.places[name]
        if other is block:
            self.ledger.findings.add(
                "E217",
                f"feature group `{name}` is taken twice",
                word.span,
                label="again",
                help="take it once",
                second=Related(place, "first here"),
            )
        else:
            own = place == other.head
            self.ledger.findings.add(
                "E217",
                f"two feature groups are called `{name}`",
                word.span,
                label=f"this takes the one of {_where(block)}",
                help="take one of them, or give one another name in its file",
                second=Related(place, "the other one" if own else f"this takes the one of {_where(other)}"),
            )
        return False


def _kind() -> ListKind:
    kind = Spec.kinds()[USE]
    assert isinstance(kind, ListKind)
    return kind


def _where(block: tree.Block) -> str:
    return f"{block.span.source.path}:{block.span.line}"
