"""`read_json`: JSON that anybody may have written -> a dataclass, every field of the type that it declares."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

Value = TypeVar("Value")

CONFIG = ConfigDict(strict=True, allow_inf_nan=False, extra="forbid")

EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "dict_type": "an object",
    "dataclass_type": "an object",
}
"""What pydantic's types of errors expect, in the words of JSON."""


def read_json(kind: type[Value], text: str) -> Value:
    """Reads a dataclass, or a tuple of them, from JSON, strictly: an int is a float too, a bool is no int.

    Raises:
        ValueError: the text is no JSON; or a field is missing, unknown, of another type, infinite or NaN. The message
            has the path of the field.
    """
    try:
        values: tuple[Value] = _adapter(kind).validate_json(f"[{text}]")
    except ValidationError as error:
        raise ValueError(_described(error)) from None
    return values[0]


def _make_adapter(kind: Any) -> TypeAdapter[Any]:
    # A configuration is taken from around a plain dataclass only: pydantic refuses one for the dataclass itself.
    return TypeAdapter(tuple[kind], config=CONFIG)


_adapter: Callable[[Any], TypeAdapter[Any]] = cache(_make_adapter)


def _described(error: ValidationError) -> str:
    """The first thing that is wrong, in one line."""
    first = error.errors(include_url=False)[0]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"][1:]).lstrip(".")
    value, kind = first["input"], first["type"]
    if kind == "finite_number":
        return f"`{path}` is {value}, which is no number"
    if kind in ("json_invalid", "missing", "unexpected_keyword_argument", "missing_argument"):
        return f"`{path}`: {first['msg']}" if path else first["msg"]
    expected = EXPECTED.get(kind)
    return f"`{path}` is {_shown(value)}" + (f", expected {expected}" if expected else f": {first['msg']}")


def _shown(value: Any) -> str:
    text = repr(value)
    return f"`{text if len(text) <= 40 else text[:37] + '...'}`"
