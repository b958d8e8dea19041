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
from aesm_dsl.spec.block_model import Model, model_of
from aesm_dsl.spec.json_values import json_key
from aesm_dsl.spec.kinds import Child, Kind, Members
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
    """The schema of a whole spec, draft 2020-12."""
    definitions: dict[str, Schema] = {}
    _define(Spec, definitions)
    whole = definitions.pop(Spec.__name__)
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
    return json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"


def _define(model: type[Model], definitions: dict[str, Schema]) -> Schema:
    """A reference to the schema of a block or call, which is added to the definitions."""
    name = model.__name__
    if name not in definitions:
        definitions[name] = {}  # known from here on: a block may hold its own kind
        definitions[name] = {
            "type": "object",
            "description": " ".join((inspect.getdoc(model) or "").partition("\n\n")[0].split()),
            "properties": _properties(model, definitions),
            "required": [json_key(model, one) for one, field in model.model_fields.items() if field.is_required()],
            "additionalProperties": False,
        }
    return {"$ref": f"#/$defs/{name}"}


def _properties(model: type[Model], definitions: dict[str, Schema]) -> dict[str, Schema]:
    words = {model.field_of(word): (word, kind) for word, kind in model.kinds().items()}
    found: dict[str, Schema] = {}
    for name, field in model.model_fields.items():
        if field.exclude:
            continue
        if name == "call":
            found["call"] = {"const": model.call_name()}
            continue
        if name not in words:
            found[name] = _HEAD[name]
            continue
        word, kind = words[name]
        one = _setting(model, name, kind, definitions)
        if field.default is None and not isinstance(kind, kinds.Optional):
            one = _any(one, _NULL)
        found[json_key(model, name)] = {**one, "description": model.help_of(word), **_default(kind, field.default)}
    return found


def _setting(model: type[Model], field: str, kind: Kind | Child | Members, definitions: dict[str, Schema]) -> Schema:
    if isinstance(kind, Members):
        members = _value(kind.of, definitions)
        return {"type": "object", "propertyNames": _NAME, "additionalProperties": members}
    if isinstance(kind, Child):
        inner = _define(model_of(model, field), definitions)
        return {"type": "array", "items": inner} if kind.many else inner
    return _value(kind, definitions)


def _default(kind: Kind | Child | Members, value: Any) -> Schema:
    """What stands for a setting that is left out; the settings of inner blocks say their own."""
    if isinstance(kind, Child | Members) or value is PydanticUndefined:
        return {}
    if isinstance(value, Model):
        return {"default": value.model_dump(mode="json", by_alias=True)}
    return {"default": list(value) if isinstance(value, tuple) else value}


def _any(*options: Schema) -> Schema:
    """Any of the schemas; those that are a choice themselves are laid out."""
    flat = [one for option in options for one in (option["anyOf"] if set(option) == {"anyOf"} else [option])]
    return {"anyOf": flat} if len(flat) > 1 else flat[0]


def _value(kind: Kind, definitions: dict[str, Schema]) -> Schema:
    match kind:
        case kinds.Integer() | kinds.Real() | kinds.Share():
            return _number(kind)
        case kinds.Choice(words):
            return {"enum": list(words)}
        case kinds.Name() | kinds.Text() | kinds.Reference():
            return {"type": "string"}
        case kinds.Literal():
            return {"type": ["string", "number"]}
        case kinds.Quantity(units):
            return _any(*(_quantity(unit, number) for unit, number in units.items()))
        case kinds.Many(of, least):
            return {"type": "array", "items": _value(of, definitions), **({"minItems": least} if least else {})}
        case kinds.Auto(of):
            return _any({"const": "auto"}, _value(of, definitions))
        case kinds.Optional(kinds.Reference()):
            return _any({"type": "string", "not": {"const": "none"}}, _NULL)  # JSON has `null` for it
        case kinds.Optional(of):
            return _any(_value(of, definitions), _NULL)
        case kinds.Either(options):
            return _any(*(_value(one, definitions) for one in options))
        case kinds.Call(models):
            return _any(*(_define(model, definitions) for model in models))


def _quantity(unit: str, number: kinds.Integer | kinds.Real) -> Schema:
    properties = {"value": _number(number), "unit": {"const": unit}}
    return {"type": "object", "properties": properties, "required": ["value", "unit"], "additionalProperties": False}


def _number(kind: kinds.Integer | kinds.Real | kinds.Share) -> Schema:
    match kind:
        case kinds.Integer(least, most):
            return {"type": "integer", "minimum": least, "maximum": most}
        case kinds.Real(least, most, is_open):
            found: Schema = {"type": "number"}
            if least != float("-inf"):
                found["exclusiveMinimum" if is_open else "minimum"] = least
            return {**found, "maximum": most} if most != float("inf") else found
        case kinds.Share(is_open):
            bounds = ("exclusiveMinimum", "exclusiveMaximum") if is_open else ("minimum", "maximum")
            return {"type": "number", bounds[0]: 0, bounds[1]: 1}


if __name__ == "__main__":
    sys.stdout.write(text())
