"""The JSON Schema of a spec's JSON form, made from the vocabulary: what editors and other programs check against.

`python -m aesm_dsl.spec.json_schema` prints it; docs/spec.schema.json holds it, and a test keeps the two the same. It
knows words, types, ranges and units; what must hold between blocks, such as that a name is declared, `aesm check`
tells.
"""

from __future__ import annotations

import inspect
import json
import sys
from typing import Any

from pydantic_core import PydanticUndefined

from aesm_dsl.spec import kinds
from aesm_dsl.spec.block_model import BlockModel, child_model
from aesm_dsl.spec.json_values import json_key
from aesm_dsl.spec.kinds import BlockKind, Kind, MembersKind
from aesm_dsl.spec.model import EDITION, Spec
from aesm_dsl.spec.search_space import TUNE

_NAME = {"type": "string", "pattern": r"^[^\s\d.][^\s.]*$"}
_NULL = {"type": "null"}
_HEAD: dict[str, dict[str, Any]] = {
    "edition": {
        "type": "integer",
        "minimum": 1,
        "maximum": EDITION,
        "description": "the edition of the language; without it aesm warns",
    },
    "name": {**_NAME, "description": "one word"},
    "title": {"anyOf": [{"type": "string"}, _NULL], "description": "the label that pictures show"},
    "doc": {"type": "string", "description": "documentation, as `##` comments in the language"},
}
"""What a block has besides its settings and inner blocks."""

Schema = dict[str, Any]


def schema() -> Schema:
    """Returns the schema of a whole spec, draft 2020-12."""
    definitions: dict[str, Schema] = {}
    _define(Spec, definitions)
    whole = definitions.pop(_definition_name(Spec))
    whole["properties"] = {
        "$schema": {"type": "string", "description": "where this schema is, for editors"},
        **whole["properties"],
        TUNE: {
            "type": "object",
            "propertyNames": {"pattern": r"^[^\s.]+(\.[^\s.]+)*$"},
            "additionalProperties": {"type": "string", "pattern": r"(choice|int|float|log)\s*\("},
            "description": "what `aesm tune` may search: by a setting's dotted path its value as `--set` takes it, "
            "with `choice(...)`, `int(from, to)`, `float(from, to)` or `log(from, to)` in it",
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "aesm spec",
        **whole,
        "$defs": dict(sorted(definitions.items())),
    }


def text() -> str:
    """Returns the schema as docs/spec.schema.json holds it."""
    return json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"


def _define(model: type[BlockModel], definitions: dict[str, Schema]) -> Schema:
    """Adds the schema of a block or call to the definitions, and returns a reference to it."""
    name = _definition_name(model)
    if name not in definitions:
        definitions[name] = {}  # known from here on, because a block may contain blocks of its own kind
        definitions[name] = {
            "type": "object",
            "description": " ".join((inspect.getdoc(model) or "").partition("\n\n")[0].split()),
            "properties": _properties(model, definitions),
            "required": [json_key(model, key) for key, field in model.model_fields.items() if field.is_required()],
            "additionalProperties": False,
        }
    return {"$ref": f"#/$defs/{name}"}


def _definition_name(model: type[BlockModel]) -> str:
    return model.__name__.removesuffix("Block")


def _properties(model: type[BlockModel], definitions: dict[str, Schema]) -> dict[str, Schema]:
    words = {model.field_of(word): (word, kind) for word, kind in model.kinds().items()}
    properties: dict[str, Schema] = {}
    for name, field in model.model_fields.items():
        if field.exclude:
            continue
        if name == "call":
            properties["call"] = {"const": model.call_name()}
            continue
        if name not in words:
            properties[name] = _HEAD[name]
            continue
        word, kind = words[name]
        setting = _setting(model, name, kind, definitions)
        if field.default is None and not isinstance(kind, kinds.OptionalKind):
            setting = _any(setting, _NULL)
        about = {"description": model.help_of(word), **_default(kind, field.default)}
        properties[json_key(model, name)] = {**setting, **about}
    return properties


def _setting(
    model: type[BlockModel], field: str, kind: Kind | BlockKind | MembersKind, definitions: dict[str, Schema]
) -> Schema:
    if isinstance(kind, MembersKind):
        members = _value(kind.of, definitions)
        return {"type": "object", "propertyNames": _NAME, "additionalProperties": members}
    if isinstance(kind, BlockKind):
        inner = _define(child_model(model, field), definitions)
        return {"type": "array", "items": inner} if kind.many else inner
    return _value(kind, definitions)


def _default(kind: Kind | BlockKind | MembersKind, value: Any) -> Schema:
    """The default of a setting. An inner block has none: its settings have their own."""
    if isinstance(kind, BlockKind | MembersKind) or value is PydanticUndefined:
        return {}
    if isinstance(value, BlockModel):
        return {"default": value.model_dump(mode="json", by_alias=True)}
    return {"default": list(value) if isinstance(value, tuple) else value}


def _any(*options: Schema) -> Schema:
    """Any of the schemas; alternatives within an alternative are flattened."""
    flat = [inner for option in options for inner in (option["anyOf"] if set(option) == {"anyOf"} else [option])]
    return {"anyOf": flat} if len(flat) > 1 else flat[0]


def _value(kind: Kind, definitions: dict[str, Schema]) -> Schema:
    match kind:
        case kinds.IntegerKind() | kinds.RealKind() | kinds.ShareKind():
            return _number(kind)
        case kinds.ChoiceKind(words):
            return {"enum": list(words)}
        case kinds.SwitchKind():
            return {"type": "boolean"}
        case kinds.NameKind() | kinds.TextKind() | kinds.ReferenceKind():
            return {"type": "string"}
        case kinds.LiteralKind():
            return {"type": ["string", "number"]}
        case kinds.QuantityKind(units):
            return _any(*(_quantity(unit, number) for unit, number in units.items()))
        case kinds.ListKind(of, least):
            return {"type": "array", "items": _value(of, definitions), **({"minItems": least} if least else {})}
        case kinds.AutoKind(of):
            return _any({"const": "auto"}, _value(of, definitions))
        case kinds.OptionalKind(kinds.ReferenceKind()):
            return _any({"type": "string", "not": {"const": "none"}}, _NULL)  # JSON has `null` for it
        case kinds.OptionalKind(of):
            return _any(_value(of, definitions), _NULL)
        case kinds.EitherKind(options):
            return _any(*(_value(option, definitions) for option in options))
        case kinds.CallKind(models):
            return _any(*(_define(model, definitions) for model in models))


def _quantity(unit: str, number: kinds.IntegerKind | kinds.RealKind) -> Schema:
    properties = {"value": _number(number), "unit": {"const": unit}}
    return {"type": "object", "properties": properties, "required": ["value", "unit"], "additionalProperties": False}


def _number(kind: kinds.IntegerKind | kinds.RealKind | kinds.ShareKind) -> Schema:
    match kind:
        case kinds.IntegerKind(least, most):
            return {"type": "integer", "minimum": least, "maximum": most}
        case kinds.RealKind(least, most, is_open, _):
            number: Schema = {"type": "number"}
            if least != float("-inf"):
                number["exclusiveMinimum" if is_open else "minimum"] = least
            return {**number, "maximum": most} if most != float("inf") else number
        case kinds.ShareKind(is_open):
            bounds = ("exclusiveMinimum", "exclusiveMaximum") if is_open else ("minimum", "maximum")
            return {"type": "number", bounds[0]: 0, bounds[1]: 1}


if __name__ == "__main__":
    sys.stdout.write(text())
