"""`Fate`s: what becomes of the parts of a trained network when its spec changes. What `aesm diff` tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aesm_dsl.plan.anatomy import Part

SHOWN = 6
"""Names of one kind that a line lists."""


@dataclass(frozen=True, slots=True)
class Fate:
    owner: str
    """A feature, a layer of a level, a task's tower: "feature age", "level card, layer 1", "task click"."""
    state: str
    """"kept", "resized", "new" or "lost"."""
    how: tuple[str, ...]
    """What changed along its axes: "nodes: + article", "units: 64 -> 128"."""
    parameters: int
    """In the new network; of what is lost, in the old one."""
    carried: int
    """How many of these have a value in the old network that means the same."""


def fates(old: Sequence[Part], new: Sequence[Part]) -> list[Fate]:
    """By owner, in the order of the new network, then what is lost. Owners lie between plans by name."""
    before = {part.name: part for part in old}
    now = {part.name for part in new}
    found = []
    for owner in dict.fromkeys(part.owner for part in new):
        parts = [part for part in new if part.owner == owner]
        carried = sum(shared(before[part.name], part) for part in parts if part.name in before)
        total = sum(part.numel for part in parts)
        gone = any(part.owner == owner and part.name not in now for part in old)
        if not any(part.name in before for part in parts):
            found.append(Fate(owner, "new", (), total, 0))
            continue
        how = dict.fromkeys(line for part in parts for line in _changes(before.get(part.name), part))
        state = "resized" if how or gone else "kept"
        found.append(Fate(owner, state, tuple(how), total, carried))
    owners = {part.owner for part in new}
    lost = dict.fromkeys(part.owner for part in old if part.owner not in owners)
    return found + [Fate(one, "lost", (), sum(part.numel for part in old if part.owner == one), 0) for one in lost]


def shared(old: Part, new: Part) -> int:
    """How many numbers of the new part have one in the old part that means the same."""
    count = 1 if len(old.axes) == len(new.axes) else 0
    for before, axis in zip(old.axes, new.axes, strict=False):
        count *= sum(min(size, before.runs.get(name, 0)) for name, size in axis.runs.items())
    return count


def _changes(old: Part | None, new: Part) -> Iterator[str]:
    if old is None:
        yield f"{new.name.removeprefix(new.owner).lstrip(', ')}: new"
        return
    for before, axis in zip(old.axes, new.axes, strict=False):
        if before.runs == axis.runs:
            continue
        more, less = (
            [one for one in axis.runs if one not in before.runs],
            [one for one in before.runs if one not in axis.runs],
        )
        if more or less:
            yield f"{axis.what}: " + ", ".join(
                _listed(sign, names) for sign, names in (("+", more), ("-", less)) if names
            )
        for name, size in axis.runs.items():
            was = before.runs.get(name, size)
            if was != size:
                yield f"{axis.what}: {was:,} -> {size:,}" + ("" if len(axis.runs) == 1 else f" of {name}")
        if not more and not less and list(before.runs) != list(axis.runs):
            yield f"{axis.what}: in another order"


def _listed(sign: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(f"{sign} {name}" for name in names[:SHOWN]) + more
