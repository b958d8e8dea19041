"""`Fate`s: what happens to the parts of a trained network if its spec changes, as `aesm diff` lists it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aesm_dsl.plan.parts import Part

SHOWN = 6
"""How many names of one kind a line lists."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What happens to one part of a network: a feature, a layer of a level, or a task's tower."""

    owner: str
    """The part: "feature age", "level card, layer 1", "task click"."""
    state: str
    """"kept", "resized", "new" or "lost"."""
    how: tuple[str, ...]
    """What changed along its axes: "nodes: + article", "units: 64 -> 128"."""
    parameters: int
    """Its parameters in the new network; if it is lost, in the old one."""
    carried: int
    """How many of these parameters have a counterpart of the same meaning in the old network."""
    before: int = 0
    """Its parameters in the old network."""

    @property
    def left_behind(self) -> int:
        """How many parameters of the old network have no counterpart in the new one."""
        return max(self.before - self.carried, 0)


def fates(old: Sequence[Part], new: Sequence[Part]) -> list[Fate]:
    """Compares two anatomies, matching parts by name.

    Returns:
        One fate for each owner, in the order of the new network, then those that are lost.
    """
    before = {part.name: part for part in old}
    now = {part.name for part in new}
    all_fates = []
    for owner in dict.fromkeys(part.owner for part in new):
        parts = [part for part in new if part.owner == owner]
        carried = sum(count_carried(before[part.name], part) for part in parts if part.name in before)
        total = sum(part.numel for part in parts)
        gone = any(part.owner == owner and part.name not in now for part in old)
        if not any(part.name in before for part in parts):
            all_fates.append(Fate(owner, "new", (), total, 0))
            continue
        how = dict.fromkeys(line for part in parts for line in _changes(before.get(part.name), part))
        state = "resized" if how or gone else "kept"
        was = sum(part.numel for part in old if part.owner == owner)
        all_fates.append(Fate(owner, state, tuple(how), total, carried, was))
    owners = {part.owner for part in new}
    lost: dict[str, int] = {}
    for part in old:
        if part.owner not in owners:
            lost[part.owner] = lost.get(part.owner, 0) + part.numel
    return all_fates + [Fate(owner, "lost", (), parameters, 0, parameters) for owner, parameters in lost.items()]


def count_carried(old: Part, new: Part) -> int:
    """Counts the elements of the new part that have a counterpart of the same meaning in the old part."""
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
        added = [name for name in axis.runs if name not in before.runs]
        removed = [name for name in before.runs if name not in axis.runs]
        if added or removed:
            signed = [_listed(sign, names) for sign, names in (("+", added), ("-", removed)) if names]
            yield f"{axis.kind}: {', '.join(signed)}"
        for name, size in axis.runs.items():
            was = before.runs.get(name, size)
            if was != size:
                yield f"{axis.kind}: {was:,} -> {size:,}" + ("" if len(axis.runs) == 1 else f" of {name}")
        if not added and not removed and list(before.runs) != list(axis.runs):
            yield f"{axis.kind}: in another order"


def _listed(sign: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(f"{sign} {name}" for name in names[:SHOWN]) + more
