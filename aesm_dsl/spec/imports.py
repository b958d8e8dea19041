"""Resolves imports: replaces `use` in a file by the feature groups that it takes from imported files.

An imported file consists of feature groups: `features` blocks, and `import` and `use` of its own. It offers the groups
that it has and those that it takes. Every file is read once, however often it is imported, and all its mistakes are
reported, whether its groups are taken or not. Nothing outside the folder of the spec is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from aesm_dsl.findings.diagnostic import Findings, Related, guess_word, quoted, suggest
from aesm_dsl.findings.fix import replacement
from aesm_dsl.findings.lookalike import normalize
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
    """A file in which the groups that it takes stand in place of `use`, so that it needs no other file."""

    file: tree.File
    """The tree; its `damaged` places include those of imported files."""
    overrides: tuple[tree.Setting, ...]
    """The overrides, without those of `use`."""
    imports: Imports
    """The file's own imports, by name."""
    incomplete: bool = False
    """Whether something that it takes could not be read, so that features may be missing."""
    is_group_file: bool = False
    """Whether the file has only feature groups, for other files to import; its mistakes have been reported."""


def resolve_imports(
    file: tree.File, overrides: Sequence[tree.Setting], findings: Findings, texts: UnsavedTexts | None = None
) -> ResolvedFile:
    """Resolves the imports of a file.

    Args:
        file: the tree of the file.
        overrides: settings of `--set`; the last one of `use` replaces the file's own.
        findings: receives the mistakes.
        texts: texts that count instead of the files at these paths.
    """
    path = resolve_path(file.source.path)
    reader = _ImportReader(ImportLog(findings), texts or {}, path.parent, [(path, file.source)])
    use = next((setting for setting in reversed(overrides) if is_use(setting)), None)
    rest = tuple(setting for setting in overrides if not is_use(setting))
    imports = reader.read_imports(file)
    if is_group_file(file):
        reader.read_groups(file, imports)
        return ResolvedFile(file, rest, imports, is_group_file=True)
    statements: list[tree.Statement] = []
    for statement in file.statements:
        if isinstance(statement, tree.Block) and _is_model(statement):
            inner = take_groups(statement.statements, imports, file.damaged, reader.log, use)
            statements.append(replace(statement, statements=tuple(inner)))
        elif not _is_import(statement):
            statements.append(statement)
    reader.report_unused(imports, file)
    damaged = reader.damaged()
    whole = replace(file, statements=tuple(statements), damaged=(*file.damaged, *damaged))
    return ResolvedFile(whole, rest, imports, incomplete=bool(damaged or reader.log.broken))


def is_group_file(file: tree.File) -> bool:
    """Whether a file has feature groups but neither a model nor other blocks of a model."""
    blocks = [statement for statement in file.statements if isinstance(statement, tree.Block)]
    is_spec = any(_is_model(block) or (block.kind.text in Spec.kinds() and not _is_group(block)) for block in blocks)
    if is_spec or "model" in words_in(file.damaged):
        return False
    return any(map(_is_group, blocks)) or any(map(is_use, file.statements))


@dataclass(slots=True)
class _ImportReader:
    """Reads imported files, depth first."""

    log: ImportLog
    texts: UnsavedTexts
    root: Path
    """The folder of the spec."""
    open_files: list[tuple[Path, Source]]
    """The files that are being read, the spec first; each is imported by the one before it."""
    groups_of: dict[Path, FeatureGroups | None] = field(default_factory=dict)
    """The groups of every file that has been read."""

    def damaged(self) -> tuple[Span, ...]:
        """Returns the places in imported files that could not be read."""
        return tuple(span for groups in self.groups_of.values() if groups is not None for span in groups.file.damaged)

    def read_imports(self, file: tree.File) -> Imports:
        """Reads the files that a file imports; returns the imports by name."""
        imports: Imports = {}
        for block in file.statements:
            if not isinstance(block, tree.Block):
                continue
            if block.kind.text != IMPORT:
                misspelt = guess_word(block.kind.text, [IMPORT, "model", GROUP]) == IMPORT
                if misspelt or any(_is_import(statement) for statement in block.statements):
                    # It is reported as a misplaced word later; until then it may be any import.
                    imports[NAMELESS] = Import(tree.Word(NAMELESS, block.kind.span), None)
                continue
            name = self.read_name(block)
            groups = self.read_file(block.label) if block.label else None
            if groups is None:
                self.log.lose(block.span)
            earlier = imports.get(normalize(name.text))
            if earlier is None:
                imports[normalize(name.text)] = Import(name, groups, block.label)
            elif name.text != NAMELESS:
                self.log.findings.add(
                    "E217",
                    f"two imports are called `{name.text}`",
                    name.span,
                    label="this one",
                    help="give one of them another name",
                    second=Related(earlier.name.span, "and this one"),
                )
        return imports

    def read_name(self, block: tree.Block) -> tree.Word:
        """Returns the name of an import; reports missing and superfluous parts of its line (E206)."""
        findings, name, path = self.log.findings, block.name, block.label
        stem = Path(path.text).stem if path else ""
        suggested = name.text if name else stem if is_word(stem) and "." not in stem else "NAME"
        form = f'`import {suggested} "{path.text if path else "FILE.aesm"}"`'
        missing = [word for word, part in (("name", name), ("path", path)) if part is None]
        if missing:
            message = f"`import` needs a {' and a '.join(missing)}"
            is_complete = path is not None and suggested != "NAME"
            help = replacement(form.strip("`"), block.head) if is_complete else f"write {form}"
            findings.add("E206", message, block.head, label="missing here", help=help)
        elif block.braces:
            findings.add("E206", "`import` has no block", block.head, label="takes none", help=f"write {form} alone")
        elif name is not None and "." in name.text:
            help = replacement(name.text.replace(".", "_"), name.span, certain=False)
            findings.add("E206", "a name has no dots", name.span, label="expected one word", help=help)
        return name if name is not None and "." not in name.text else tree.Word(NAMELESS, block.kind.span)

    def read_file(self, path: tree.Text) -> FeatureGroups | None:
        """Returns the groups of the file at a path; None if it cannot be read, which is reported."""
        source = read_import(path, self.root, self.texts, self.log.findings)
        if source is None:
            return None
        resolved = resolve_path(source.path)
        if self.report_cycle(resolved, path):
            return None
        if len(self.open_files) > MOST_NESTED:
            message, help = f"more than {MOST_NESTED} imports inside each other", "import fewer files from each other"
            self.log.findings.add("E213", message, path.span, label="not followed", help=help)
            return None
        if resolved not in self.groups_of:
            self.open_files.append((resolved, source))
            file = parse(source, self.log.findings)
            self.groups_of[resolved] = self.read_groups(file, self.read_imports(file))
            self.open_files.pop()
        return self.groups_of[resolved]

    def report_cycle(self, resolved: Path, path: tree.Text) -> bool:
        """Reports a file that imports itself, directly or through others (E215); returns whether it does."""
        start = next((index for index, (open_path, _) in enumerate(self.open_files) if open_path == resolved), None)
        if start is None:
            return False
        chain = [source for _, source in self.open_files[start:]]
        arrows = " -> ".join(f"`{source.path}`" for source in (*chain, chain[0]))
        first = chain[1].included_from if len(chain) > 1 else None
        self.log.findings.add(
            "E215",
            f"imports in a circle: {arrows}" if first else f"`{chain[0].path}` imports itself",
            path.span,
            label="this closes the circle" if first else "this is the file itself",
            help="move what both need to a file that imports neither" if first else "delete the import",
            second=Related.at(first, "it starts here"),
        )
        return True

    def read_groups(self, file: tree.File, imports: Imports) -> FeatureGroups | None:
        """Returns the groups that a file has and takes, after reporting its mistakes; None if it is no group file."""
        if self.report_other_file(file):
            return None
        foreign = [statement for statement in file.statements if not self.belongs_in_group_file(statement)]
        broken_before = len(self.log.broken)
        group_statements = [statement for statement in file.statements if is_use(statement) or _is_group(statement)]
        groups = take_groups(group_statements, imports, file.damaged, self.log)
        self.report_unused(imports, file)
        by_name: dict[str, tree.Block] = {}
        for group in groups:
            assert isinstance(group, tree.Block)
            name = normalize(group.name.text) if group.name else NAMELESS
            if name in by_name and name != NAMELESS:
                message = f"a second feature group `{name}` in this file"
                second, help = Related(by_name[name].head, "first here"), "give one of them another name, or delete it"
                self.log.findings.add("E204", message, group.head, label="again", help=help, second=second)
            by_name.setdefault(name, group)
        if not self.check_groups(file, tuple(by_name.values())):
            return None
        lost = (*file.damaged, *(statement.span for statement in foreign), *self.log.broken[broken_before:])
        return FeatureGroups(file, by_name, words_in(lost))

    def report_other_file(self, file: tree.File) -> bool:
        """Reports an imported file without feature groups, or with a model (E218); returns whether it is one."""
        where, path = file.source.included_from, file.source.path
        if where is None or file.damaged:
            return False
        if any(isinstance(block, tree.Block) and block.kind.text == "model" for block in file.statements):
            message, label = f"`{path}` is a whole spec", "a file to import holds feature groups alone"
            help = "move the groups that both need to a file of their own, and import it in both"
        elif not any(isinstance(statement, tree.Block) or is_use(statement) for statement in file.statements):
            message, label, help = f"`{path}` has no feature groups", "empty", "write `features NAME { ... }` in it"
        else:
            return False
        self.log.findings.add("E218", message, where, label=label, help=help)
        return True

    def belongs_in_group_file(self, statement: tree.Statement) -> bool:
        """Whether a statement may stand in a file of feature groups; reports it if not (E201, E202)."""
        is_block = isinstance(statement, tree.Block)
        word = statement.kind if isinstance(statement, tree.Block) else statement.key
        words, noun = ((GROUP, IMPORT), "block") if is_block else (("aesm", USE), "setting")
        if normalize(word.text) in words:
            return True
        self.log.findings.add(
            "E201" if is_block else "E202",
            f"a file of feature groups has no {noun} `{word.text}`",
            word.span,
            label="not known here",
            help=[
                suggest(word.text, words, word.span),
                f"{noun}s here are {quoted(words)}; all others stand in a model",
            ],
        )
        return False

    def check_groups(self, file: tree.File, groups: tuple[tree.Block, ...]) -> bool:
        """Reports mistakes in the groups, as if they were in a model; returns whether the file can be used at all."""
        settings = (statement for statement in file.statements if isinstance(statement, tree.Setting))
        edition = [setting for setting in settings if normalize(setting.key.text) == "aesm"]
        start = file.source.span(0, 0)
        model = tree.Block(tree.Word("model", start), tree.Word("groups", start), None, True, groups, start)
        spec = read(replace(file, statements=(*edition, model)), self.log.findings)
        if spec is None:
            return False
        for rule in (name_rules.names_use_one_script, name_rules.feature_names_are_unique):
            rule(RuleContext(spec, frozenset(), self.log.findings))
        return True

    def report_unused(self, imports: Imports, file: tree.File) -> None:
        """Warns of imports from which nothing is taken (W105), unless something that is taken could not be read."""
        broken = {span.source for span in self.log.broken}
        if USE in words_in(file.damaged):
            return
        for entry in imports.values():
            unsure = entry.groups is None or entry.name.text == NAMELESS or entry.name.span.source in broken
            if unsure or entry.name.span in self.log.used:
                continue
            self.log.findings.add(
                "W105",
                f"nothing is taken from `{entry.name.text}`",
                entry.name.span,
                label="imported here",
                help=f"write `use = {entry.name.text}`, or delete the import",
            )


def _is_model(block: tree.Block) -> bool:
    """Whether a block is the model, or was probably meant as it."""
    return block.kind.text == "model" or guess_word(block.kind.text, ["model"]) is not None


def _is_import(statement: tree.Statement) -> bool:
    return isinstance(statement, tree.Block) and statement.kind.text == IMPORT


def _is_group(statement: tree.Statement) -> bool:
    return isinstance(statement, tree.Block) and statement.kind.text == GROUP
