"""What of a spec changed since a training was begun with it, or between two specs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError
from aesm_dsl.plan.compiled import Compiled
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.write import settings

FREE = ("train.checkpoint",)
"""Settings that may change on the way: no weight depends on them."""

HELP = ("put it back as it was", "`--overwrite` without `--resume` begins anew")


def tell_changes(before: str, now: Compiled, folder: Path, findings: Findings) -> None:
    """E608 for every setting of the resolved spec that is not what it was in the text `before`."""
    try:
        old = Spec.parse(before)
    except AesmError:
        findings.add("E608", f"the spec in `{folder}` cannot be read by this version", help=HELP[1])
        return
    for one in changes(old, Spec.parse(now.resolved())):
        if one.path in FREE:
            continue
        if one.was is None or one.now is None:
            message = (
                f"`{one.path}` {'is new' if one.was is None else 'is gone'} since the training in `{folder}` began"
            )
        else:
            message = f"`{one.path}` is `{one.now}`, and was `{one.was}` when the training in `{folder}` began"
        findings.add("E608", message, now.spec.places.of(one.path), help=HELP)


@dataclass(frozen=True, slots=True)
class Change:
    path: str
    """The setting's dotted path, or a block's that is new or gone as a whole."""
    was: str | None
    """Its value in the language; of a block its title, "" without one. None where it is new."""
    now: str | None
    """None where it is gone."""


def changes(before: Spec, after: Spec) -> Iterator[Change]:
    """What differs between two specs, in the order of the later one, then what is gone."""
    old, new = dict(settings(before)), dict(settings(after))
    for path in [*new, *(one for one in old if one not in new)]:
        was, now = old.get(path), new.get(path)
        if was != now and not any(_inside(path, one, old, new) for one in (old, new)):
            yield Change(path, was, now)


def _inside(path: str, one: dict[str, str], old: dict[str, str], new: dict[str, str]) -> bool:
    """Whether the path lies in a block that is new or gone, which is told as a whole."""
    block = path.rpartition(".")[0]
    while block:
        if block in one and (block in old) != (block in new):
            return True
        block = block.rpartition(".")[0]
    return False
