"""What the vocabulary says about a site: its block, the kind of value that goes there, and both in words."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from aesm_dsl.editor.cursor import Head, Nest, Site
from aesm_dsl.findings.diagnostic import normalize
from aesm_dsl.spec import kinds
from aesm_dsl.spec.block_model import Model, model_of
from aesm_dsl.spec.kinds import Child, Kind, Members
from aesm_dsl.spec.model import EDITION, Spec
from aesm_dsl.spec.use import GROUP, USE

TOP = {
    "aesm": f"the edition of the language the file is written in; the newest is {EDITION}",
    "import": "takes feature groups from another file, under a name",
    "model": "the model: features, levels, tasks, training and data",
}
"""What may stand outside the model, each with its line of help."""


def block_model(blocks: tuple[Head, ...]) -> type[Model] | None:
    """The vocabulary of the innermost block; None outside the model or in a block that the language does not have.

    A file of feature groups has its groups outside a model.
    """
    if not blocks or blocks[0].kind not in ("model", GROUP):
        return None
    model: type[Model] = Spec
    for block in _inside_the_model(blocks):
        if not isinstance(model.kinds().get(block.kind), Child):
            return None
        model = model_of(model, model.field_of(block.kind))
    return model


def _inside_the_model(blocks: tuple[Head, ...]) -> tuple[Head, ...]:
    return blocks[1:] if blocks and blocks[0].kind == "model" else blocks


def setting_kind(model: type[Model], word: str) -> Kind | None:
    """The kind of a setting's value; in a block of the user's own names, of any of them."""
    known = model.kinds()
    members = next((one for one in known.values() if isinstance(one, Members)), None)
    kind = members.of if members else known.get(normalize(word))
    return None if isinstance(kind, Child | Members) else kind


def value_kind(site: Site) -> Kind | None:
    """The kind of value that goes where the site is; None where the vocabulary has nothing to say."""
    model = Spec if not site.blocks and normalize(site.key) == USE else block_model(site.blocks)
    kind = setting_kind(model, site.key) if model is not None and site.key else None
    for nest in site.nests:
        if kind is None:
            return None
        kind = _inside(kind, nest)
    return kind


def call_model(site: Site) -> type[Model] | None:
    """The vocabulary of the innermost call, if the site stands in one."""
    if not site.nests or not site.nests[-1].call:
        return None
    model = block_model(site.blocks)
    kind = setting_kind(model, site.key) if model is not None else None
    for nest in site.nests[:-1]:
        kind = _inside(kind, nest) if kind is not None else None
    return _called(kind, site.nests[-1].call) if kind is not None else None


def _inside(kind: Kind, nest: Nest) -> Kind | None:
    if not nest.call:
        return next((one.of for one in parts(kind) if isinstance(one, kinds.Many)), None)
    model = _called(kind, nest.call)
    found = model.kinds().get(nest.argument) if model is not None else None
    return None if isinstance(found, Child | Members) else found


def _called(kind: Kind, name: str) -> type[Model] | None:
    models = (model for one in parts(kind) if isinstance(one, kinds.Call) for model in one.models)
    return next((model for model in models if model.call_name() == name), None)


def parts(kind: Kind) -> Iterator[Kind]:
    """What a value of the kind may be, one way after the other; `auto` and `none` as choices of one word."""
    match kind:
        case kinds.Auto(of):
            yield kinds.Choice(("auto",))
            yield from parts(of)
        case kinds.Optional(of):
            yield kinds.Choice(("none",))
            yield from parts(of)
        case kinds.Either(options):
            for one in options:
                yield from parts(one)
        case kinds.Many(of, single=True):
            yield kind
            yield from parts(of)
        case _:
            yield kind


def expected(kind: Kind) -> str:
    """What may be written, with its range: "`auto` or a whole number, from 1 to 4096"."""
    match kind:
        case kinds.Auto(of):
            return f"`auto` or {expected(of)}"
        case kinds.Optional(of):
            return f"`none` or {expected(of)}"
        case kinds.Either(options):
            return " or ".join(expected(one) for one in options)
        case kinds.Many(of, _, single):
            return f"{expected(of)}, or a list of them" if single else f"a list: each {expected(of)}"
        case kinds.Quantity(units):
            return " or ".join(f"a number of {unit}, {kinds.bounds(one)}" for unit, one in units.items())
        case kinds.Integer() | kinds.Real() | kinds.Share():
            return f"{kinds.describe(kind)}, {kinds.bounds(kind)}"
    return kinds.describe(kind)


def units(kind: Kind) -> dict[str, str]:
    """The units a number may have here, each with its range in words."""
    found: dict[str, str] = {}
    for one in parts(kind):
        if isinstance(one, kinds.Quantity):
            found |= {unit: kinds.bounds(number) for unit, number in one.units.items()}
        elif isinstance(one, kinds.Integer) and one.unit:
            found[one.unit] = kinds.bounds(one)
    return found


def help_of(model: type[Model]) -> str:
    """What a block or call is for."""
    return " ".join((inspect.getdoc(model) or "").split())


def path_of(site: Site) -> str:
    """The dotted path of the setting that the site stands in, or of its block: `level.card.experts.count`."""
    steps = [f"{one.kind}.{normalize(one.name)}" if one.name else one.kind for one in _inside_the_model(site.blocks)]
    return ".".join([*steps, *([normalize(site.key)] if site.key else [])])
