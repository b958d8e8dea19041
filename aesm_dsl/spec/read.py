"""Reads the spec from a syntax tree, block by block. Mistakes are reported, and everything valid is kept.

The steps are: the statements of the file (top_level.py); the blocks and settings inside the model, with their names,
kinds and units; then pydantic's validation of the whole. Rules about more than one block are in rules.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aesm_dsl.findings.diagnostic import Findings, guess_word, quoted
from aesm_dsl.findings.fix import deletion, replacement
from aesm_dsl.findings.lookalike import normalize
from aesm_dsl.spec.block_model import BlockModel, child_model
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
from aesm_dsl.spec.write import setting_example
from aesm_dsl.syntax import tree
from aesm_dsl.syntax.format import is_word
from aesm_dsl.syntax.parse import pause_garbage_collection
from aesm_dsl.syntax.tree import documentation


@pause_garbage_collection()
def read(
    file: tree.File,
    findings: Findings,
    overrides: Sequence[tree.Setting] = (),
    candidates: Sequence[tree.Setting] = (),
) -> Spec | None:
    """Reads the spec that a tree describes.

    Args:
        file: the tree.
        findings: receives the mistakes. If they contain an error, the spec is only good for finding more mistakes:
            invalid values are replaced by their defaults, and their paths are in `spec.places.broken`.
        overrides: settings whose key is a dotted path (`level.card.experts.count`); they replace those of the file.
        candidates: further overrides, any number for each path, of which only the mistakes are of interest.
    Returns:
        The spec, or None if the file has no model.
    """
    reader = _SpecReader(file, findings, Overrides(overrides, candidates))
    if not check_edition(file, reader.reporter):
        return None
    block = find_model_block(file, reader.reporter)
    if block is None:
        return None
    fields = reader.read_block(Spec, block, "")
    reader.overrides.report_unused(reader.known, reader.reporter)
    spec = Spec.model_validate(fields)
    spec._places = reader.places
    return spec


@dataclass(slots=True)
class _BlockReading:
    """A block that is being read."""

    model: type[BlockModel]
    block: tree.Block
    path: str
    fields: dict[str, Any]
    """Fields of the model that have been read."""
    settings: dict[str, tree.Setting] = field(default_factory=dict)
    """Settings that have been read, by their word."""
    children: dict[str, dict[str, tree.Block]] = field(default_factory=dict)
    """Inner blocks that have been read, by their word and name."""

    several: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Fields that hold several blocks, with those that have been read."""

    def is_required(self, word: str) -> bool:
        return self.model.model_fields[self.model.field_of(word)].is_required()


class _SpecReader:
    def __init__(self, file: tree.File, findings: Findings, overrides: Overrides) -> None:
        self.places = Places()
        self.reporter = SpecReporter(findings, file.damaged)
        self.values = ValueReader(self.reporter, self.places)
        self.overrides = overrides
        self.known: dict[str, None] = {}
        """The paths of all settings that this spec could have: those that an override may name."""

    def read_block(self, model: type[BlockModel], block: tree.Block, path: str) -> dict[str, Any]:
        """Reads the statements of a block; returns the fields that they set."""
        self.places.values[path] = block.head
        if self.reporter.is_lost(block.span):
            self.places.broken.add(join_path(path, "?"))  # Some statement of it could not be read.
        if "name" in model.model_fields and block.name is None:
            self.places.broken.add(path or NAMELESS)
        reading = _BlockReading(model, block, path, self._read_head(model, block))
        kinds = model.kinds()
        self.known |= dict.fromkeys(_paths(model, path))
        for statement in (*block.statements, *self.overrides.added(block, path, kinds)):
            if isinstance(statement, tree.Setting):
                self._read_setting(reading, statement)
            else:
                self._read_child(reading, statement)
        present = {*reading.settings, *reading.children}
        lost = self.reporter.lost_words(block.span)
        self.places.broken.update(join_path(path, word) for word in kinds if word in lost and word not in present)
        missing = [word for word in kinds if word not in present and reading.is_required(word)]
        if missing:
            unreported = [word for word in missing if join_path(path, word) not in self.places.broken]
            if unreported and not self.reporter.is_lost(block.span):
                self.reporter.report(
                    "E307",
                    f"`{block.kind.text}` needs {quoted(unreported)}",
                    block.head,
                    label="missing in this block",
                    help=[f"write `{word} = ...`: {model.help_of(word)}" for word in unreported],
                )
            self._fill_required(reading, missing)
        return reading.fields | {word: tuple(inner) for word, inner in reading.several.items()}

    def _read_head(self, model: type[BlockModel], block: tree.Block) -> dict[str, Any]:
        """Reads name, label and documentation, if this kind of block has them."""
        fields: dict[str, Any] = {}
        named, kind = "name" in model.model_fields, block.kind.text
        if named and block.name is None:
            self._report_nameless(block)
        if not named and block.name is not None:
            help = deletion(block.name.span)
            self.reporter.report("E206", f"`{kind}` takes no name", block.name.span, label="not needed", help=help)
        if named:
            name = normalize(block.name.text) if block.name else NAMELESS
            if block.name and "." in name:
                help = replacement(name.replace(".", "_"), block.name.span, certain=False)
                self.reporter.report(
                    "E206", "a name has no dots", block.name.span, label="expected one word", help=help
                )
            fields["name"] = name
        if "title" in model.model_fields:
            fields["title"] = block.label.text if block.label else None
            fields["doc"] = documentation(block)
        elif block.label is not None:
            help = deletion(block.label.span)
            self.reporter.report("E206", f"`{kind}` takes no label", block.label.span, label="not needed", help=help)
        return fields

    def _report_nameless(self, block: tree.Block) -> None:
        label = block.label.text if block.label else ""
        name = re.sub(r"[\W_]+", "_", normalize(label)).strip("_").lower()
        name = name if is_word(name) else "NAME"
        form = f"{block.kind.text} {name}" + (f" {block.label.span.text}" if block.label else " { ... }")
        self.reporter.report(
            "E206", f"`{block.kind.text}` needs a name", block.head, label="without a name", help=f"write `{form}`"
        )

    def _read_setting(self, reading: _BlockReading, setting: tree.Setting) -> None:
        model, kinds, word = reading.model, reading.model.kinds(), normalize(setting.key.text)
        path = join_path(reading.path, word)
        members_word = model.members_word(word) or ""
        members = kinds.get(members_word)
        kind = members.of if isinstance(members, MembersKind) else kinds.get(word)
        if kind is None or isinstance(kind, BlockKind | MembersKind):
            report_unknown_setting(self.reporter, setting, kinds, reading.block)
            self._excuse_similar(reading, word)
            return
        if members and location_help(word) and not isinstance(setting.value, tree.Call | tree.Word):
            # A setting of another block in a group of features: its value cannot be a feature.
            report_unknown_setting(self.reporter, setting, kinds, reading.block)
            return
        if word in reading.settings and members:
            first, again = reading.settings[word].key, setting.key
            report_name_twice(self.reporter, "feature", first, again, (first.span, again.span))
            return
        if word in reading.settings:
            report_setting_twice(self.reporter, reading.settings[word].key, setting.key)
            return
        reading.settings[word] = setting
        setting = self.overrides.take(path) or setting
        self.known[path] = None
        self.places.values[path] = setting.value.span
        self.places.keys[path] = setting.key.span
        expected = ExpectedValue(f"`{word}`", path, kind, "" if members else setting_example(model, word))
        for other in self.overrides.others.get(path, ()):
            with suppress(InvalidValue):
                self.values.read(kind, other.value, expected)
        try:
            value = self.values.read(kind, setting.value, expected)
        except InvalidValue:
            self.places.broken.add(path)
            if not members and reading.is_required(word):
                self._fill_required(reading, [word])
            return
        if members:
            reading.fields.setdefault(model.field_of(members_word), {})[word] = value
        else:
            reading.fields[model.field_of(word)] = value

    def _fill_required(self, reading: _BlockReading, words: Sequence[str]) -> None:
        """Fills required values that are invalid or missing, so that pydantic accepts the rest."""
        for word in words:
            self.places.broken.add(join_path(reading.path, word))
            reading.fields[reading.model.field_of(word)] = ("",)

    def _read_child(self, reading: _BlockReading, block: tree.Block) -> None:
        model, kinds, word = reading.model, reading.model.kinds(), block.kind.text
        kind = kinds.get(word)
        if not isinstance(kind, BlockKind):
            words = {name for name, kind in kinds.items() if isinstance(kind, BlockKind)}
            report_unknown_block(self.reporter, block, kinds, f"`{reading.block.kind.text}`")
            self._excuse_similar(reading, word)
            guess = guess_word(word, words)
            kind = kinds.get(guess or "")
            if guess is None or word in kinds or location_help(word) or not isinstance(kind, BlockKind):
                self.places.lost.append(block.span)
                return
            word = guess
        name = (normalize(block.name.text) if block.name else NAMELESS) if kind.many else ""
        earlier = reading.children.setdefault(word, {}).get(name)
        if earlier is not None and name != NAMELESS:
            if earlier.name and block.name and name:
                report_name_twice(self.reporter, word, earlier.name, block.name, (earlier.head, block.head))
            else:
                report_block_twice(self.reporter, earlier, block, reading.block)
            return
        reading.children[word][name] = block
        field = model.field_of(word)
        path = join_path(reading.path, f"{word}.{name}" if name else word)
        inner = self.read_block(child_model(model, field), block, path)
        if kind.many:
            reading.several.setdefault(field, []).append(inner)
        else:
            reading.fields[field] = inner

    def _excuse_similar(self, reading: _BlockReading, word: str) -> None:
        """Marks the word that an unknown one was probably meant as, so that it is not reported as missing."""
        if (guess := guess_word(word, reading.model.kinds())) is not None:
            self.places.broken.add(join_path(reading.path, guess))


def _paths(model: type[BlockModel], path: str) -> Iterator[str]:
    """The paths of the settings of a block, also in inner blocks that need no name."""
    for word, kind in model.kinds().items():
        if not isinstance(kind, BlockKind | MembersKind):
            yield join_path(path, word)
        elif isinstance(kind, BlockKind) and not kind.many:
            yield from _paths(child_model(model, model.field_of(word)), join_path(path, word))
