"""Where the language has a word: the blocks of a setting, the block around a block, the calls of an argument."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from aesm_dsl.spec import kinds
from aesm_dsl.spec.block_model import BlockModel, child_model
from aesm_dsl.spec.kinds import BlockKind, MembersKind
from aesm_dsl.spec.model import Spec


def location_help(word: str, *, call: bool = False) -> str:
    """A line of help that says where a word belongs, or an empty string if the language does not have it.

    call  it was written as an argument: calls that have it are named rather than blocks
    """
    found = list(dict.fromkeys(where for one, where in _words() if one == word))
    found = [one for one in found if one.endswith("(...)`") == call] or found
    listed = " and ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)
    return f"`{word}` belongs in {listed}" if found else ""


@functools.cache
def _words() -> tuple[tuple[str, str], ...]:
    """Every word, and the block or call that has it, in words."""
    return tuple(_of_block("model", Spec))


def _of_block(name: str, model: type[BlockModel]) -> Iterator[tuple[str, str]]:
    for word, kind in model.kinds().items():
        if isinstance(kind, BlockKind):
            yield word, f"`{name}`"
            yield from _of_block(word, child_model(model, model.field_of(word)))
        elif isinstance(kind, MembersKind):
            yield from _of_value(kind.of)
        else:
            yield word, f"`{name}`"
            yield from _of_value(kind)


def _of_value(kind: Any) -> Iterator[tuple[str, str]]:
    match kind:
        case kinds.AutoKind(of) | kinds.OptionalKind(of) | kinds.ListKind(of):
            yield from _of_value(of)
        case kinds.EitherKind(options):
            for one in options:
                yield from _of_value(one)
        case kinds.CallKind(models):
            for model in models:
                yield from ((word, f"`{model.call_name()}(...)`") for word in model.kinds())
