"""One AES layer for one row and one gate, in plain loops over floats (method.md eq. 1-8)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from aesm_dsl.layers.aes import AESLayer
from aesm_dsl.plan.plan import UNKNOWN

Vector = list[float]


@dataclass(frozen=True, slots=True)
class Row:
    y: Vector
    specific: set[int]
    shared: set[int]
    weight: Vector
    d_sp: Vector
    d_sh: Vector
    score_sp: Vector
    """What the specific experts are chosen by, the largest first."""
    score_sh: Vector


def run(
    layer: AESLayer,
    x: Vector,
    context: Vector,
    node: int,
    epsilon: list[Vector] | None = None,
    sigma: float = 0.0,
    noisy_mixture: bool = False,
    among: list[int] | None = None,
    kept: set[int] | None = None,
) -> Row:
    """The row under one gate. `among`: nodes that are compared; `kept`: experts that a budget leaves."""
    plan = layer.plan
    state = {name: value.tolist() for name, value in layer.state_dict().items()}

    gates = []
    for n in range(plan.nodes):
        gates.append([])
        for e in range(plan.experts):
            k = n * plan.experts + e
            gates[n].append(dot(state["gate.weight"][k], [*x, *context]) + state["gate.bias"][k])
    noisy = [list(row) for row in gates]
    if epsilon is not None:
        for n in range(plan.nodes):
            for e in range(plan.experts):
                noisy[n][e] += sigma * epsilon[n][e]

    compared = list(range(plan.nodes)) if among is None else among
    d_sp, d_sh = [], []
    for e in range(plan.experts):
        column = [noisy[n][e] for n in compared]
        top = max(column)
        log_sum = top + math.log(sum(math.exp(g - top) for g in column))
        log_p = [g - log_sum for g in column]
        d_sp.append(-log_p[compared.index(node)] if node != UNKNOWN else math.nan)
        d_sh.append(-math.log(len(compared)) - sum(log_p) / len(compared))
    own, noisy_own = (
        row[node]
        if node != UNKNOWN
        else [sum(row[n][e] for n in compared) / len(compared) for e in range(plan.experts)]
        for row in (gates, noisy)
    )
    if len(compared) == 1:
        ranked = sorted(range(plan.experts), key=lambda e: (-noisy_own[e], e))
        specific = set(ranked[: plan.specific])
        first = 0 if node == UNKNOWN else plan.specific
        shared = set(ranked[first : first + plan.shared])
    else:
        specific = set(sorted(range(plan.experts), key=lambda e: (d_sp[e], e))[: plan.specific])
        shared = set(sorted(range(plan.experts), key=lambda e: (d_sh[e], e))[: plan.shared])

    if node == UNKNOWN:
        specific = set()
    if kept is not None:
        specific, shared = specific & kept, shared & kept
    chosen = sorted(specific | shared)
    logits = [g / plan.temperature for g in (noisy_own if noisy_mixture else own)]
    top = max(logits[e] for e in chosen)
    total = sum(math.exp(logits[e] - top) for e in chosen)
    weight = [math.exp(logits[e] - top) / total if e in chosen else 0.0 for e in range(plan.experts)]

    y = [0.0] * plan.output
    for e in chosen:
        y = [have + weight[e] * more for have, more in zip(y, expert(state, plan, e, x), strict=True)]
    if plan.mixture_norm == "layer":
        y = normed(y, state["norm.weight"], state["norm.bias"])
    if plan.residual:
        y = [have + more for have, more in zip(y, x, strict=True)]
    alone = len(compared) == 1
    score_sp, score_sh = (noisy_own if alone else [-d for d in divergence] for divergence in (d_sp, d_sh))
    return Row(y, specific, shared, weight, d_sp, d_sh, score_sp, score_sh)


def balance(rows: list[Row]) -> float:
    """L_balance of rows under their gates: E * sum over e of (share of selections) * (mean probability)."""
    count = len(rows[0].d_sh)
    picked, wanted = [0] * count, [0.0] * count
    for row in rows:
        for chosen, score in ((row.specific, row.score_sp), (row.shared, row.score_sh)):
            if not chosen:
                continue
            top = max(score)
            total = sum(math.exp(one - top) for one in score)
            for e in range(count):
                picked[e] += e in chosen
                wanted[e] += len(chosen) * math.exp(score[e] - top) / total
    total = sum(picked)
    return count * sum(n * p for n, p in zip(picked, wanted, strict=True)) / total**2


def budgeted(tasks: list[Row], budget: int) -> set[int]:
    """Experts that the tasks of one row keep: each its best, then the largest sums of weights."""
    wanted = {e for task in tasks for e in task.specific | task.shared}
    kept = {max(range(len(task.weight)), key=lambda e: (task.weight[e], -e)) for task in tasks}
    for e in sorted(wanted - kept, key=lambda e: (-sum(task.weight[e] for task in tasks), e)):
        if len(kept) < budget:
            kept.add(e)
    return kept


def expert(state: dict, plan, e: int, h: Vector) -> Vector:
    for index, width in enumerate(plan.hidden):
        block = f"experts.blocks.{index}."
        weight, bias = state[block + "weight_EDH"][e], state[block + "bias_EH"][e]
        h = [sum(h[d] * weight[d][k] for d in range(len(h))) + bias[k] for k in range(width)]
        if plan.norm == "layer":
            h = normed(h, state[block + "scale_EH"][e], state[block + "shift_EH"][e])
        h = [v / (1 + math.exp(-v)) if plan.activation == "silu" else max(v, 0.0) for v in h]
    return h


def normed(h: Vector, scale: Vector, shift: Vector) -> Vector:
    mean = sum(h) / len(h)
    variance = sum((v - mean) ** 2 for v in h) / len(h)
    return [(v - mean) / math.sqrt(variance + 1e-5) * a + b for v, a, b in zip(h, scale, shift, strict=True)]


def dot(a: Vector, b: Vector) -> float:
    return sum(u * v for u, v in zip(a, b, strict=True))
