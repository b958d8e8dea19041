"""Tree -> Spec: block by block, every fault told at its place, what is sound kept.

Passes, in order: the file's statements (outline.py), the blocks and settings inside the model (names, kinds, units),
then one look by pydantic at the whole. Checks that need more than one block are in check.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from aesm_dsl.findings.diagnostic import Findings, guess_word, normalize, quoted
from aesm_dsl.findings.fix import deletion, replacement
from aesm_dsl.spec.block_model import BlockModel, child_model
from aesm_dsl.spec.example import setting_example
from aesm_dsl.spec.kinds import BlockKind, MembersKind
from aesm_dsl.spec.misplaced import (
    report_block_twice,
    report_name_twice,
    report_setting_twice,
    report_unknown_block,
    report_unknown_setting,
)
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.overrides import Overrides
from aesm_dsl.spec.places import NAMELESS, Places, join_path
from aesm_dsl.spec.top_level import check_edition, find_model_block
from aesm_dsl.spec.value_errors import ExpectedValue, InvalidValue, SpecReporter
from aesm_dsl.spec.value_reader import ValueReader
from aesm_dsl.spec.where_words_live import location_help
from aesm_dsl.syntax import tree
from aesm_dsl.syntax.format import is_word
from aesm_dsl.syntax.parse import pause_garbage_collection
from aesm_dsl.syntax.tree import documentation


@pause_garbage_collection()
def read(file: tree.File, findings: Findings, overrides: Sequence[tree.Setting] = ()) -> Spec | None:
    """The spec that a tree describes, or None when there is no model to speak of.

    overrides  settings whose key is a dotted path (`level.card.experts.count`); they take the place of the file's own.
    With findings of severity error the spec is only good for finding more mistakes: broken values are left at their
    defaults and their paths are in `spec.places.broken`.
    """
    reader = _Reader(file, findings, overrides)
    if not check_edition(file, reader.teller):
        return None
    block = find_model_block(file, reader.teller)
    if block is None:
        return None
    found = reader.block(Spec, block, "")
    reader.overrides.tell_unused(reader.known, reader.teller)
    spec = Spec.model_validate(found)
    spec._places = reader.places
    return spec


class _Reader:
    def __init__(self, file: tree.File, findings: Findings, overrides: Sequence[tree.Setting]) -> None:
        self.places = Places()
        self.teller = SpecReporter(findings, file.damaged)
        self.values = ValueReader(self.teller, self.places)
        self.overrides = Overrides(overrides)
        self.known: dict[str, None] = {}
        """Every path of a setting that this spec could have: what an override may name."""

    def block(self, model: type[BlockModel], block: tree.Block, path: str) -> dict[str, Any]:
        """The fields that a block's statements give, for the model to fill the rest."""
        self.places.values[path] = block.head
        if self.teller.lost(block.span):
            self.places.broken.add(join_path(path, "?"))  # something in it could not be read
        if "name" in model.model_fields and block.name is None:
            self.places.broken.add(path or NAMELESS)  # which one it is has not been said
        found: dict[str, Any] = self._head(model, block)
        kinds = model.kinds()
        members = next(((word, kind) for word, kind in kinds.items() if isinstance(kind, MembersKind)), None)
        seen: dict[str, tree.Setting] = {}
        children: dict[str, dict[str, tree.Block]] = {}
        self.known |= dict.fromkeys(_paths(model, path))
        for statement in (*block.statements, *self.overrides.added(block, path, kinds)):
            if isinstance(statement, tree.Setting):
                self._setting(model, statement, path, block, seen, found, members)
            else:
                self._child(model, statement, path, block, children, found)
        lost = self.teller.lost_words(block.span)
        self.places.broken |= {
            join_path(path, word) for word in kinds if word in lost and word not in (*seen, *children)
        }
        missing = [
            word
            for word, kind in kinds.items()
            if model.model_fields[model.field_of(word)].is_required() and word not in seen and word not in children
        ]
        if missing:
            untold = [word for word in missing if join_path(path, word) not in self.places.broken]
            if untold and not self.teller.lost(block.span):
                self.teller.tell(
                    "E307",
                    f"`{block.kind.text}` needs {quoted(untold)}",
                    block.head,
                    label="missing in this block",
                    help=[f"write `{word} = ...`: {model.help_of(word)}" for word in untold],
                )
            self._neutral(model, missing, path, found)
        return found

    def _head(self, model: type[BlockModel], block: tree.Block) -> dict[str, Any]:
        """Name, label and documentation, as far as this kind of block has them."""
        found: dict[str, Any] = {}
        named, kind = "name" in model.model_fields, block.kind.text
        if named and block.name is None:
            self._without_name(block)
        if not named and block.name is not None:
            help = deletion(block.name.span)
            self.teller.tell("E206", f"`{kind}` takes no name", block.name.span, label="not needed", help=help)
        if named:
            name = normalize(block.name.text) if block.name else NAMELESS
            if block.name and "." in name:
                help = replacement(name.replace(".", "_"), block.name.span, certain=False)
                self.teller.tell("E206", "a name has no dots", block.name.span, label="expected one word", help=help)
            found["name"] = name
        if "title" in model.model_fields:
            found["title"] = block.label.text if block.label else None
            found["doc"] = documentation(block)
        elif block.label is not None:
            help = deletion(block.label.span)
            self.teller.tell("E206", f"`{kind}` takes no label", block.label.span, label="not needed", help=help)
        return found

    def _without_name(self, block: tree.Block) -> None:
        label = block.label.text if block.label else ""
        name = re.sub(r"[\W_]+", "_", normalize(label)).strip("_").lower()
        name = name if is_word(name) else "NAME"
        form = f"{block.kind.text} {name}" + (f" {block.label.span.text}" if block.label else " { ... }")
        self.teller.tell(
            "E206", f"`{block.kind.text}` needs a name", block.head, label="without a name", help=f"write `{form}`"
        )

    def _setting(
        self,
        model: type[BlockModel],
        setting: tree.Setting,
        path: str,
        block: tree.Block,
        seen: dict[str, tree.Setting],
        found: dict[str, Any],
        members: tuple[str, MembersKind] | None,
    ) -> None:
        kinds, word = model.kinds(), normalize(setting.key.text)
        inner = join_path(path, word)
        kind = members[1].of if members else kinds.get(word)
        if kind is None or isinstance(kind, BlockKind | MembersKind):
            report_unknown_setting(self.teller, setting, kinds, block)
            self._excuse(word, kinds, path)
            return
        if members and location_help(word) and not isinstance(setting.value, tree.Call | tree.Word):
            report_unknown_setting(self.teller, setting, kinds, block)
            return
        if word in seen and members:
            first, again = seen[word].key, setting.key
            report_name_twice(self.teller, "feature", first, again, (first.span, again.span))
            return
        if word in seen:
            report_setting_twice(self.teller, seen[word].key, setting.key)
            return
        seen[word] = setting
        setting = self.overrides.take(inner) or setting
        self.known[inner] = None
        self.places.values[inner] = setting.value.span
        self.places.keys[inner] = setting.key.span
        try:
            asked = ExpectedValue(f"`{word}`", inner, kind, "" if members else setting_example(model, word))
            value = self.values.read(kind, setting.value, asked)
        except InvalidValue:
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

    def _neutral(self, model: type[BlockModel], words: Sequence[str], path: str, found: dict[str, Any]) -> None:
        """Stands in for a required value that is broken or missing, so that the rest can be looked at."""
        for word in words:
            self.places.broken.add(join_path(path, word))
            found[model.field_of(word)] = ("",)

    def _child(
        self,
        model: type[BlockModel],
        block: tree.Block,
        path: str,
        parent: tree.Block,
        children: dict[str, dict[str, tree.Block]],
        found: dict[str, Any],
    ) -> None:
        kinds, word = model.kinds(), block.kind.text
        kind = kinds.get(word)
        if not isinstance(kind, BlockKind):
            words = {name for name, one in kinds.items() if isinstance(one, BlockKind)}
            report_unknown_block(self.teller, block, kinds, f"`{parent.kind.text}`")
            self._excuse(word, kinds, path)
            guess = guess_word(word, words)
            kind = kinds.get(guess or "")
            if guess is None or word in model.kinds() or location_help(word) or not isinstance(kind, BlockKind):
                self.places.lost.append(block.span)
                return
            word = guess
        name = (normalize(block.name.text) if block.name else NAMELESS) if kind.many else ""
        earlier = children.setdefault(word, {}).get(name)
        if earlier is not None and name != NAMELESS:
            if earlier.name and block.name and name:
                report_name_twice(self.teller, word, earlier.name, block.name, (earlier.head, block.head))
            else:
                report_block_twice(self.teller, earlier, block, parent)
            return
        children[word][name] = block
        field = model.field_of(word)
        inner = self.block(child_model(model, field), block, join_path(path, f"{word}.{name}" if name else word))
        if kind.many:
            found[field] = (*found.get(field, ()), inner)
        else:
            found[field] = inner

    def _excuse(self, word: str, kinds: dict[str, Any], path: str) -> None:
        """An unknown word stands for the one that was probably meant: that one is not called missing."""
        if (guess := guess_word(word, kinds)) is not None:
            self.places.broken.add(join_path(path, guess))


def _paths(model: type[BlockModel], path: str) -> Iterator[str]:
    """The paths of the settings that a block has, or would have in blocks that need no name."""
    for word, kind in model.kinds().items():
        if not isinstance(kind, BlockKind | MembersKind):
            yield join_path(path, word)
        elif isinstance(kind, BlockKind) and not kind.many:
            yield from _paths(child_model(model, model.field_of(word)), join_path(path, word))
