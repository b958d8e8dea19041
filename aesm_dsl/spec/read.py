"""Tree -> Spec: block by block, every fault told at its place, what is sound kept.

Passes, in order: the file's statements, the blocks and settings inside the model (names, kinds, units), then one look
by pydantic at the whole. Checks that need more than one block are in check.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aesm_dsl.diagnostic import Findings, Related, closest, did_you_mean, fold, quoted
from aesm_dsl.memory import no_collection
from aesm_dsl.source import Span
from aesm_dsl.spec.block import Model, model_of
from aesm_dsl.spec.kind import Child, Members
from aesm_dsl.spec.model import EDITION, Spec
from aesm_dsl.spec.places import NAMELESS, Places
from aesm_dsl.spec.value import Values, Wrong
from aesm_dsl.syntax import tree
from aesm_dsl.syntax.tree import documentation


@no_collection()
def read(file: tree.File, findings: Findings, overrides: Sequence[tree.Setting] = ()) -> Spec | None:
    """The spec that a tree describes, or None when there is no model to speak of.

    overrides  settings whose key is a dotted path (`level.card.experts.count`); they take the place of the file's own.
    With findings of severity error the spec is only good for finding more mistakes: broken values are left at their
    defaults and their paths are in `spec.places.broken`.
    """
    reader = _Reader(file, findings, overrides)
    if not reader.edition():
        return None
    block = reader.model()
    if block is None:
        return None
    found = reader.block(Spec, block, "")
    reader.unused_overrides()
    spec = Spec.model_validate(found)
    spec._places = reader.places
    return spec


class _Reader:
    def __init__(self, file: tree.File, findings: Findings, overrides: Sequence[tree.Setting]) -> None:
        self.file = file
        self.places = Places()
        self.values = Values(findings, self.places, file.damaged)
        self.overrides = {fold(setting.key.text): setting for setting in overrides}
        self.used: set[str] = set()
        self.known: dict[str, None] = {}
        """Every path of a setting that this spec could have: what an override may name."""

    def edition(self) -> bool:
        """Whether the file's edition of the language is one this version reads."""
        settings = [one for one in self.file.statements if isinstance(one, tree.Setting)]
        first = next((one for one in settings if one.key.text == "aesm"), None)
        for one in settings:
            if one.key.text != "aesm":
                self.values.tell(
                    "E202",
                    f"`{one.key.text}` stands outside the model",
                    one.key.span,
                    label="only `aesm = 1` may stand here",
                    help="did you mean `aesm`?"
                    if first is None and closest(one.key.text, ["aesm"])
                    else "settings belong inside `model NAME { ... }`",
                )
            elif one is not first:
                assert first is not None
                self.values.tell(
                    "E205", "`aesm` is set twice", one.key.span, label="again", second=Related(first.span, "first here")
                )
        if first is None:
            if any(closest(one.key.text, ["aesm"]) for one in settings) or self._stands_damaged("aesm"):
                return True
            if not self.file.statements:
                return True  # that there is nothing at all is told elsewhere
            start = self.file.statements[0].span
            self.values.tell(
                "W101",
                "the language edition is not stated",
                Span(start.source, start.start, start.start),
                label=f"edition {EDITION} is assumed",
                help=f"write `aesm = {EDITION}` on the first line",
            )
            return True
        value = first.value
        whole = isinstance(value, tree.Number) and isinstance(value.value, int) and not value.unit
        if not isinstance(value, tree.Number) or not whole or value.value < 1:
            self.values.tell("E310", "the edition is a whole number", value.span, label=f"write `{EDITION}`")
        elif value.value > EDITION:
            self.values.tell(
                "E310",
                f"this spec is written in edition {value.value} of the language",
                value.span,
                label=f"this version of aesm reads editions up to {EDITION}",
                help="install a newer aesm",
            )
            return False
        return True

    def _stands_damaged(self, word: str) -> bool:
        return any(word in span.text.split() for span in self.file.damaged)

    def model(self) -> tree.Block | None:
        models: list[tree.Block] = []
        meant: list[tree.Block] = []
        for one in self.file.statements:
            if isinstance(one, tree.Block) and one.kind.text == "model":
                models.append(one)
            elif isinstance(one, tree.Block):
                self._unknown_block(one, {"import", "model"}, {"aesm"}, "a file")
                meant += [one] * (closest(one.kind.text, ["model"]) is not None)
        models = models or meant
        for extra in models[1:]:
            second = Related(models[0].head, "the first model")
            self.values.tell("E204", "a file holds one model", extra.head, label="a second one", second=second)
        if not models and not self.file.damaged and not self.values.findings.errors:
            self.values.findings.add(
                "E307", "there is no model in this file", self.file.source.span(0, 0), help="write `model NAME { ... }`"
            )
        return models[0] if models else None

    def block(self, model: type[Model], block: tree.Block, path: str) -> dict[str, Any]:
        """The fields that a block's statements give, for the model to fill the rest."""
        self.places.values[path] = block.head
        if self.values.lost(block.span):
            self.places.broken.add(_join(path, "?"))  # something in it could not be read
        if "name" in model.model_fields and block.name is None:
            self.places.broken.add(path or NAMELESS)  # which one it is has not been said
        found: dict[str, Any] = self._head(model, block)
        kinds = model.kinds()
        members = next(((word, kind) for word, kind in kinds.items() if isinstance(kind, Members)), None)
        seen: dict[str, tree.Setting] = {}
        children: dict[str, dict[str, tree.Block]] = {}
        self.known |= {_join(path, word): None for word, kind in kinds.items() if not isinstance(kind, Child | Members)}
        for statement in (*block.statements, *self._added(block, path, kinds)):
            if isinstance(statement, tree.Setting):
                self._setting(model, statement, path, block, seen, found, members)
            else:
                self._child(model, statement, path, block, children, found)
        lost = self.values.lost_words(block.span)
        self.places.broken |= {_join(path, word) for word in kinds if word in lost and word not in (*seen, *children)}
        missing = [
            word
            for word, kind in kinds.items()
            if model.model_fields[model.field_of(word)].is_required() and word not in seen and word not in children
        ]
        if missing:
            untold = [word for word in missing if _join(path, word) not in self.places.broken]
            if untold and not self.values.lost(block.span):
                self.values.tell(
                    "E307",
                    f"`{block.kind.text}` needs {quoted(untold)}",
                    block.head,
                    label="missing in this block",
                    help=[f"`{word}`: {model.help_of(word)}" for word in untold],
                )
            self._neutral(model, missing, path, found)
        return found

    def _head(self, model: type[Model], block: tree.Block) -> dict[str, Any]:
        """Name, label and documentation, as far as this kind of block has them."""
        found: dict[str, Any] = {}
        named, kind = "name" in model.model_fields, block.kind.text
        if named and block.name is None:
            self.values.tell("E206", f"`{kind}` needs a name", block.head, label=f"write `{kind} NAME {{ ... }}`")
        if not named and block.name is not None:
            self.values.tell("E206", f"`{kind}` takes no name", block.name.span, label="not needed")
        if named:
            name = fold(block.name.text) if block.name else NAMELESS
            if block.name and "." in name:
                self.values.tell("E206", "a name has no dots", block.name.span, label="write one word")
            found["name"] = name
        if "title" in model.model_fields:
            found["title"] = block.label.text if block.label else None
            found["doc"] = documentation(block)
        elif block.label is not None:
            self.values.tell("E206", f"`{kind}` takes no label", block.label.span, label="not needed")
        return found

    def _added(self, block: tree.Block, path: str, kinds: dict[str, Any]) -> list[tree.Statement]:
        """Statements that only overrides ask for: settings the block does not have, and blocks to put them into."""
        written = {one.key.text for one in block.statements if isinstance(one, tree.Setting)}
        inside = {one.kind.text for one in block.statements if isinstance(one, tree.Block)}
        added: list[tree.Statement] = []
        for word, kind in kinds.items():
            inner = _join(path, word)
            if isinstance(kind, Child):
                wanted = next((s for key, s in self.overrides.items() if key.startswith(f"{inner}.")), None)
                if wanted and not kind.many and word not in inside:
                    added.append(tree.Block(tree.Word(word, wanted.key.span), None, None, True, (), wanted.span))
            elif inner in self.overrides and word not in written:
                added.append(self._overridden(inner))
        return added

    def _overridden(self, path: str) -> tree.Setting:
        """The override of a path, as if it were written in its block."""
        self.used.add(path)
        given = self.overrides[path]
        return tree.Setting(tree.Word(path.rpartition(".")[2], given.key.span), given.value, given.span)

    def _setting(
        self,
        model: type[Model],
        setting: tree.Setting,
        path: str,
        block: tree.Block,
        seen: dict[str, tree.Setting],
        found: dict[str, Any],
        members: tuple[str, Members] | None,
    ) -> None:
        kinds, word = model.kinds(), fold(setting.key.text)
        inner = _join(path, word)
        kind = members[1].of if members else kinds.get(word)
        if kind is None or isinstance(kind, Child | Members):
            self._unknown_setting(setting, kinds, block, isinstance(kind, Child))
            self._excuse(word, kinds, path)
            return
        if word in seen:
            self._twice(seen[word].key, setting.key, "feature" if members else "")
            return
        seen[word] = setting
        if inner in self.overrides and inner not in self.used:
            setting = self._overridden(inner)
        self.known[inner] = None
        self.places.values[inner] = setting.value.span
        self.places.keys[inner] = setting.key.span
        try:
            value = self.values.read(kind, setting.value, word, inner)
        except Wrong:
            self.places.broken.add(inner)
            if not members:
                self._neutral(
                    model, [w for w in [word] if model.model_fields[model.field_of(w)].is_required()], path, found
                )
            return
        if members:
            found.setdefault(model.field_of(members[0]), {})[word] = value
        else:
            found[model.field_of(word)] = value

    def _neutral(self, model: type[Model], words: Sequence[str], path: str, found: dict[str, Any]) -> None:
        """Stands in for a required value that is broken or missing, so that the rest can be looked at."""
        for word in words:
            self.places.broken.add(_join(path, word))
            found[model.field_of(word)] = ("",)

    def _child(
        self,
        model: type[Model],
        block: tree.Block,
        path: str,
        parent: tree.Block,
        children: dict[str, dict[str, tree.Block]],
        found: dict[str, Any],
    ) -> None:
        kinds, word = model.kinds(), block.kind.text
        kind = kinds.get(word)
        if not isinstance(kind, Child):
            words = {name for name, one in kinds.items() if isinstance(one, Child)}
            settings = {name for name, one in kinds.items() if not isinstance(one, Child | Members)}
            self._unknown_block(block, words, settings, f"`{parent.kind.text}`")
            self._excuse(word, kinds, path)
            guess = closest(word, words)
            kind = kinds.get(guess or "")
            if guess is None or word in settings or not isinstance(kind, Child):
                self.places.lost.append(block.span)
                return
            word = guess
        name = (fold(block.name.text) if block.name else NAMELESS) if kind.many else ""
        earlier = children.setdefault(word, {}).get(name)
        if earlier is not None and name != NAMELESS:
            shown = f"{word} `{block.name.text}`" if name and block.name else f"block `{word}`"
            same = not (name and earlier.name and block.name) or earlier.name.text == block.name.text
            self.values.tell(
                "E204" if same else "E207",
                f"a second {shown} in `{parent.kind.text}`" if same else f"{shown} is the same name as another",
                block.head,
                label="again",
                help="" if same else "names are compared after Unicode normalisation (NFKC)",
                second=Related(earlier.head, "first here"),
            )
            return
        children[word][name] = block
        field = model.field_of(word)
        inner = self.block(model_of(model, field), block, _join(path, f"{word}.{name}" if name else word))
        if kind.many:
            found[field] = (*found.get(field, ()), inner)
        else:
            found[field] = inner

    def _excuse(self, word: str, kinds: dict[str, Any], path: str) -> None:
        """An unknown word stands for the one that was probably meant: that one is not called missing."""
        if (guess := closest(word, kinds)) is not None:
            self.places.broken.add(_join(path, guess))

    def _twice(self, first: tree.Word, again: tree.Word, what: str) -> None:
        word = fold(again.text)
        help = "" if first.text == again.text else "names are compared after Unicode normalisation (NFKC)"
        self.values.tell(
            "E205" if not what else "E204" if first.text == again.text else "E207",
            f"a second {what} `{word}`" if what else f"`{word}` is set twice",
            again.span,
            label="again",
            help=help,
            second=Related(first.span, "first here"),
        )

    def _unknown_setting(self, setting: tree.Setting, kinds: dict[str, Any], block: tree.Block, is_block: bool) -> None:
        word, known = setting.key.text, [w for w, one in kinds.items() if not isinstance(one, Child | Members)]
        if is_block:
            help = [f"`{word}` is a block: write `{word} {{ ... }}`"]
        elif isinstance(setting.value, tree.Call) and "features" in kinds:
            help = ["features stand in a group: write `features NAME { ... }` around them"]
        else:
            help = [
                did_you_mean(word, known),
                f"settings here are {quoted(known, 12)}" if known else "it has no settings",
            ]
        self.values.tell(
            "E202", f"`{block.kind.text}` has no setting `{word}`", setting.key.span, label="not known", help=help
        )

    def _unknown_block(self, block: tree.Block, words: set[str], settings: set[str], where: str) -> None:
        word = block.kind.text
        if word in settings:
            help = [f"`{word}` is a setting: write `{word} = ...`"]
        elif word == "import":
            help = ["imports stand above the model"]
        else:
            help = [
                did_you_mean(word, words),
                f"blocks here are {quoted(sorted(words))}" if words else "no blocks go here",
            ]
        self.values.tell("E201", f"{where} has no block `{word}`", block.kind.span, label="not known", help=help)

    def unused_overrides(self) -> None:
        for path, setting in self.overrides.items():
            if path not in self.used:
                self.values.tell(
                    "E209",
                    f"this spec has no setting `{path}`",
                    setting.key.span,
                    label="not known",
                    help=did_you_mean(path, self.known),
                )


def _join(path: str, word: str) -> str:
    return f"{path}.{word}" if path else word
