"""`use`: the feature groups that a model, or a file of groups, takes from its imports; reports E216 and E217."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from aesm_dsl.findings.diagnostic import Findings, Related, quoted, suggest
from aesm_dsl.findings.fix import replacement
from aesm_dsl.findings.known_names import KnownNames
from aesm_dsl.findings.lookalike import normalize
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
    """The feature groups of a file."""

    file: tree.File
    by_name: Mapping[str, tree.Block]
    lost: frozenset[str] = frozenset()
    """Words of its text that could not be read or taken; a group with such a name is not reported as unknown."""


@dataclass(frozen=True, slots=True)
class Import:
    """An `import` and the groups of its file."""

    name: tree.Word
    groups: FeatureGroups | None
    """None if the file could not be read, which has been reported."""
    path: tree.Text | None = None


Imports = dict[str, Import]
"""The imports of a file, by name."""


@dataclass(slots=True)
class ImportLog:
    """What is recorded while imports are followed."""

    findings: Findings
    broken: list[Span] = field(default_factory=list)
    """Places of imports and groups that could not be taken, which has been reported."""
    used: set[Span] = field(default_factory=set)
    """Names of the imports from which something is taken."""
    lost_words: set[str] = field(default_factory=set)
    """The words in `broken`."""

    def lose(self, span: Span) -> None:
        """Records a place that could not be taken."""
        self.broken.append(span)
        self.lost_words |= words_in([span])


def is_use(statement: tree.Statement) -> bool:
    """Whether a statement is the setting `use`."""
    return isinstance(statement, tree.Setting) and normalize(statement.key.text) == USE


def words_in(spans: Iterable[Span]) -> frozenset[str]:
    """Returns the words in places that could not be read; things with such names are not reported as unknown."""
    return frozenset(normalize(word) for span in spans for word in re.findall(r"\w+", span.text))


def take_groups(
    statements: Sequence[tree.Statement],
    imports: Imports,
    damaged: tuple[Span, ...],
    log: ImportLog,
    override: tree.Setting | None = None,
) -> list[tree.Statement]:
    """Returns statements with the groups that they take in place of `use`.

    Args:
        statements: the statements of a model or of a file of groups.
        imports: the imports of the file.
        damaged: places of the file that could not be read.
        log: receives findings and what was used.
        override: the `use` of `--set`, which replaces the written one.
    """
    blocks = (block for block in statements if isinstance(block, tree.Block) and block.kind.text == GROUP)
    taken = {normalize(block.name.text): (block, block.head) for block in blocks if block.name}
    taker = _GroupTaker(imports, damaged, log, taken)
    result: list[tree.Statement] = []
    first: tree.Setting | None = None
    for statement in statements:
        if not isinstance(statement, tree.Setting) or not is_use(statement):
            result.append(statement)
        elif first is not None:
            report_setting_twice(SpecReporter(log.findings, ()), first.key, statement.key)
        else:
            first = statement
            result += taker.take((override or statement).value)
    if first is None and override is not None:
        result += taker.take(override.value)
    return result


@dataclass(slots=True)
class _GroupTaker:
    imports: Imports
    damaged: tuple[Span, ...]
    log: ImportLog
    taken: dict[str, tuple[tree.Block, Span]]
    """Every group so far, by name, with the place of its name or of the word that took it."""
    names_of: dict[str, KnownNames] = field(default_factory=dict)
    """The dotted names of the groups of an import; under an empty name the names of the imports."""
    holders: dict[str, list[str]] = field(default_factory=dict)
    """The dotted names of every group of the imports, by the group."""
    damaged_words: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.damaged_words = words_in(self.damaged)
        self.names_of[""] = KnownNames(self.imports)
        for alias, entry in self.imports.items():
            for group in entry.groups.by_name if entry.groups is not None else ():
                self.holders.setdefault(group, []).append(f"{alias}.{group}")

    def take(self, value: tree.Value) -> list[tree.Block]:
        """Returns the groups that the value of `use` names."""
        kind = Spec.kinds()[USE]
        assert isinstance(kind, ListKind)
        try:
            reporter = SpecReporter(self.log.findings, self.damaged)
            ValueReader(reporter, Places()).read(kind, value, ExpectedValue(f"`{USE}`", USE, kind))
        except InvalidValue:
            self.log.lose(value.span)
            return []
        words = value.items if isinstance(value, tree.List) else (value,)
        return [block for word in words if isinstance(word, tree.Word) for block in self.groups_named(word)]

    def groups_named(self, word: tree.Word) -> list[tree.Block]:
        """Returns the groups that a word names: `fund.product`, or `fund` for all groups of the file."""
        alias, dot, name = normalize(word.text).partition(".")
        source = self.imports.get(alias)
        if source is None:
            self.report_no_import(word, alias)
            return []
        self.log.used.add(source.name.span)
        if source.groups is None:
            self.log.lose(word.span)
            return []
        known = source.groups.by_name
        if not dot:
            named = ((group, block) for group, block in known.items() if group != NAMELESS)
            return [block for group, block in named if self.is_free(group, block, word)]
        if name in known:
            return [known[name]] if self.is_free(name, known[name], word) else []
        self.log.lose(word.span)
        if name not in source.groups.lost and NAMELESS not in known:
            if alias not in self.names_of:
                self.names_of[alias] = KnownNames(f"{alias}.{group}" for group in known)
            self.log.findings.add(
                "E216",
                f"`{source.groups.file.source.path}` has no feature group `{name}`",
                word.span,
                label="not there",
                help=[
                    suggest(word.text, self.names_of[alias], word.span),
                    f"its groups are {quoted(known)}",
                ],
            )
        return []

    def report_no_import(self, word: tree.Word, alias: str) -> None:
        unsure = alias in self.damaged_words or alias in self.log.lost_words or NAMELESS in self.imports
        self.log.lose(word.span)
        if unsure:
            return
        holders = self.holders.get(alias, [])
        alias_span = word.span.source.span(word.span.start, word.span.start + len(word.text.partition(".")[0]))
        self.log.findings.add(
            "E216",
            f"nothing is imported as `{alias}`",
            word.span,
            label="not known",
            help=[
                replacement(holders[0], word.span)
                if len(holders) == 1
                else suggest(alias, self.names_of[""], alias_span),
                f"the imports are {quoted(self.imports)}"
                if self.imports
                else f'write `import {alias} "FILE.aesm"` above',
            ],
        )

    def is_free(self, name: str, block: tree.Block, word: tree.Word) -> bool:
        """Whether no other group has the name; reports one that has (E217)."""
        if name not in self.taken:
            self.taken[name] = (block, word.span)
            return True
        other, span = self.taken[name]
        if other is block:
            self.log.findings.add(
                "E217",
                f"feature group `{name}` is taken twice",
                word.span,
                label="again",
                help="take it once",
                second=Related(span, "first here"),
            )
        else:
            is_own = span == other.head
            self.log.findings.add(
                "E217",
                f"two feature groups are called `{name}`",
                word.span,
                label=f"this takes the one of {_file_and_line(block)}",
                help="take one of them, or give one another name in its file",
                second=Related(span, "the other one" if is_own else f"this takes the one of {_file_and_line(other)}"),
            )
        return False


def _file_and_line(block: tree.Block) -> str:
    return f"{block.span.source.path}:{block.span.line}"
