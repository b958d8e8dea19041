"""The block `tune` in an editor: its keys are paths of settings, its values those settings' own, or search calls."""

from __future__ import annotations

from dataclasses import replace

from aesm_dsl.editor import vocabulary
from aesm_dsl.editor.analysis import Analysis
from aesm_dsl.editor.cursor import BlockHead, CursorContext
from aesm_dsl.findings.lookalike import normalize
from aesm_dsl.spec.block_model import BlockModel, child_model
from aesm_dsl.spec.kinds import BlockKind
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.search_space import TUNE
from aesm_dsl.spec.write import settings

HELP = "what `aesm tune` may search: settings by their paths, and the values that each may have"

SEARCH_CALLS = {
    "choice": "one of several values",
    "int": "a whole number between two, both included",
    "float": "a number between two",
    "log": "a number between two, where 1e-4 to 1e-3 is as likely as 1e-3 to 1e-2",
}
"""Calls that may be written in a value, or in its place."""


def in_tune_block(context: CursorContext) -> bool:
    """Returns whether the context is in the block."""
    return len(context.blocks) == 2 and context.blocks[0].kind == "model" and normalize(context.blocks[1].kind) == TUNE


def in_search_call(context: CursorContext) -> bool:
    """Returns whether the context is within one of the calls of a search."""
    return any(normalize(nest.call) in SEARCH_CALLS for nest in context.nests)


def at_setting(context: CursorContext) -> CursorContext:
    """Returns the context as it would be at the setting whose path is the key, outside of all search calls."""
    blocks, word = _blocks_and_word(context.key)
    return replace(
        context,
        blocks=blocks,
        key=word,
        nests=tuple(nest for nest in context.nests if normalize(nest.call) not in SEARCH_CALLS),
    )


def searchable_settings(analysis: Analysis) -> dict[str, str]:
    """Returns the settings of the spec that a search may change, with their values; none if the spec has errors."""
    compiled = analysis.compiled
    if compiled is None:
        return {}
    return {
        path: value
        for path, value in settings(compiled.spec)
        if vocabulary.setting_kind(*_model_and_word(path)) is not None
    }


def _blocks_and_word(path: str) -> tuple[tuple[BlockHead, ...], str]:
    """The blocks around a setting and its word, from its path: `level.card.experts.count`."""
    model: type[BlockModel] = Spec
    blocks, steps = [BlockHead("model")], normalize(path).split(".")
    while len(steps) > 1:
        word = steps.pop(0)
        kind = model.kinds().get(word)
        if not isinstance(kind, BlockKind):
            return (BlockHead(""),), path
        name = steps.pop(0) if kind.many and len(steps) > 1 else ""
        blocks.append(BlockHead(word, name))
        model = child_model(model, model.field_of(word))
    return tuple(blocks), steps[0]


def _model_and_word(path: str) -> tuple[type[BlockModel], str]:
    blocks, word = _blocks_and_word(path)
    model = vocabulary.block_model(blocks)
    assert model is not None, path
    return model, word
