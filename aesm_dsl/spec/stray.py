"""Settings and blocks that do not belong where they stand, unknown or written again: what is told of each."""

from __future__ import annotations

from typing import Any

from aesm_dsl.diagnostic import Related, did_you_mean, fold, quoted
from aesm_dsl.spec.kind import Child, Members
from aesm_dsl.spec.teller import Teller
from aesm_dsl.syntax import tree


def twice(teller: Teller, first: tree.Word, again: tree.Word, what: str) -> None:
    """E205 for a setting that is set again; with `what`, such as a feature, E204 or E207 for a second one."""
    word = fold(again.text)
    help = "" if first.text == again.text else "names are compared after Unicode normalisation (NFKC)"
    teller.tell(
        "E205" if not what else "E204" if first.text == again.text else "E207",
        f"a second {what} `{word}`" if what else f"`{word}` is set twice",
        again.span,
        label="again",
        help=help,
        second=Related(first.span, "first here"),
    )


def unknown_setting(
    teller: Teller, setting: tree.Setting, kinds: dict[str, Any], block: tree.Block, is_block: bool
) -> None:
    """E202; `is_block` says that a block is called so."""
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
    teller.tell("E202", f"`{block.kind.text}` has no setting `{word}`", setting.key.span, label="not known", help=help)


def unknown_block(teller: Teller, block: tree.Block, words: set[str], settings: set[str], where: str) -> None:
    """E201; `words` are the blocks and `settings` the settings that `where` has."""
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
    teller.tell("E201", f"{where} has no block `{word}`", block.kind.span, label="not known", help=help)
