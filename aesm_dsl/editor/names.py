"""`Names`: what a file declares (imports, levels, nodes, tasks, features and their groups) and what refers to each.

Found in the tree by the vocabulary: a block of which there may be many declares its name, so does every line of a block
of the user's own names, and a setting of kind `Reference` refers to one. `fund.product` refers to two: an import, and a
feature group that is declared in another file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from aesm_dsl.editor.vocabulary import parts
from aesm_dsl.findings.diagnostic import normalize
from aesm_dsl.findings.source import Span
from aesm_dsl.spec import kinds
from aesm_dsl.spec.block_model import Model, model_of
from aesm_dsl.spec.imports import is_groups
from aesm_dsl.spec.kinds import Child, Kind, Members
from aesm_dsl.spec.model import Spec
from aesm_dsl.syntax import tree

GROUP, FEATURE, NODE, LEVEL, TASK, IMPORT = "feature group", "feature", "node", "level", "task", "import"
_NOUNS = {"features": GROUP}
"""Block -> what it declares, where that is not called like the block."""


@dataclass(frozen=True, slots=True)
class Declared:
    """`within` is the level of a node and the group of a feature; `path` as in `--set`; `statement` declares it."""

    noun: str
    name: str
    within: str
    path: str
    place: Span
    statement: tree.Statement

    @property
    def title(self) -> str:
        label = self.statement.label if isinstance(self.statement, tree.Block) else None
        return label.text if label else ""


@dataclass(frozen=True, slots=True)
class Referred:
    """A name where something declared is meant. `within` is the level that has the node; else what refers to it."""

    noun: str
    name: str
    within: str
    place: Span


@dataclass(frozen=True, slots=True)
class Names:
    declared: tuple[Declared, ...]
    referred: tuple[Referred, ...]

    def at(self, offset: int) -> Declared | Referred | None:
        """The name at a place, or one that ends there."""
        everything: tuple[Declared | Referred, ...] = (*self.declared, *self.referred)
        return next((one for one in everything if one.place.start <= offset <= one.place.end), None)

    def meant(self, name: Declared | Referred) -> Declared | None:
        """What a name stands for: itself, if it is declared here, or what it refers to."""
        if isinstance(name, Declared):
            return name
        return next((one for one in self.declared if _same(one, name)), None)

    def uses(self, declared: Declared) -> list[Referred]:
        return [one for one in self.referred if _same(declared, one)]

    def of(self, noun: str, within: str | None = None) -> list[Declared]:
        """Everything declared of a noun; within one level or group, if one is given."""
        return [one for one in self.declared if one.noun == noun and within in (None, one.within)]

    def above(self, level: str) -> str:
        """The level that a level lies under; empty for the first."""
        under = (one for one in self.referred if one.noun == LEVEL and one.within == level)
        return next((one.name for one in under), "")


def names(file: tree.File) -> Names:
    """All names of a file, in the order in which they stand."""
    declared: list[Declared] = []
    referred: list[Referred] = []
    for statement in file.statements:
        if not isinstance(statement, tree.Block):
            continue
        if statement.kind.text == "model":
            _block(Spec, statement, "", "", "", declared, referred)
        elif statement.kind.text == "import" and statement.name is not None:
            name = normalize(statement.name.text)
            declared.append(Declared(IMPORT, name, "", name, statement.name.span, statement))
    if is_groups(file):
        start = file.source.span(0, 0)
        groups = tree.Block(tree.Word("model", start), None, None, True, file.statements, start)
        _block(Spec, groups, "", "", "", declared, referred)
    return Names(tuple(declared), tuple(referred))


def given(statement: tree.Statement, word: str) -> tree.Setting | None:
    """A setting that a block has, if it has it."""
    settings = statement.statements if isinstance(statement, tree.Block) else ()
    return next((one for one in settings if isinstance(one, tree.Setting) and normalize(one.key.text) == word), None)


def _same(declared: Declared, referred: Referred) -> bool:
    if referred.noun == GROUP:
        return False  # in another file
    within = referred.noun != NODE or declared.within == referred.within
    return within and (declared.noun, declared.name) == (referred.noun, referred.name)


def _block(
    model: type[Model],
    block: tree.Block,
    path: str,
    own: str,
    above: str,
    declared: list[Declared],
    referred: list[Referred],
) -> None:
    """`own` is the name of the level or group that the block is or belongs to, `above` of the level over it."""
    known = model.kinds()
    members = next((one for one in known.values() if isinstance(one, Members)), None)
    for statement in block.statements:
        if isinstance(statement, tree.Setting):
            word = normalize(statement.key.text)
            kind = members.of if members else known.get(word)
            if members:
                declared.append(Declared(FEATURE, word, own, f"{path}{word}", statement.key.span, statement))
            if kind is not None and not isinstance(kind, Child | Members):
                for noun, name in _references(kind, statement.value):
                    if noun == GROUP:
                        referred += _taken(name)
                    else:
                        referred.append(Referred(noun, normalize(name.text), above if noun == NODE else own, name.span))
        elif isinstance(kind := known.get(statement.kind.text), Child):
            inner, over, step = own, above, f"{path}{kind.kind}."
            if kind.many and statement.name is not None:
                noun, inner = _NOUNS.get(kind.kind, kind.kind), normalize(statement.name.text)
                step = f"{step}{inner}."
                declared.append(Declared(noun, inner, own, step[:-1], statement.name.span, statement))
                over = _under(statement) if noun == LEVEL else above
            _block(model_of(model, model.field_of(kind.kind)), statement, step, inner, over, declared, referred)


def _taken(word: tree.Word) -> list[Referred]:
    """The import of `fund.product` and the group in it; of `fund` the import alone."""
    alias, dot, group = word.text.partition(".")
    start, end = word.span.start, word.span.end
    found = [Referred(IMPORT, normalize(alias), "", word.span.source.span(start, start + len(alias)))]
    if dot:
        found.append(Referred(GROUP, normalize(group), normalize(alias), word.span.source.span(end - len(group), end)))
    return found


def _under(level: tree.Block) -> str:
    """The level that a level's `under` names, wherever in the block it stands."""
    under = given(level, "under")
    return normalize(under.value.text) if under is not None and isinstance(under.value, tree.Word) else ""


def _references(kind: Kind, value: tree.Value) -> Iterator[tuple[str, tree.Word]]:
    """The names in a value that refer to something, with what they refer to."""
    for one in parts(kind):
        match one, value:
            case kinds.Reference(to), tree.Word():
                if not (value.text == "none" and isinstance(kind, kinds.Optional)):
                    yield to, value
            case kinds.Many(of), tree.List(items):
                for item in items:
                    yield from _references(of, item)
            case kinds.Call(models), tree.Call(name, arguments):
                for model in models:
                    for argument in arguments if model.call_name() == name.text else ():
                        inner = model.kinds().get(argument.name.text) if argument.name else None
                        if inner is not None and not isinstance(inner, Child | Members):
                            yield from _references(inner, argument.value)
