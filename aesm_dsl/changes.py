"""What of a spec changed since a training was begun with it."""

from __future__ import annotations

from pathlib import Path

from aesm_dsl.compiled import Compiled
from aesm_dsl.diagnostic import Findings
from aesm_dsl.error import AesmError
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.write import settings

FREE = ("train.checkpoint",)
"""Settings that may change on the way: no weight depends on them."""

HELP = ("put it back as it was", "`--overwrite` without `--resume` begins anew")


def tell_changes(before: str, now: Compiled, folder: Path, findings: Findings) -> None:
    """E608 for every setting of the resolved spec that is not what it was in the text `before`."""
    try:
        old = dict(settings(Spec.parse(before)))
    except AesmError:
        findings.add("E608", f"the spec in `{folder}` cannot be read by this version", help=HELP[1])
        return
    new, places = dict(settings(Spec.parse(now.resolved()))), now.spec.places
    for path in [*new, *(one for one in old if one not in new)]:
        was, is_ = old.get(path), new.get(path)
        if was == is_ or path in FREE or any(_inside(path, one, old, new) for one in (old, new)):
            continue
        if was is None or is_ is None:
            message = f"`{path}` {'is new' if was is None else 'is gone'} since the training in `{folder}` began"
        else:
            message = f"`{path}` is `{is_}`, and was `{was}` when the training in `{folder}` began"
        findings.add("E608", message, places.of(path), help=HELP)


def _inside(path: str, one: dict[str, str], old: dict[str, str], new: dict[str, str]) -> bool:
    """Whether the path lies in a block that is new or gone, which is told as a whole."""
    block = path.rpartition(".")[0]
    while block:
        if block in one and (block in old) != (block in new):
            return True
        block = block.rpartition(".")[0]
    return False
