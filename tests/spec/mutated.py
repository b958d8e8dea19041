"""Changes a spec in JSON at a place drawn at random: a key taken, added or renamed, a value of another type or size."""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import Any

_VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    1,
    -1,
    3.5,
    0.5,
    2**40,
    10**30,
    "",
    "auto",
    "none",
    "many",
    "a b",
    "x.y",
    [],
    [1],
    [None],
    ["a"],
    [[1]],
    {},
    {"call": "number"},
    {"call": "error"},
    {"value": 1, "unit": "steps"},
    {"value": 0, "unit": "parameters"},
)


def mutate(data: Any, random: Random) -> tuple[str, ...]:
    """Changes the value in place, somewhere inside; the path of what was changed."""
    spots = list(_spots(data, ()))
    holder, key, path = random.choice(spots)
    if isinstance(holder, dict) and random.random() < 0.15:
        del holder[key]
    elif isinstance(holder, dict) and random.random() < 0.15:
        holder[f"{key}s"] = holder.pop(key) if random.random() < 0.5 else 1
    elif isinstance(holder, list) and random.random() < 0.2:
        del holder[key]
    else:
        holder[key] = deepcopy(random.choice(_VALUES))
    return path


def _spots(value: Any, path: tuple[str, ...]) -> Any:
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in list(keys):
        yield value, key, (*path, str(key))
        yield from _spots(value[key], (*path, str(key)))
