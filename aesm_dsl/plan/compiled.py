"""`Compiled`: what a spec becomes before torch is needed. Loaded spec -> hierarchy -> resolved spec -> plan."""

from __future__ import annotations

from dataclasses import dataclass

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.allocate import Reasons, allocate
from aesm_dsl.plan.compile import compile_plan
from aesm_dsl.plan.hierarchy import Hierarchy, build_hierarchy
from aesm_dsl.plan.plan import Plan
from aesm_dsl.plan.sizing import size
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.write import write


@dataclass(frozen=True, slots=True)
class Compiled:
    """A spec with every `auto` filled (and why), its hierarchy, and the plan of its network."""

    spec: Spec
    reasons: Reasons
    hierarchy: Hierarchy
    plan: Plan

    def resolved(self, *, origins: bool = False) -> str:
        """The resolved spec in the language; with `origins`, each value's origin is a comment behind it."""
        return write(self.spec, self._origin if origins else None)

    def _origin(self, path: str) -> str:
        if path in self.reasons:
            return self.reasons[path]
        places = self.spec.places
        model_wide = f"experts.{path.rpartition('.')[2]}"
        if path not in places.values and ".experts." in path and model_wide in places.values:
            return f"the model's, {places.origin(model_wide)}"
        return places.origin(path)


def compile_loaded(spec: Spec, findings: Findings) -> Compiled | None:
    """The compiled form of a spec as loaded; None when `findings` has errors, old ones included."""
    hierarchy = build_hierarchy(spec, findings)
    if hierarchy is None or findings.errors:
        return None
    resolved, reasons = allocate(spec, hierarchy, findings)
    if findings.errors:
        return None
    resolved, widths = size(resolved, hierarchy, findings)
    return Compiled(resolved, reasons | widths, hierarchy, compile_plan(resolved, hierarchy))
