"""Settings and blocks that do not belong where they stand, unknown or written again: what is told of each."""

from __future__ import annotations

from typing import Any

from aesm_dsl.findings.diagnostic import Help, Related, nearest_name, normalize, quoted, suggest
from aesm_dsl.findings.source import Span
from aesm_dsl.spec.features import FeatureGroup
from aesm_dsl.spec.kinds import BlockKind, MembersKind
from aesm_dsl.spec.synonyms import synonym_help
from aesm_dsl.spec.value_errors import SpecReporter, accepts
from aesm_dsl.spec.where_words_live import location_help
from aesm_dsl.syntax import tree

SAME = "letters that differ only in their form, such as full-width ones, count as the same: write another name"
"""The help where two names are one."""

_NOUNS = {"features": "feature group"}
"""How sentences call a block, where its own word does not read as one."""


def report_setting_twice(reporter: SpecReporter, first: tree.Word, again: tree.Word) -> None:
    """E205 for a setting that is set again."""
    reporter.report(
        "E205",
        f"`{normalize(again.text)}` is set twice",
        again.span,
        label="again",
        help="delete one of them",
        second=Related(first.span, "first here"),
    )


def report_name_twice(
    reporter: SpecReporter, kind: str, first: tree.Word, again: tree.Word, places: tuple[Span, Span]
) -> None:
    """E204 for a second thing of a name, E207 where the two are spelt differently; `places` of the first and again."""
    same = first.text == again.text
    noun = _NOUNS.get(kind, kind)
    reporter.report(
        "E204" if same else "E207",
        f"a second {noun} `{again.text}`" if same else f"{noun}s `{first.text}` and `{again.text}` have the same name",
        places[1],
        label="again",
        help="give one of them another name, or delete it" if same else SAME,
        second=Related(places[0], "first here"),
    )


def report_block_twice(reporter: SpecReporter, first: tree.Block, again: tree.Block, parent: tree.Block) -> None:
    """E204 for a second block of which there is one."""
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
    """E202 for a setting that a block with these kinds of statements does not have."""
    word, known = setting.key.text, [w for w, one in kinds.items() if not isinstance(one, BlockKind | MembersKind)]
    reporter.report(
        "E202",
        f"`{block.kind.text}` has no setting `{word}`",
        setting.key.span,
        label="not known",
        help=_instead_of_setting(setting, kinds, known),
    )


def _instead_of_setting(setting: tree.Setting, kinds: dict[str, Any], known: list[str]) -> list[Help]:
    word, kind = setting.key.text, kinds.get(normalize(setting.key.text))
    children = {name: one for name, one in kinds.items() if isinstance(one, BlockKind)}
    if isinstance(kind, BlockKind):
        return [f"`{word}` is a block: write `{word} {'NAME ' * kind.many}{{ ... }}`"]
    if not known and not children:
        return [location_help(word), "write `NAME = category()` for each feature; nothing else stands here"]
    if isinstance(setting.value, tree.Call) and "features" in kinds and not location_help(word):
        return [f"a feature stands in a group: write `features NAME {{ {setting.span.text} }}`"]
    near, named = nearest_name(word, [*known, *children]), [name for name, one in children.items() if one.many]
    help: Help = location_help(word) or synonym_help(word, known)
    if not help and near is not None:
        is_block = f"each {near} is a block: write `{near} NAME`" if near in named else f"`{near}` is a block"
        help = is_block if near in children else suggest(word, known, setting.key.span)
    if not help and len(named) == 1:
        help = f"write `{named[0]} {word} {{ ... }}` if this is a {named[0]}"
    return [help, f"settings here are {quoted(known, 12)}" if known else ""]


def report_unknown_block(reporter: SpecReporter, block: tree.Block, kinds: dict[str, Any], where: str) -> None:
    """E201 for a block that `where`, with these kinds of statements, does not have."""
    blocks = [name for name, one in kinds.items() if isinstance(one, BlockKind)]
    help = _instead_of_block(block, kinds, blocks)
    if block.kind.text not in (*kinds, "import") and (blocks or not help):
        help += [f"blocks here are {quoted(sorted(blocks))}" if blocks else "delete it: no blocks stand here"]
    reporter.report("E201", f"{where} has no block `{block.kind.text}`", block.kind.span, label="not known", help=help)


def _instead_of_block(block: tree.Block, kinds: dict[str, Any], blocks: list[str]) -> list[Help]:
    word = block.kind.text
    if word in kinds:
        return [f"`{word}` is a setting: write `{word} = ...`"]
    if word == "import":
        return ["imports stand above the model"]
    guess = suggest(word, blocks, block.kind.span)
    near = nearest_name(word, blocks)
    if guess and block.name is None and near is not None and not kinds[near].many:
        return [guess]
    if elsewhere := location_help(word) or synonym_help(word, blocks):
        return [elsewhere]
    if guess:
        return [guess]
    named = [name for name in blocks if kinds[name].many]
    if len(named) == 1 and block.name is None:
        return [f"write `{named[0]} {word}` if this is a {named[0]}"]
    settings = [one for one in block.statements if isinstance(one, tree.Setting)]
    feature = next(one.of for one in FeatureGroup.kinds().values() if isinstance(one, MembersKind))
    if (
        "features" in blocks
        and block.name is None
        and settings
        and all(accepts(feature, one.value) for one in settings)
    ):
        return [f"write `features {word} {{` if this is a group of features"]
    return []
