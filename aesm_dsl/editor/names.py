"""`SpecNames`: what a file declares (imports, levels, nodes, tasks, features and their groups), and where each is used.

They are found in the tree by the vocabulary: a block that may occur many times declares its name, so does every line of
a block with names of the user's own, and a setting of kind `Reference` uses one. `fund.product` uses two: an import,
and a feature group that is declared in another file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from aesm_dsl.editor.vocabulary import alternatives
from aesm_dsl.findings.lookalike import normalize
from aesm_dsl.findings.source import Span
from aesm_dsl.spec import kinds
from aesm_dsl.spec.block_model import BlockModel, child_model
from aesm_dsl.spec.imports import is_group_file
from aesm_dsl.spec.kinds import BlockKind, Kind, MembersKind
from aesm_dsl.spec.model import Spec
from aesm_dsl.syntax import tree

GROUP, FEATURE, NODE, LEVEL, TASK, IMPORT = "feature group", "feature", "node", "level", "task", "import"
_NOUNS = {"features": GROUP}
"""Block -> what it declares, if that has another name than the block."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """A name that the file declares."""

    noun: str
    """What it is: one of the nouns above."""
    name: str
    within: str
    """The level of a node, the group of a feature; else empty."""
    path: str
    """Dotted path, as in `--set`."""
    span: Span
    """Where the name stands."""
    statement: tree.Statement
    """The statement that declares it."""

    @property
    def title(self) -> str:
        label = self.statement.label if isinstance(self.statement, tree.Block) else None
        return label.text if label else ""


@dataclass(frozen=True, slots=True)
class NameUse:
    """A place where a declared name is used."""

    noun: str
    name: str
    within: str
    """The level that has the node, empty if any may; for other nouns what uses the name."""
    span: Span


@dataclass(frozen=True, slots=True)
class SpecNames:
    """All declarations and uses in a file, in the order of the text."""

    declared: tuple[Declaration, ...]
    referred: tuple[NameUse, ...]

    def at(self, offset: int) -> Declaration | NameUse | None:
        """Returns the name at an offset, or the one that ends there."""
        names: tuple[Declaration | NameUse, ...] = (*self.declared, *self.referred)
        return next((name for name in names if name.span.start <= offset <= name.span.end), None)

    def declaration_of(self, name: Declaration | NameUse) -> Declaration | None:
        """Returns the declaration that a name stands for; None if it is not in this file."""
        if isinstance(name, Declaration):
            return name
        return next((declaration for declaration in self.declared if _same(declaration, name)), None)

    def uses_of(self, declared: Declaration) -> list[NameUse]:
        """Returns all uses of a declared name."""
        return [use for use in self.referred if _same(declared, use)]

    def of(self, noun: str, within: str | None = None) -> list[Declaration]:
        """Returns all declarations of a noun; within one level or group, if one is given."""
        return [
            declaration
            for declaration in self.declared
            if declaration.noun == noun and within in (None, declaration.within)
        ]

    def above(self, level: str) -> str:
        """Returns the level that a level is under; empty for the first one."""
        return next((use.name for use in self.referred if use.noun == LEVEL and use.within == level), "")


def collect_names(file: tree.File) -> SpecNames:
    """Returns all names of a file, in the order of the text."""
    collector = _Collector([], [])
    for statement in file.statements:
        if not isinstance(statement, tree.Block):
            continue
        if statement.kind.text == "model":
            collector.block(Spec, statement, "", _Around())
        elif statement.kind.text == "import" and statement.name is not None:
            name = normalize(statement.name.text)
            collector.declared.append(Declaration(IMPORT, name, "", name, statement.name.span, statement))
    if is_group_file(file):
        start = file.source.span(0, 0)
        groups = tree.Block(tree.Word("model", start), None, None, True, file.statements, start)
        collector.block(Spec, groups, "", _Around())
    return SpecNames(tuple(collector.declared), tuple(collector.used))


def own_setting(statement: tree.Statement, word: str) -> tree.Setting | None:
    """Returns a setting of a block; None if the block does not write it."""
    inside = statement.statements if isinstance(statement, tree.Block) else ()
    settings = (setting for setting in inside if isinstance(setting, tree.Setting))
    return next((setting for setting in settings if normalize(setting.key.text) == word), None)


def _same(declared: Declaration, referred: NameUse) -> bool:
    if referred.noun == GROUP:
        return False  # in another file
    # A feature's nodes may be of any level.
    within = referred.noun != NODE or referred.within in ("", declared.within)
    return within and (declared.noun, declared.name) == (referred.noun, referred.name)


@dataclass(frozen=True, slots=True)
class _Around:
    """What a block belongs to."""

    enclosing: str = ""
    """Name of the level or group that the block is, or is part of."""
    noun: str = ""
    """Which of them it is."""
    above: str = ""
    """Name of the level above it."""


@dataclass(frozen=True, slots=True)
class _Collector:
    declared: list[Declaration]
    used: list[NameUse]

    def block(self, model: type[BlockModel], block: tree.Block, path: str, around: _Around) -> None:
        """Collects the names of a block and of the blocks in it; `path` ends with a dot."""
        known = model.kinds()
        for statement in block.statements:
            if isinstance(statement, tree.Setting):
                word = normalize(statement.key.text)
                members = known.get(model.members_word(word) or "")
                kind = members.of if isinstance(members, MembersKind) else known.get(word)
                if members:
                    span = statement.key.span
                    self.declared.append(Declaration(FEATURE, word, around.enclosing, f"{path}{word}", span, statement))
                if kind is not None and not isinstance(kind, BlockKind | MembersKind):
                    self._uses(kind, statement.value, around)
            elif isinstance(kind := known.get(statement.kind.text), BlockKind):
                inner, step = around, f"{path}{kind.kind}."
                if kind.many and statement.name is not None:
                    noun, name = _NOUNS.get(kind.kind, kind.kind), normalize(statement.name.text)
                    step = f"{step}{name}."
                    span = statement.name.span
                    self.declared.append(Declaration(noun, name, around.enclosing, step[:-1], span, statement))
                    inner = _Around(name, noun, _under(statement) if noun == LEVEL else around.above)
                self.block(child_model(model, model.field_of(kind.kind)), statement, step, inner)

    def _uses(self, kind: Kind, value: tree.Value, around: _Around) -> None:
        for noun, name in _references(kind, value):
            if noun == GROUP:
                self.used.extend(_imported(name))
            else:
                within = around.above if noun == NODE else around.enclosing
                if noun == NODE and around.noun == GROUP:
                    self.used.extend(_node_of_any_level(name))
                    continue
                self.used.append(NameUse(noun, normalize(name.text), within, name.span))


def _node_of_any_level(word: tree.Word) -> list[NameUse]:
    """The node of `only: wealth`, and the level of `only: card.wealth`."""
    level, dot, name = word.text.rpartition(".")
    start, source = word.span.start, word.span.source
    node = NameUse(NODE, normalize(name), normalize(level), source.span(start + len(level) + len(dot), word.span.end))
    return [NameUse(LEVEL, normalize(level), "", source.span(start, start + len(level))), node] if dot else [node]


def _imported(word: tree.Word) -> list[NameUse]:
    """The import of `fund.product` and the group in it; for `fund` only the import."""
    alias, dot, group = word.text.partition(".")
    start, end = word.span.start, word.span.end
    uses = [NameUse(IMPORT, normalize(alias), "", word.span.source.span(start, start + len(alias)))]
    if dot:
        uses.append(NameUse(GROUP, normalize(group), normalize(alias), word.span.source.span(end - len(group), end)))
    return uses


def _under(level: tree.Block) -> str:
    """The level that the `under` of a level names."""
    under = own_setting(level, "under")
    return normalize(under.value.text) if under is not None and isinstance(under.value, tree.Word) else ""


def _references(kind: Kind, value: tree.Value) -> Iterator[tuple[str, tree.Word]]:
    """Yields the names in a value that refer to something, with the noun of what they refer to."""
    for alternative in alternatives(kind):
        match alternative, value:
            case kinds.ReferenceKind(to), tree.Word():
                if not (value.text == "none" and isinstance(kind, kinds.OptionalKind)):
                    yield to, value
            case kinds.ListKind(of), tree.List(items):
                for item in items:
                    yield from _references(of, item)
            case kinds.CallKind(models), tree.Call(name, arguments):
                for model in models:
                    for argument in arguments if model.call_name() == name.text else ():
                        inner = model.kinds().get(argument.name.text) if argument.name else None
                        if inner is not None and not isinstance(inner, BlockKind | MembersKind):
                            yield from _references(inner, argument.value)
