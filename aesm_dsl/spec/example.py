"""`setting_example`: how a setting or argument is written, from its default."""

from __future__ import annotations

import functools

from aesm_dsl.spec.block_model import BlockModel
from aesm_dsl.spec.kinds import BlockKind, MembersKind
from aesm_dsl.spec.write import value_text


@functools.cache
def setting_example(model: type[BlockModel], word: str) -> str:
    """`batch = 4096 rows`, or `rate: 0.001` of a call's model; empty when there is no default to show."""
    field, kind = model.model_fields[model.field_of(word)], model.kinds()[word]
    if field.is_required() or field.default is None or isinstance(kind, BlockKind | MembersKind):
        return ""
    sign = ":" if "call" in model.model_fields else " ="
    return f"{word}{sign} {value_text(kind, field.default)}"
