"""Finds where a word of the language belongs: in which blocks, or as an argument of which calls."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from aesm_dsl.spec import kinds
from aesm_dsl.spec.block_model import BlockModel, child_model
from aesm_dsl.spec.kinds import BlockKind, MembersKind
from aesm_dsl.spec.model import Spec


def location_help(word: str, *, call: bool = False) -> str:
    """Returns a line of help that says where a word belongs; empty if the language does not have it.

    Args:
        word: the word.
        call: whether it was written as an argument; then calls are named rather than blocks.
    """
    homes = list(dict.fromkeys(home for known, home in _words() if known == word))
    homes = [home for home in homes if home.endswith("(...)`") == call] or homes
    listed = " and ".join([", ".join(homes[:-1]), homes[-1]] if len(homes) > 1 else homes)
    return f"`{word}` belongs in {listed}" if homes else ""


@functools.cache
def _words() -> tuple[tuple[str, str], ...]:
    """Every word of the language, with the block or call that has it, in backticks."""
    return tuple(_words_of_block("model", Spec))


def _words_of_block(name: str, model: type[BlockModel]) -> Iterator[tuple[str, str]]:
    for word, kind in model.kinds().items():
        if isinstance(kind, BlockKind):
            yield word, f"`{name}`"
            yield from _words_of_block(word, child_model(model, model.field_of(word)))
        elif isinstance(kind, MembersKind):
            yield from _words_of_value(kind.of)
        else:
            yield word, f"`{name}`"
            yield from _words_of_value(kind)


def _words_of_value(kind: Any) -> Iterator[tuple[str, str]]:
    match kind:
        case kinds.AutoKind(of) | kinds.OptionalKind(of) | kinds.ListKind(of):
            yield from _words_of_value(of)
        case kinds.EitherKind(options):
            for option in options:
                yield from _words_of_value(option)
        case kinds.CallKind(models):
            for model in models:
                yield from ((word, f"`{model.call_name()}(...)`") for word in model.kinds())
