"""`aesm diff`: what a change of a spec does to a trained run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aesm_dsl.api.compile import SpecLike, compile_spec
from aesm_dsl.api.load_run import load_run
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError
from aesm_dsl.plan.anatomy import anatomy, report_no_anatomy
from aesm_dsl.plan.changes import Change, changes
from aesm_dsl.plan.evolution import Fate, fates
from aesm_dsl.plan.plan import Plan
from aesm_dsl.spec.model import Spec

if TYPE_CHECKING:
    from aesm_dsl.training.run.folder import Run


FITTED_KINDS = ("category", "vectors")
"""Kinds of features whose tables fitting sizes."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Difference between an old spec or run and a new one."""

    old: str
    """File or folder of the old one."""
    new: str
    """File or folder of the new one."""
    settings: tuple[Change, ...]
    fates: tuple[Fate, ...]
    """What happens to every part of the network, by owner."""

    @property
    def parameters(self) -> int:
        """Parameters of the new network. Vocabularies count as in the old one: the new ones are not fitted yet."""
        return sum(fate.parameters for fate in self.fates if fate.state != "lost")

    @property
    def carried(self) -> int:
        """How many of them a warm start takes from the old network."""
        return sum(fate.carried for fate in self.fates)

    @property
    def left_behind(self) -> int:
        """How many parameters of the old network a warm start does not take."""
        return sum(fate.left_behind for fate in self.fates)

    def to_data(self) -> dict[str, Any]:
        sums = {"parameters": self.parameters, "carried": self.carried, "left_behind": self.left_behind}
        return {**asdict(self), **sums}


def diff(old: SpecLike | Run, new: SpecLike | Run) -> Difference:
    """Compares two specs: their settings, and what a warm start of the new one would keep of a run of the old one.

    Args:
        old: a spec, the path of one, a run, or its folder, which stands for the spec it was trained with.
        new: the same.

    Raises:
        AesmError: one of them cannot be read, or is of another architecture than AES (E620).
    """
    (old_name, old_spec, before), (new_name, new_spec, after) = _read(old), _read(new)
    findings = Findings()
    for name, plan in ((old_name, before), (new_name, after)):
        report_no_anatomy(plan, name, findings)
    if findings.errors:
        raise AesmError(findings)
    parts = fates(anatomy(before), anatomy(_fitted(after, before)))
    return Difference(old_name, new_name, tuple(changes(old_spec, new_spec)), tuple(parts))


def _read(what: SpecLike | Run) -> tuple[str, Spec, Plan]:
    """Its name, its resolved spec, and its plan."""
    if isinstance(what, str | Path) and Path(what).is_dir():
        what = load_run(what)
    if isinstance(what, str | Path | Spec):
        compiled = compile_spec(what)
        return what.name if isinstance(what, Spec) else str(what), Spec.parse(compiled.resolved()), compiled.plan
    return str(what.folder), Spec.parse(what.spec), what.plan


def _fitted(plan: Plan, like: Plan) -> Plan:
    """The plan with the fitted sizes of another, for features that are of the same kind in both."""
    fitted = {(feature.name, feature.kind): feature for feature in like.all_features if feature.kind in FITTED_KINDS}
    features = [fitted.get((feature.name, feature.kind), feature) for feature in plan.all_features]
    rows = {feature.name: feature.rows for feature in features}
    return plan.with_rows(rows, {feature.name: feature.given for feature in features})
