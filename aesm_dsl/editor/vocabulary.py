"""What the vocabulary says about a cursor context: its block, the kind of value that goes there, and both in words."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from aesm_dsl.editor.cursor import BlockHead, CursorContext, EnclosingValue
from aesm_dsl.findings.lookalike import normalize
from aesm_dsl.spec import kinds
from aesm_dsl.spec.block_model import BlockModel, child_model
from aesm_dsl.spec.kinds import BlockKind, Kind, MembersKind
from aesm_dsl.spec.model import EDITION, Spec
from aesm_dsl.spec.use import GROUP, USE

TOP_LEVEL = {
    "aesm": f"the edition of the language the file is written in; the newest is {EDITION}",
    "import": "takes feature groups from another file, under a name",
    "model": "the model: features, levels, tasks, training and data",
}
"""What may be written outside the model, each with its line of help."""


def block_model(blocks: tuple[BlockHead, ...]) -> type[BlockModel] | None:
    """Returns the vocabulary of the innermost block; None outside the model, or in a block that the language lacks.

    A file of feature groups has its groups outside a model.
    """
    if not blocks or blocks[0].kind not in ("model", GROUP):
        return None
    model: type[BlockModel] = Spec
    for block in _inside_the_model(blocks):
        if not isinstance(model.kinds().get(block.kind), BlockKind):
            return None
        model = child_model(model, model.field_of(block.kind))
    return model


def _inside_the_model(blocks: tuple[BlockHead, ...]) -> tuple[BlockHead, ...]:
    return blocks[1:] if blocks and blocks[0].kind == "model" else blocks


def setting_kind(model: type[BlockModel], word: str) -> Kind | None:
    """Returns the kind of a setting's value; in a block with names of the user's own, that of all of them."""
    known = model.kinds()
    members = known.get(model.members_word(normalize(word)) or "")
    kind = members.of if isinstance(members, MembersKind) else known.get(normalize(word))
    return None if isinstance(kind, BlockKind | MembersKind) else kind


def value_kind(context: CursorContext) -> Kind | None:
    """Returns the kind of value that goes there; None if the vocabulary has nothing to say."""
    model = Spec if not context.blocks and normalize(context.key) == USE else block_model(context.blocks)
    kind = setting_kind(model, context.key) if model is not None and context.key else None
    for nest in context.nests:
        if kind is None:
            return None
        kind = _inside(kind, nest)
    return kind


def call_model(context: CursorContext) -> type[BlockModel] | None:
    """Returns the vocabulary of the innermost call, if the context is in one."""
    if not context.nests or not context.nests[-1].call:
        return None
    model = block_model(context.blocks)
    kind = setting_kind(model, context.key) if model is not None else None
    for nest in context.nests[:-1]:
        kind = _inside(kind, nest) if kind is not None else None
    return _called(kind, context.nests[-1].call) if kind is not None else None


def _inside(kind: Kind, nest: EnclosingValue) -> Kind | None:
    if not nest.call:
        return next(
            (alternative.of for alternative in alternatives(kind) if isinstance(alternative, kinds.ListKind)), None
        )
    model = _called(kind, nest.call)
    inner = model.kinds().get(nest.argument) if model is not None else None
    return None if isinstance(inner, BlockKind | MembersKind) else inner


def _called(kind: Kind, name: str) -> type[BlockModel] | None:
    calls = (alternative for alternative in alternatives(kind) if isinstance(alternative, kinds.CallKind))
    models = (model for call in calls for model in call.models)
    return next((model for model in models if model.call_name() == name), None)


def alternatives(kind: Kind) -> Iterator[Kind]:
    """Yields the alternatives of which a kind is made; `auto` and `none` as choices of one word."""
    match kind:
        case kinds.AutoKind(of):
            yield kinds.ChoiceKind(("auto",))
            yield from alternatives(of)
        case kinds.OptionalKind(of):
            yield kinds.ChoiceKind(("none",))
            yield from alternatives(of)
        case kinds.SwitchKind():
            yield kinds.ChoiceKind(kind.words)
        case kinds.EitherKind(options):
            for option in options:
                yield from alternatives(option)
        case kinds.ListKind(of, single=True):
            yield kind
            yield from alternatives(of)
        case _:
            yield kind


def expected(kind: Kind) -> str:
    """Returns what may be written, with its range: "`auto` or a whole number, from 1 to 4096"."""
    match kind:
        case kinds.AutoKind(of):
            return f"`auto` or {expected(of)}"
        case kinds.OptionalKind(of):
            return f"`none` or {expected(of)}"
        case kinds.EitherKind(options):
            return " or ".join(expected(option) for option in options)
        case kinds.ListKind(of, _, single):
            return f"{expected(of)}, or a list of them" if single else f"a list: each {expected(of)}"
        case kinds.QuantityKind(allowed_units):
            return " or ".join(
                f"a number of {unit}, {kinds.describe_range(number)}" for unit, number in allowed_units.items()
            )
        case kinds.IntegerKind() | kinds.RealKind() | kinds.ShareKind():
            return f"{kinds.describe(kind)}, {kinds.describe_range(kind)}"
    return kinds.describe(kind)


def allowed_units(kind: Kind) -> dict[str, str]:
    """Returns the units that a number may have, each with its range in words."""
    ranges: dict[str, str] = {}
    for alternative in alternatives(kind):
        if isinstance(alternative, kinds.QuantityKind):
            ranges |= {unit: kinds.describe_range(number) for unit, number in alternative.units.items()}
        elif isinstance(alternative, kinds.IntegerKind) and alternative.unit:
            ranges[alternative.unit] = kinds.describe_range(alternative)
    return ranges


def help_of(model: type[BlockModel]) -> str:
    """Returns what a block or call is for."""
    return " ".join((inspect.getdoc(model) or "").split())


def path_of(context: CursorContext) -> str:
    """Returns the dotted path of the setting that the context is in, or of its block: `level.card.experts.count`."""
    blocks = _inside_the_model(context.blocks)
    steps = [f"{block.kind}.{normalize(block.name)}" if block.name else block.kind for block in blocks]
    return ".".join([*steps, *([normalize(context.key)] if context.key else [])])
