"""`read_json`: reads untrusted JSON into a dataclass and checks that every field has its declared type."""

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
"""Maps pydantic's error types to the expected value, in the words of JSON."""


def read_json(kind: type[Value], text: str) -> Value:
    """Reads a dataclass, or a tuple of them, from JSON. An int is accepted as a float; a bool is not an int.

    Raises:
        ValueError: the text is no JSON; or a field is missing, unknown, of another type, infinite or NaN. The message
            has the path of the field.
    """
    try:
        values: tuple[Value] = _adapter(kind).validate_json(f"[{text}]")
    except ValidationError as error:
        raise ValueError(_first_error(error)) from None
    return values[0]


def _make_adapter(kind: Any) -> TypeAdapter[Any]:
    # pydantic refuses a configuration for a plain dataclass itself, but applies that of a tuple around it. So the
    # adapter reads a tuple of one value, and `read_json` puts brackets around the text.
    return TypeAdapter(tuple[kind], config=CONFIG)


_adapter: Callable[[Any], TypeAdapter[Any]] = cache(_make_adapter)


def _first_error(error: ValidationError) -> str:
    """Describes the first error in one line."""
    first = error.errors(include_url=False)[0]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"][1:]).lstrip(".")
    value, kind = first["input"], first["type"]
    if kind == "finite_number":
        return f"`{path}` is {value}, which is no number"
    if kind in ("json_invalid", "missing", "unexpected_keyword_argument", "missing_argument"):
        return f"`{path}`: {first['msg']}" if path else first["msg"]
    expected = EXPECTED.get(kind)
    return f"`{path}` is {_shortened(value)}" + (f", expected {expected}" if expected else f": {first['msg']}")


def _shortened(value: Any) -> str:
    text = repr(value)
    return f"`{text if len(text) <= 40 else text[:37] + '...'}`"
