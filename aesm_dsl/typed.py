"""`check_types`: do the fields of a dataclass hold what they say, where a file may be anybody's?"""

from __future__ import annotations

import math
import types
from dataclasses import fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints


def check_types(value: Any, where: str = "") -> None:
    """Raises ValueError, with the place, for a field of another type than declared, or a number that is none.

    Dataclasses, tuples, dicts, and what JSON has; an int is a float too, a bool is no int.
    """
    for name, kind in get_type_hints(type(value)).items():
        if any(one.name == name for one in fields(value)):
            _check(getattr(value, name), kind, f"{where}.{name}" if where else name)


def _check(value: Any, kind: Any, where: str) -> None:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        fitting = [one for one in inner if _is(value, one)]
        if not fitting:
            raise ValueError(f"`{where}` is {_shown(value)}")
        _check(value, fitting[0], where)
        return
    if not _is(value, kind):
        raise ValueError(f"`{where}` is {_shown(value)}, expected {_named(kind)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"`{where}` is {value}, which is no number")
    if is_dataclass(value):
        check_types(value, where)
    elif origin is tuple:
        kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else list(inner)
        if len(kinds) != len(value):
            raise ValueError(f"`{where}` has {len(value)} values, expected {len(kinds)}")
        for place, (one, its) in enumerate(zip(value, kinds, strict=True)):
            _check(one, its, f"{where}[{place}]")
    elif origin is dict:
        for key, one in value.items():
            _check(key, inner[0], f"{where} key")
            _check(one, inner[1], f"{where}.{key}")


def _is(value: Any, kind: Any) -> bool:
    """Whether it is of the kind, not looking inside."""
    if kind is Any:
        return True
    if kind is float:
        return type(value) in (int, float)
    plain = get_origin(kind) or kind
    if plain in (Union, types.UnionType):
        return any(_is(value, one) for one in get_args(kind))
    return type(value) is (type(None) if plain is None else plain)


def _named(kind: Any) -> str:
    plain = get_origin(kind) or kind
    return {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false"}.get(
        plain.__name__, "a list" if plain is tuple else "an object"
    )


def _shown(value: Any) -> str:
    text = repr(value)
    return f"`{text if len(text) <= 40 else text[:37] + '...'}`"
