"""`Compiled`: everything that is derived from a spec without torch: its hierarchy, the resolved spec and the plan."""

from __future__ import annotations

from dataclasses import dataclass

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.allocate import Reasons, allocate
from aesm_dsl.plan.compile import compile_plan
from aesm_dsl.plan.hierarchy import Hierarchy, build_hierarchy
from aesm_dsl.plan.plan import Plan
from aesm_dsl.plan.sizing import size_baseline
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.write import write


@dataclass(frozen=True, slots=True)
class Compiled:
    """A spec with every `auto` filled in and the reasons for the values, its hierarchy, and the plan of its network."""

    spec: Spec
    reasons: Reasons
    hierarchy: Hierarchy
    plan: Plan

    def resolved(self, *, origins: bool = False) -> str:
        """Writes the resolved spec in the language.

        Args:
            origins: whether a comment behind each value says where it comes from.
        """
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
    """Compiles a loaded spec; returns None if `findings` has errors, those of loading included."""
    hierarchy = build_hierarchy(spec, findings)
    if hierarchy is None or findings.errors:
        return None
    resolved, reasons = allocate(spec, hierarchy, findings)
    if findings.errors:
        return None
    resolved, widths = size_baseline(resolved, hierarchy, findings)
    return Compiled(resolved, reasons | widths, hierarchy, compile_plan(resolved, hierarchy))
