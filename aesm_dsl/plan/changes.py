"""Compares two specs setting by setting: for `aesm diff`, and to refuse a resume with a changed spec."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError
from aesm_dsl.plan.compiled import Compiled
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.write import settings

MAY_CHANGE = ("train.checkpoint",)
"""Settings that may change between the start and the resume of a training: no weight depends on them."""

HELP = ("put it back as it was", "`--overwrite` without `--resume` starts over")


def report_changes(before: str, now: Compiled, folder: Path, findings: Findings) -> None:
    """Reports E608 for every setting of the resolved spec that differs from the text `before`.

    Values that follow from other settings are not told beside those.

    Args:
        before: the resolved spec with which the training in `folder` began.
        now: the spec with which it is to go on.
        folder: the run folder that the messages name.
        findings: receives the errors.
    """
    try:
        old = Spec.parse(before)
    except AesmError:
        findings.add("E608", f"the spec in `{folder}` cannot be read by this version", help=HELP[1])
        return
    found = [change for change in changes(old, Spec.parse(now.resolved())) if change.path not in MAY_CHANGE]
    written = [change for change in found if change.path not in now.reasons]
    for change in written or found:
        path = change.path
        if change.was is None or change.now is None:
            state = "is new" if change.was is None else "is gone"
            message = f"`{path}` {state} since the training in `{folder}` began"
        else:
            message = f"`{path}` is `{change.now}`, and was `{change.was}` when the training in `{folder}` began"
        findings.add("E608", message, now.spec.places.of(path), help=HELP)


@dataclass(frozen=True, slots=True)
class Change:
    """A setting that differs between two specs, or a block that only one of them has."""

    path: str
    """The dotted path of the setting or block."""
    was: str | None
    """The old value in the language; for a block its title, "" without one; None if the setting or block is new."""
    now: str | None
    """The new value; None if the setting or block is gone."""


def changes(before: Spec, after: Spec) -> Iterator[Change]:
    """Yields what differs between two specs in the order of the later one, then what it no longer has.

    A block that is new or gone is one change; its settings are not listed.
    """
    old, new = dict(settings(before)), dict(settings(after))
    for path in [*new, *(path for path in old if path not in new)]:
        was, now = old.get(path), new.get(path)
        if was != now and not _in_changed_block(path, old, new):
            yield Change(path, was, now)


def _in_changed_block(path: str, old: dict[str, str], new: dict[str, str]) -> bool:
    """Whether a block around the path is new or gone."""
    block = path.rpartition(".")[0]
    while block:
        if (block in old) != (block in new):
            return True
        block = block.rpartition(".")[0]
    return False
