"""Rules about what lies below the experts."""

from __future__ import annotations

from aesm_dsl.spec.bottom import Scenario
from aesm_dsl.spec.rule_context import RuleContext


def scenario_gate_has_levels(context: RuleContext) -> None:
    """A gate of the row's nodes needs a level that has nodes."""
    spec = context.spec
    if spec.bottom is None or not isinstance(spec.bottom.gate, Scenario) or spec.levels or context.lost:
        return
    context.findings.add(
        "E307",
        "`gate = scenario` needs a level: the gate sees the row's nodes",
        spec.places.of("bottom.gate"),
        label="there are no levels",
        help="write `level NAME { node ... }`, or `gate = senet`, which sees the features alone",
    )
