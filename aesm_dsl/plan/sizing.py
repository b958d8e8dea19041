"""Sizing of baselines: `hidden = auto` becomes the widths with which a baseline costs as much as the AES model.

Two layers, [w, v], without embedding tables. w is the widest with which [w, w/2] costs no more than the AES model; then
w or w + 1 is taken, and v from w/4 to 2w, so that the cost comes within 1 % of the AES model's at the v closest to w/2,
or else as near to it as can be.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.allocate import Reasons, largest
from aesm_dsl.plan.compile import compile_plan
from aesm_dsl.plan.cost import cost
from aesm_dsl.plan.hierarchy import Hierarchy
from aesm_dsl.plan.plan import Plan
from aesm_dsl.spec.baseline import Baseline
from aesm_dsl.spec.model import Spec

WIDEST = 65_536
NEAR = 0.01
"""How far off is as good as equal."""
ALLOWED = 0.05
"""How far off automatic widths may be before that is told."""


def size(spec: Spec, hierarchy: Hierarchy, findings: Findings) -> tuple[Spec, Reasons]:
    """The spec with the widths of its baseline as numbers, and why; as it is where it has none.

    The spec is resolved but for them. Tells W109 when no widths come within 5 % of the AES model's cost.
    """
    if spec.architecture == "aes":
        return spec, {}
    words = spec.baseline or Baseline()
    if words.hidden != "auto":
        return _with(spec, words, words.hidden), {}

    def spent(wide: int, last: int) -> int:
        return _spent(compile_plan(_with(spec, words, (wide, last)), hierarchy))

    target = _target(compile_plan(_with(spec, words, (1, 1)), hierarchy))
    hidden = _widths(spent, target)
    off = spent(*hidden) / target - 1
    if abs(off) > ALLOWED:
        _tell(spec, words, hidden, spent(*hidden), target, findings)
    reason = f"auto: {spent(*hidden):,} {words.match}, {off:+.1%} of the AES model's {target:,}"
    return _with(spec, words, hidden), {"baseline.hidden": reason}


def _with(spec: Spec, words: Baseline, hidden: tuple[int, ...]) -> Spec:
    return spec.model_copy(update={"baseline": words.model_copy(update={"hidden": hidden})})


def _spent(plan: Plan) -> int:
    assert plan.baseline is not None
    total = cost(plan).total
    return total.parameters if plan.baseline.match == "parameters" else total.selected


def _target(plan: Plan) -> int:
    assert plan.baseline is not None
    return plan.baseline.aes_parameters if plan.baseline.match == "parameters" else plan.baseline.aes_flops


def _widths(spent: Callable[[int, int], int], target: int) -> tuple[int, int]:
    def fits(w: int, v: int) -> bool:
        return spent(w, v) <= target

    wide = largest(lambda w: fits(w, _half(w)), WIDEST)
    found: list[tuple[float, int, int, int]] = []
    for w in (wide, wide + 1):
        most = 2 * w
        v = largest(partial(fits, w), most, max(1, w // 4))
        both = {v, min(v + 1, most)}
        found += [(abs(spent(w, last) / target - 1), abs(last - _half(w)), w, last) for last in both]
    near = [one for one in found if one[0] <= NEAR]
    _, _, w, v = min(near, key=lambda one: one[1:]) if near else min(found)
    return w, v


def _half(wide: int) -> int:
    return max(1, wide // 2)


def _tell(spec: Spec, words: Baseline, hidden: tuple[int, int], spent: int, target: int, findings: Findings) -> None:
    unit = "parameters" if words.match == "parameters" else "FLOPs a row"
    help = {
        "mmoe": "write a smaller `experts` in `baseline`",
        "ple": "write a smaller `specific`, `shared` or `repeat` in `baseline`",
        "star": "write a smaller `auxiliary` in `baseline`, or a smaller `tower` in `tasks`",
    }
    findings.add(
        "W109",
        f"`{spec.architecture}` cannot be made as large as the AES model: {spent:,} {unit} against {target:,}, "
        f"{spent / target - 1:+.0%}",
        spec.places.of("architecture"),
        label=f"widths {hidden[0]} and {hidden[1]} come nearest",
        help=help.get(spec.architecture, "write a smaller `tower` in `tasks`")
        if spent > target
        else "write `hidden` in `baseline`",
    )
