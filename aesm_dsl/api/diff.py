"""`diff`: what a change of a spec does to a trained run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aesm_dsl.api.compile import SpecLike, compile_spec
from aesm_dsl.api.load_run import load_run
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError
from aesm_dsl.plan.anatomy import anatomy, tell_no_anatomy
from aesm_dsl.plan.changes import Change, changes
from aesm_dsl.plan.evolution import Fate, fates
from aesm_dsl.plan.plan import Plan
from aesm_dsl.spec.model import Spec

if TYPE_CHECKING:
    from aesm_dsl.training.run.folder import Run


@dataclass(frozen=True, slots=True)
class Difference:
    """Between an old spec or run, and a new one."""

    old: str
    new: str
    """What they are called: their files or folders."""
    settings: tuple[Change, ...]
    fates: tuple[Fate, ...]
    """Of every part of the network, by owner."""

    @property
    def parameters(self) -> int:
        """Numbers of the new network; vocabularies count as in the old one, since the new ones are not fitted yet."""
        return sum(one.parameters for one in self.fates if one.state != "lost")

    @property
    def carried(self) -> int:
        """How many of these a warm start takes from the old network."""
        return sum(one.carried for one in self.fates)

    def to_data(self) -> dict[str, Any]:
        return {**asdict(self), "parameters": self.parameters, "carried": self.carried}


def diff(old: SpecLike | Run, new: SpecLike | Run) -> Difference:
    """What differs between two specs, and what a warm start of the new one would keep of a run of the old one.

    Each is a spec, or a run or its folder: that of the spec it was trained with. Raises AesmError (E620) for another
    architecture than AES.
    """
    (old_name, old_spec, before), (new_name, new_spec, after) = _read(old), _read(new)
    findings = Findings()
    for name, plan in ((old_name, before), (new_name, after)):
        tell_no_anatomy(plan, name, findings)
    if findings.errors:
        raise AesmError(findings)
    found = fates(anatomy(before), anatomy(_fitted(after, before)))
    return Difference(old_name, new_name, tuple(changes(old_spec, new_spec)), tuple(found))


def _read(what: SpecLike | Run) -> tuple[str, Spec, Plan]:
    """What it is called, its resolved spec, its plan."""
    if isinstance(what, str | Path) and Path(what).is_dir():
        what = load_run(what)
    if isinstance(what, str | Path | Spec):
        compiled = compile_spec(what)
        return what.name if isinstance(what, Spec) else str(what), Spec.parse(compiled.resolved()), compiled.plan
    return str(what.folder), Spec.parse(what.spec), what.plan


def _fitted(plan: Plan, like: Plan) -> Plan:
    """The plan with what fitting decides as in the other, where both have the feature as the same kind."""
    kinds = ("category", "vectors")
    known = {(one.name, one.kind): one for one in like.features if one.kind in kinds}
    found = {one.name: known.get((one.name, one.kind), one) for one in plan.features}
    rows, given = ({name: getattr(one, word) for name, one in found.items()} for word in ("rows", "given"))
    return plan.with_rows(rows, given)
