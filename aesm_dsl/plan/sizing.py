"""Sizing of baselines: replaces `hidden = auto` by the widths with which a baseline costs as much as the AES model.

There are two hidden layers, [w, v]; embedding tables are not counted. First, w is the widest layer with which [w, w/2]
costs no more than the AES model. Then, among w and w + 1 and v from w/4 to 2w, the v closest to w/2 is taken with which
the cost is within 1 % of the AES model's; if there is none, the widths with the closest cost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.allocate import Reasons, largest_that_fits
from aesm_dsl.plan.compile import compile_plan
from aesm_dsl.plan.cost import cost
from aesm_dsl.plan.hierarchy import Hierarchy
from aesm_dsl.plan.plan import Plan
from aesm_dsl.spec.baseline import BaselineBlock
from aesm_dsl.spec.model import Spec

WIDEST = 65_536
NEAR = 0.01
"""Relative difference of costs that counts as equal."""
ALLOWED = 0.05
"""Relative difference of costs above which W109 is reported."""


@dataclass(frozen=True, slots=True)
class _Sized:
    """A baseline of certain widths, and what it costs beside the AES model."""

    hidden: tuple[int, int]
    cost: int
    target: int
    """The cost of the AES model."""

    @property
    def error(self) -> float:
        return self.cost / self.target - 1


def size_baseline(spec: Spec, hierarchy: Hierarchy, findings: Findings) -> tuple[Spec, Reasons]:
    """Replaces automatic widths of the spec's baseline by numbers; returns a spec of an AES model as it is.

    If no widths come within 5 % of the AES model's cost, W109 is reported.

    Args:
        spec: a resolved spec, except for these widths.
        hierarchy: its hierarchy.
        findings: receives W109.
    Returns:
        The resolved spec, and the reason for each value that was filled in.
    """
    if spec.architecture == "aes":
        return spec, {}
    block = spec.baseline or BaselineBlock()
    if block.hidden != "auto":
        return _with_hidden(spec, block, block.hidden), {}

    def network_cost(w: int, v: int) -> int:
        return _cost(compile_plan(_with_hidden(spec, block, (w, v)), hierarchy))

    target = _target(compile_plan(_with_hidden(spec, block, (1, 1)), hierarchy))
    hidden = _closest_widths(network_cost, target)
    sized = _Sized(hidden, network_cost(*hidden), target)
    if abs(sized.error) > ALLOWED:
        _report_too_large(spec, block, sized, findings)
    reason = f"auto: {sized.cost:,} {block.match}, {sized.error:+.1%} of the AES model's {target:,}"
    return _with_hidden(spec, block, hidden), {"baseline.hidden": reason}


def _with_hidden(spec: Spec, block: BaselineBlock, hidden: tuple[int, ...]) -> Spec:
    return spec.model_copy(update={"baseline": block.model_copy(update={"hidden": hidden})})


def _cost(plan: Plan) -> int:
    assert plan.baseline is not None
    total = cost(plan).total
    return total.parameters if plan.baseline.match == "parameters" else total.selected


def _target(plan: Plan) -> int:
    assert plan.baseline is not None
    return plan.baseline.aes_parameters if plan.baseline.match == "parameters" else plan.baseline.aes_flops


def _closest_widths(network_cost: Callable[[int, int], int], target: int) -> tuple[int, int]:
    """The widths [w, v] that the module docstring defines."""

    def fits(w: int, v: int) -> bool:
        return network_cost(w, v) <= target

    widest = largest_that_fits(lambda w: fits(w, _half(w)), WIDEST)
    candidates: list[tuple[float, int, int, int]] = []
    for w in (widest, widest + 1):
        most = 2 * w
        v = largest_that_fits(partial(fits, w), most, max(1, w // 4))
        candidates += [
            (abs(network_cost(w, last) / target - 1), abs(last - _half(w)), w, last) for last in {v, min(v + 1, most)}
        ]
    near = [candidate for candidate in candidates if candidate[0] <= NEAR]
    _, _, w, v = min(near, key=lambda candidate: candidate[1:]) if near else min(candidates)
    return w, v


def _half(width: int) -> int:
    return max(1, width // 2)


def _report_too_large(spec: Spec, block: BaselineBlock, sized: _Sized, findings: Findings) -> None:
    unit = "parameters" if block.match == "parameters" else "FLOPs a row"
    help = {
        "mmoe": "write a smaller `experts` in `baseline`",
        "adatt": "write a smaller `specific`, `shared` or `repeat` in `baseline`",
        "hinet": "write a smaller `specific` or `shared` in `baseline`",
        "m3oe": "write a smaller `shared` in `baseline`",
        "ple": "write a smaller `specific`, `shared` or `repeat` in `baseline`",
        "pepnet": "write a smaller `auxiliary` in `baseline`, or a smaller `tower` in `tasks`",
        "star": "write a smaller `auxiliary` in `baseline`, or a smaller `tower` in `tasks`",
    }
    findings.add(
        "W109",
        f"`{spec.architecture}` cannot be made as large as the AES model: {sized.cost:,} {unit} against "
        f"{sized.target:,}, {sized.error:+.0%}",
        spec.places.of("architecture"),
        label=f"widths {sized.hidden[0]} and {sized.hidden[1]} come nearest",
        help=help.get(spec.architecture, "write a smaller `tower` in `tasks`")
        if sized.cost > sized.target
        else "write `hidden` in `baseline`",
    )
