"""Reports settings and blocks that are unknown where they stand, or written twice."""

from __future__ import annotations

from typing import Any

from aesm_dsl.findings.diagnostic import Help, Related, nearest_name, quoted, suggest
from aesm_dsl.findings.lookalike import normalize
from aesm_dsl.findings.source import Span
from aesm_dsl.spec.features import FeatureGroup
from aesm_dsl.spec.kinds import BlockKind, MembersKind
from aesm_dsl.spec.synonyms import synonym_help
from aesm_dsl.spec.value_errors import SpecReporter, accepts
from aesm_dsl.spec.where_words_live import location_help
from aesm_dsl.syntax import tree

SAME_NAME_HELP = (
    "letters that differ only in their form, such as full-width ones, count as the same: write another name"
)
"""Help for two names that are written differently but count as one."""

_NOUNS = {"features": "feature group"}
"""Nouns of blocks for messages, if their word is no singular noun."""


def report_setting_twice(reporter: SpecReporter, first: tree.Word, again: tree.Word) -> None:
    """Reports a setting that is set again (E205)."""
    reporter.report(
        "E205",
        f"`{normalize(again.text)}` is set twice",
        again.span,
        label="again",
        help="delete one of them",
        second=Related(first.span, "first here"),
    )


def report_name_twice(
    reporter: SpecReporter, kind: str, first: tree.Word, again: tree.Word, spans: tuple[Span, Span]
) -> None:
    """Reports a second thing with the same name: E204, or E207 if the names are spelt differently.

    Args:
        reporter: receives the finding.
        kind: the word of the blocks, such as "level", or "feature".
        first: the first name.
        again: the second name.
        spans: the places of the first and the second thing.
    """
    same = first.text == again.text
    noun = _NOUNS.get(kind, kind)
    reporter.report(
        "E204" if same else "E207",
        f"a second {noun} `{again.text}`" if same else f"{noun}s `{first.text}` and `{again.text}` have the same name",
        spans[1],
        label="again",
        help="give one of them another name, or delete it" if same else SAME_NAME_HELP,
        second=Related(spans[0], "first here"),
    )


def report_block_twice(reporter: SpecReporter, first: tree.Block, again: tree.Block, parent: tree.Block) -> None:
    """Reports a second block of a kind that may occur once (E204)."""
    reporter.report(
        "E204",
        f"a second block `{again.kind.text}` in `{parent.kind.text}`",
        again.head,
        label="again",
        help="write what both say in one block",
        second=Related(first.head, "first here"),
    )


def report_unknown_setting(
    reporter: SpecReporter, setting: tree.Setting, kinds: dict[str, Any], block: tree.Block
) -> None:
    """Reports a setting that a block does not have (E202); `kinds` are the words that the block has."""
    reporter.report(
        "E202",
        f"`{block.kind.text}` has no setting `{setting.key.text}`",
        setting.key.span,
        label="not known",
        help=_help_for_setting(setting, kinds),
    )


def _help_for_setting(setting: tree.Setting, kinds: dict[str, Any]) -> list[Help]:
    word, kind = setting.key.text, kinds.get(normalize(setting.key.text))
    settings = [name for name, kind in kinds.items() if not isinstance(kind, BlockKind | MembersKind)]
    blocks = {name: kind for name, kind in kinds.items() if isinstance(kind, BlockKind)}
    if isinstance(kind, BlockKind):
        return [f"`{word}` is a block: write `{word} {'NAME ' * kind.many}{{ ... }}`"]
    if any(isinstance(kind, MembersKind) for kind in kinds.values()):
        return [location_help(word), "write `NAME = category()` for each feature; nothing else stands here"]
    if isinstance(setting.value, tree.Call) and "features" in kinds and not location_help(word):
        return [f"a feature stands in a group: write `features NAME {{ {setting.span.text} }}`"]
    nearest, named_blocks = nearest_name(word, [*settings, *blocks]), [name for name in blocks if blocks[name].many]
    help: Help = location_help(word) or synonym_help(word, settings)
    if not help and nearest in blocks:
        is_named = nearest in named_blocks
        help = f"each {nearest} is a block: write `{nearest} NAME`" if is_named else f"`{nearest}` is a block"
    elif not help and nearest is not None:
        help = suggest(word, settings, setting.key.span)
    if not help and len(named_blocks) == 1:
        help = f"write `{named_blocks[0]} {word} {{ ... }}` if this is a {named_blocks[0]}"
    return [help, f"settings here are {quoted(settings, 12)}" if settings else ""]


def report_unknown_block(reporter: SpecReporter, block: tree.Block, kinds: dict[str, Any], where: str) -> None:
    """Reports a block that does not belong where it stands (E201).

    Args:
        reporter: receives the finding.
        block: the block.
        kinds: the words that may stand there.
        where: what it stands in, for the message: "`tasks`", "a file".
    """
    blocks = [name for name, kind in kinds.items() if isinstance(kind, BlockKind)]
    help = _help_for_block(block, kinds, blocks)
    if block.kind.text not in (*kinds, "import") and (blocks or not help):
        help += [f"blocks here are {quoted(sorted(blocks))}" if blocks else "delete it: no blocks stand here"]
    reporter.report("E201", f"{where} has no block `{block.kind.text}`", block.kind.span, label="not known", help=help)


def _help_for_block(block: tree.Block, kinds: dict[str, Any], blocks: list[str]) -> list[Help]:
    word = block.kind.text
    if word in kinds:
        return [f"`{word}` is a setting: write `{word} = ...`"]
    if word == "import":
        return ["imports stand above the model"]
    guess = suggest(word, blocks, block.kind.span)
    nearest = nearest_name(word, blocks)
    if guess and block.name is None and nearest is not None and not kinds[nearest].many:
        return [guess]
    if elsewhere := location_help(word) or synonym_help(word, blocks):
        return [elsewhere]
    if guess:
        return [guess]
    named_blocks = [name for name in blocks if kinds[name].many]
    if len(named_blocks) == 1 and block.name is None:
        return [f"write `{named_blocks[0]} {word}` if this is a {named_blocks[0]}"]
    if "features" in blocks and block.name is None and _holds_features(block):
        return [f"write `features {word} {{` if this is a group of features"]
    return []


def _holds_features(block: tree.Block) -> bool:
    """Whether a block has settings, and each of them could be a feature."""
    settings = [statement for statement in block.statements if isinstance(statement, tree.Setting)]
    feature = next(kind.of for kind in FeatureGroup.kinds().values() if isinstance(kind, MembersKind))
    return bool(settings) and all(accepts(feature, setting.value) for setting in settings)
