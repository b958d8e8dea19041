"""Imports: a file with `import` and `use` -> the same file, the groups that it takes standing where `use` stood.

A file to import is a file of feature groups: `features` blocks, and `import` and `use` of its own. Its groups are those
it has and those it takes. Every file is read once, however many ask for it, and all that is wrong in it is told, in it,
whether its groups are taken or not. Nothing outside the folder of the spec is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from aesm_dsl.findings.diagnostic import Findings, Related, guess_word, normalize, quoted, suggest
from aesm_dsl.findings.fix import replacement
from aesm_dsl.findings.source import Source, Span
from aesm_dsl.spec import name_rules
from aesm_dsl.spec.import_file import UnsavedTexts, read_import, resolve_path
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.places import NAMELESS
from aesm_dsl.spec.read import read
from aesm_dsl.spec.rule_context import RuleContext
from aesm_dsl.spec.use import (
    GROUP,
    IMPORT,
    USE,
    FeatureGroups,
    Import,
    ImportLog,
    Imports,
    is_use,
    take_groups,
    words_in,
)
from aesm_dsl.syntax import tree
from aesm_dsl.syntax.bracket_pairs import MOST_NESTED
from aesm_dsl.syntax.format import is_word
from aesm_dsl.syntax.parse import parse


@dataclass(frozen=True, slots=True)
class ResolvedFile:
    """`file` needs no other file; `damaged` in it are also the places in imported files that could not be read.

    imports     of the file itself, by name
    incomplete  something that is taken could not be read, so features may be missing
    is_groups   the file is one to import, without a model; all about it has been told
    """

    file: tree.File
    overrides: tuple[tree.Setting, ...]
    imports: Imports
    incomplete: bool = False
    is_group_file: bool = False


def resolve_imports(
    file: tree.File, overrides: Sequence[tree.Setting], findings: Findings, texts: UnsavedTexts | None = None
) -> ResolvedFile:
    """The file with everything in it that it takes from others.

    overrides  settings of `--set`; those of `use` are taken out, for the last of them is used here
    texts      what counts instead of the files at these places
    """
    place = resolve_path(file.source.path)
    reading = _Reading(ImportLog(findings), texts or {}, place.parent, [(place, file.source)])
    use = next((one for one in reversed(overrides) if is_use(one)), None)
    rest = tuple(one for one in overrides if not is_use(one))
    imports = reading.imports(file)
    if is_group_file(file):
        reading.groups(file, imports)
        return ResolvedFile(file, rest, imports, is_group_file=True)
    statements: list[tree.Statement] = []
    for one in file.statements:
        if isinstance(one, tree.Block) and _is_model(one):
            one = replace(
                one, statements=tuple(take_groups(one.statements, imports, file.damaged, reading.ledger, use))
            )
        if not _is_import(one):
            statements.append(one)
    reading.report_unused(imports, file)
    damaged = reading.damaged()
    whole = replace(file, statements=tuple(statements), damaged=(*file.damaged, *damaged))
    return ResolvedFile(whole, rest, imports, incomplete=bool(damaged or reading.ledger.broken))


def _is_model(block: tree.Block) -> bool:
    return block.kind.text == "model" or guess_word(block.kind.text, ["model"]) is not None


def is_group_file(file: tree.File) -> bool:
    """Whether the file is one to import: it has feature groups, and neither a model nor what only a model has."""
    blocks = [one for one in file.statements if isinstance(one, tree.Block)]
    of_model = any(_is_model(one) or (one.kind.text in Spec.kinds() and not _is_group(one)) for one in blocks)
    if of_model or "model" in words_in(file.damaged):
        return False
    return any(map(_is_group, blocks)) or any(map(is_use, file.statements))


@dataclass(slots=True)
class _Reading:
    """`around` are the files being read, the spec first; `known` those that have been."""

    ledger: ImportLog
    texts: UnsavedTexts
    root: Path
    around: list[tuple[Path, Source]]
    known: dict[Path, FeatureGroups | None] = field(default_factory=dict)

    def damaged(self) -> tuple[Span, ...]:
        """What could not be read in the imported files."""
        return tuple(span for one in self.known.values() if one is not None for span in one.file.damaged)

    def imports(self, file: tree.File) -> Imports:
        """The imports of a file, by name."""
        found: Imports = {}
        for block in file.statements:
            if not isinstance(block, tree.Block):
                continue
            if block.kind.text != IMPORT:
                misspelt = guess_word(block.kind.text, [IMPORT, "model", GROUP]) == IMPORT
                if misspelt or any(_is_import(one) for one in block.statements):
                    found[NAMELESS] = _nameless(block)  # told with the other words that do not belong there
                continue
            name = self.head(block)
            groups = self.file(block.label) if block.label else None
            if groups is None:
                self.ledger.broken.append(block.span)
            earlier = found.get(normalize(name.text))
            if earlier is None:
                found[normalize(name.text)] = Import(name, groups, block.label)
            elif name.text != NAMELESS:
                self.ledger.findings.add(
                    "E217",
                    f"two imports are called `{name.text}`",
                    name.span,
                    label="this one",
                    help="give one of them another name",
                    second=Related(earlier.name.span, "and this one"),
                )
        return found

    def head(self, block: tree.Block) -> tree.Word:
        """The name of an import, after telling what its line lacks or has too much of."""
        findings, name, path = self.ledger.findings, block.name, block.label
        stem = Path(path.text).stem if path else ""
        called = name.text if name else stem if is_word(stem) and "." not in stem else "NAME"
        form = f'`import {called} "{path.text if path else "FILE.aesm"}"`'
        lacks = [word for word, part in (("name", name), ("path", path)) if part is None]
        if lacks:
            message = f"`import` needs a {' and a '.join(lacks)}"
            known = path is not None and called != "NAME"
            help = replacement(form.strip("`"), block.head) if known else f"write {form}"
            findings.add("E206", message, block.head, label="missing here", help=help)
        elif block.braces:
            findings.add("E206", "`import` has no block", block.head, label="takes none", help=f"write {form} alone")
        elif name is not None and "." in name.text:
            word = replacement(name.text.replace(".", "_"), name.span, certain=False)
            findings.add("E206", "a name has no dots", name.span, label="expected one word", help=word)
        return name if name is not None and "." not in name.text else tree.Word(NAMELESS, block.kind.span)

    def file(self, path: tree.Text) -> FeatureGroups | None:
        """The groups of the file at a path."""
        source = read_import(path, self.root, self.texts, self.ledger.findings)
        if source is None:
            return None
        place = resolve_path(source.path)
        if self.closes_a_circle(place, path):
            return None
        if len(self.around) > MOST_NESTED:
            message = f"more than {MOST_NESTED} imports inside each other"
            self.ledger.findings.add(
                "E213", message, path.span, label="not followed", help="import fewer files from each other"
            )
            return None
        if place not in self.known:
            self.around.append((place, source))
            file = parse(source, self.ledger.findings)
            self.known[place] = self.groups(file, self.imports(file))
            self.around.pop()
        return self.known[place]

    def closes_a_circle(self, place: Path, path: tree.Text) -> bool:
        """Whether the file is being read already, which is told with the chain from it to itself."""
        start = next((at for at, (one, _) in enumerate(self.around) if one == place), None)
        if start is None:
            return False
        chain = [source for _, source in self.around[start:]]
        arrows = " -> ".join(f"`{one.path}`" for one in (*chain, chain[0]))
        first = chain[1].included_from if len(chain) > 1 else None
        self.ledger.findings.add(
            "E215",
            f"imports in a circle: {arrows}" if first else f"`{chain[0].path}` imports itself",
            path.span,
            label="this closes the circle" if first else "this is the file itself",
            help="move what both need to a file that imports neither" if first else "delete the import",
            second=Related.at(first, "it starts here"),
        )
        return True

    def groups(self, file: tree.File, imports: Imports) -> FeatureGroups | None:
        """The groups of a file to import, once all that is wrong in it has been told; None if it is no such file."""
        if self.is_something_else(file):
            return None
        others = [one for one in file.statements if not self.belongs(one)]
        before = len(self.ledger.broken)
        of_groups = [one for one in file.statements if is_use(one) or _is_group(one)]
        taken = take_groups(of_groups, imports, file.damaged, self.ledger)
        self.report_unused(imports, file)
        by_name: dict[str, tree.Block] = {}
        for one in taken:
            assert isinstance(one, tree.Block)
            name = normalize(one.name.text) if one.name else NAMELESS
            if name in by_name and name != NAMELESS:
                message = f"a second feature group `{name}` in this file"
                second, help = Related(by_name[name].head, "first here"), "give one of them another name, or delete it"
                self.ledger.findings.add("E204", message, one.head, label="again", help=help, second=second)
            by_name.setdefault(name, one)
        if not self.check(file, tuple(by_name.values())):
            return None
        lost = (*file.damaged, *(one.span for one in others), *self.ledger.broken[before:])
        return FeatureGroups(file, by_name, words_in(lost))

    def is_something_else(self, file: tree.File) -> bool:
        """Whether an imported file is no file of groups, which is told where it is imported."""
        where, path = file.source.included_from, file.source.path
        if where is None or file.damaged:
            return False
        if any(isinstance(one, tree.Block) and one.kind.text == "model" for one in file.statements):
            message, label = f"`{path}` is a whole spec", "a file to import holds feature groups alone"
            help = "move the groups that both need to a file of their own, and import it in both"
        elif not any(isinstance(one, tree.Block) or is_use(one) for one in file.statements):
            message, label, help = f"`{path}` has no feature groups", "empty", "write `features NAME { ... }` in it"
        else:
            return False
        self.ledger.findings.add("E218", message, where, label=label, help=help)
        return True

    def belongs(self, statement: tree.Statement) -> bool:
        """Whether the statement may stand in a file of feature groups; tells if not."""
        is_block = isinstance(statement, tree.Block)
        word = statement.kind if isinstance(statement, tree.Block) else statement.key
        words, what = ((GROUP, IMPORT), "block") if is_block else (("aesm", USE), "setting")
        if normalize(word.text) in words:
            return True
        self.ledger.findings.add(
            "E201" if is_block else "E202",
            f"a file of feature groups has no {what} `{word.text}`",
            word.span,
            label="not known here",
            help=[
                suggest(word.text, words, word.span),
                f"{what}s here are {quoted(words)}; all others stand in a model",
            ],
        )
        return False

    def check(self, file: tree.File, groups: tuple[tree.Block, ...]) -> bool:
        """Tells what is wrong in the groups, as in a model; whether the file can be used at all."""
        edition = [
            one for one in file.statements if isinstance(one, tree.Setting) and normalize(one.key.text) == "aesm"
        ]
        start = file.source.span(0, 0)
        model = tree.Block(tree.Word("model", start), tree.Word("groups", start), None, True, groups, start)
        spec = read(replace(file, statements=(*edition, model)), self.ledger.findings)
        if spec is None:
            return False
        for rule in (name_rules.names_use_one_script, name_rules.feature_names_are_unique):
            rule(RuleContext(spec, frozenset(), self.ledger.findings))
        return True

    def report_unused(self, imports: Imports, file: tree.File) -> None:
        """W105 for every import from which nothing is taken, where all that is taken could be read."""
        broken = {span.source for span in self.ledger.broken}
        if USE in words_in(file.damaged):
            return
        for one in imports.values():
            unsure = one.groups is None or one.name.text == NAMELESS or one.name.span.source in broken
            if unsure or one.name.span in self.ledger.used:
                continue
            self.ledger.findings.add(
                "W105",
                f"nothing is taken from `{one.name.text}`",
                one.name.span,
                label="imported here",
                help=f"write `use = {one.name.text}`, or delete the import",
            )


def _nameless(block: tree.Block) -> Import:
    """Stands for an import of whatever name."""
    return Import(tree.Word(NAMELESS, block.kind.span), None)


def _is_import(statement: tree.Statement) -> bool:
    return isinstance(statement, tree.Block) and statement.kind.text == IMPORT


def _is_group(statement: tree.Statement) -> bool:
    return isinstance(statement, tree.Block) and statement.kind.text == GROUP
