"""The block `tune` in an editor: its keys are paths of settings, and its values those settings' own, with holes."""

from __future__ import annotations

from dataclasses import replace

from aesm_dsl.editor import vocabulary
from aesm_dsl.editor.analysis import Analysis
from aesm_dsl.editor.cursor import Head, Site
from aesm_dsl.findings.diagnostic import normalize
from aesm_dsl.spec.block_model import Model, model_of
from aesm_dsl.spec.kinds import Child
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.search_space import TUNE
from aesm_dsl.spec.write import settings

HELP = "what `aesm tune` may search: settings by their paths, and the values that each may have"

HOLES = {
    "choice": "one of several values",
    "int": "a whole number between two, both included",
    "float": "a number between two",
    "log": "a number between two, where 1e-4 to 1e-3 is as likely as 1e-3 to 1e-2",
}
"""What may stand in a value, or for it."""


def inside(site: Site) -> bool:
    """Whether the site stands in the block."""
    return len(site.blocks) == 2 and site.blocks[0].kind == "model" and normalize(site.blocks[1].kind) == TUNE


def in_hole(site: Site) -> bool:
    return any(normalize(nest.call) in HOLES for nest in site.nests)


def at_home(site: Site) -> Site:
    """The site as it would be at the setting whose path is its key: in that one's blocks, and in none of the holes."""
    blocks, word = _home(site.key)
    return replace(
        site, blocks=blocks, key=word, nests=tuple(one for one in site.nests if normalize(one.call) not in HOLES)
    )


def paths(analysis: Analysis) -> dict[str, str]:
    """The settings of the spec that a search may change, and what they are; none while it has errors."""
    compiled = analysis.compiled
    if compiled is None:
        return {}
    found = settings(compiled.spec)
    return {path: value for path, value in found if vocabulary.setting_kind(*_of(path)) is not None}


def _home(path: str) -> tuple[tuple[Head, ...], str]:
    """The blocks around a setting, and its word, from its path: `level.card.experts.count`."""
    model: type[Model] = Spec
    blocks, steps = [Head("model")], normalize(path).split(".")
    while len(steps) > 1:
        word = steps.pop(0)
        kind = model.kinds().get(word)
        if not isinstance(kind, Child):
            return (Head(""),), path
        name = steps.pop(0) if kind.many and len(steps) > 1 else ""
        blocks.append(Head(word, name))
        model = model_of(model, model.field_of(word))
    return tuple(blocks), steps[0]


def _of(path: str) -> tuple[type[Model], str]:
    blocks, word = _home(path)
    model = vocabulary.block_model(blocks)
    assert model is not None, path
    return model, word
