"""Draws the pictures of docs/method.md: `python docs/pictures/method.py` writes layer.svg, stack.svg and noise.svg.

Their numbers are computed by the code that the network runs (aesm_dsl/layers/selection.py) and come from the plan of
specs/fund_search.aesm. Colours follow the reader's light or dark theme.
"""

from __future__ import annotations

import html
from pathlib import Path

import torch

from aesm_dsl import compile_spec
from aesm_dsl.layers.selection import compare_nodes, divergences, mixture_weights, select_experts
from aesm_dsl.plan.training import NoisePlan
from aesm_dsl.report.draw import BROWSER_FONTS
from aesm_dsl.report.text_width import fix_text_widths, width_ems
from aesm_dsl.training.fit.schedule import sigma

HERE = Path(__file__).parent
WIDTH = 860

STYLE = """
.sheet { fill: #ffffff; stroke: #dfe3e8 } .panel { fill: #f6f7f9; stroke: #dfe3e8 }
.box { fill: #ffffff; stroke: #7b8794 }
.ink { fill: #1f2933 } .muted { fill: #5f6b77 }
.rule { stroke: #b4bdc6; fill: none } .off { fill: none; stroke: #a7afb8 }
.cell { fill: #5b3a8c } .own { fill: none; stroke: #1f2933 }
.specific { fill: #dcecf7; stroke: #0072b2 } .shared { fill: #fbe6d6; stroke: #d55e00 }
.specific-line { fill: none; stroke: #0072b2 } .shared-line { fill: none; stroke: #d55e00 }
.specific-ink { fill: #0072b2 } .shared-ink { fill: #b84f00 }
.arrow { fill: none; stroke: #8894a0 } .tip { fill: #8894a0 }
@media (prefers-color-scheme: dark) {
  .sheet { fill: #0f1419; stroke: #2b343d } .panel { fill: #182028; stroke: #2b343d }
  .box { fill: #0f1419; stroke: #7b8794 }
  .ink { fill: #e4e9ee } .muted { fill: #a2adb8 } .rule { stroke: #46525e } .off { stroke: #5f6b77 }
  .cell { fill: #a98be0 } .own { stroke: #e4e9ee }
  .specific { fill: #0d3a57; stroke: #58b2e8 } .shared { fill: #57290a; stroke: #f5894b }
  .specific-line { stroke: #58b2e8 } .shared-line { stroke: #f5894b }
  .specific-ink { fill: #7cc5f2 } .shared-ink { fill: #f8a473 }
}
"""

NODES = ("hot_funds", "fund_product", "article")
GATES_NE = torch.tensor(
    [[1.9, 0.8, -0.9, 1.4, 0.2, -0.7], [-0.6, 0.9, 2.1, -0.5, 0.5, -0.4], [-0.8, 1.0, -0.5, 1.1, -0.3, 1.8]]
)
"""Invented gate logits (nodes, experts)."""
SPECIFIC, SHARED = 2, 1
NOISE = NoisePlan("anneal", 1.0, 0.3, False)
"""The default of the setting `noise`."""


def text(
    x: float, y: float, words: str, look: str = "ink", size: float = 12, *, anchor: str = "start", bold: bool = False
) -> str:
    """Returns a text; `look` is a class of the style sheet."""
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text class="{look}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-family="{BROWSER_FONTS}"'
        f'{weight} font-size="{size:g}">{html.escape(words)}</text>'
    )


def rect(x: float, y: float, width: float, height: float, look: str, *, radius: float = 6, attributes: str = "") -> str:
    """Returns a rectangle with round corners; `attributes` are further ones of the element."""
    area = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{radius:g}"'
    return f'<rect class="{look}" {area}{attributes}/>'


def path(points: str, look: str, width: float = 1.2, attributes: str = "") -> str:
    return f'<path class="{look}" d="{points}" stroke-width="{width:.1f}"{attributes}/>'


def arrow(x0: float, y0: float, x1: float, y1: float) -> str:
    """Returns a straight arrow, from left to right or downwards."""
    across = x1 - x0 > y1 - y0
    tip = f"M{x1},{y1} l-7,-4 v8 z" if across else f"M{x1},{y1} l-4,-7 h8 z"
    end = (x1 - 6, y1) if across else (x1, y1 - 6)
    return path(f"M{x0},{y0} L{end[0]},{end[1]}", "arrow", 1.4) + f'<path class="tip" d="{tip}"/>'


def sheet(title: str, about: str, height: float, parts: list[str]) -> str:
    """Returns a whole picture: a title, a line about what it shows, and its parts."""
    head = [rect(0.5, 0.5, WIDTH - 1, height - 1, "sheet", radius=10), text(24, 36, title, size=18, bold=True)]
    head.append(text(24, 58, about, "muted"))
    body = fix_text_widths("\n".join([*head, *parts]))
    size = f'viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n{body}\n</svg>\n"
    )


def layer() -> str:
    """Draws equations 1 to 7 for one row."""
    node = torch.tensor([0])
    chance_NE = compare_nodes(GATES_NE[None])[0].exp()
    d_specific, d_shared = (divergence[0] for divergence in divergences(compare_nodes(GATES_NE[None]), node))
    chosen = select_experts(GATES_NE[None], node, SPECIFIC, SHARED)
    weight = mixture_weights(GATES_NE[None], node, chosen.chosen)[0]
    kind = {e: "specific" if chosen.specific[0, e] else "shared" for e in range(6) if chosen.chosen[0, e]}
    left, step = 282.0, 92.0
    middle = [left + step * (e + 0.5) for e in range(6)]
    parts: list[str] = []

    def explain(y: float, what: str, equation: str) -> None:
        parts.extend([text(24, y, what, size=13, bold=True), text(24, y + 17, equation, "muted", 11)])

    explain(106, "gates", "G[n, e], of input and context (1)")
    explain(204, "compared over the nodes", "P[., e] = softmax of G[., e] (3)")
    for top, values_NE, shaded in ((84.0, GATES_NE, False), (182.0, chance_NE, True)):
        for n, name in enumerate(NODES):
            y = top + 26 * n
            parts.append(text(left - 8, y + 17, name, "ink" if n == 0 else "muted", 11, anchor="end", bold=n == 0))
            for e in range(6):
                value = float(values_NE[n, e])
                opacity = 0.12 + 0.6 * value if shaded else 0.06
                parts.append(
                    rect(
                        left + step * e + 1,
                        y + 1,
                        step - 2,
                        24,
                        "cell",
                        radius=3,
                        attributes=f' fill-opacity="{opacity:.2f}"',
                    )
                )
                words = f"{value:.0%}" if shaded else f"{value:+.1f}"
                parts.append(text(middle[e], y + 17, words, size=11, anchor="middle"))
        parts.append(rect(left, top, step * 6, 26, "own", radius=4, attributes=' stroke-width="1.6"'))
    explain(300, "how specific", f"least {SPECIFIC} of d_sp = -log P[node, e] (4)")
    explain(344, "how shared", "least of d_sh, P[., e] against equal (5)")
    for top, values, name in ((280.0, d_specific, "specific"), (324.0, d_shared, "shared")):
        for e in range(6):
            selected = bool(getattr(chosen, name)[0, e])
            if selected:
                parts.append(
                    rect(
                        left + step * e + 18, top + 4, step - 36, 28, name, radius=14, attributes=' stroke-width="1.6"'
                    )
                )
            look = f"{name}-ink" if selected else "muted"
            parts.append(text(middle[e], top + 23, f"{float(values[e]):.2f}", look, 12, anchor="middle", bold=selected))
    explain(402, "experts", "only the selected ones run (6)")
    explain(478, "mixture", "softmax of G[node, .] over them (7)")
    end = left + 3 * step
    for e in range(6):
        look = kind.get(e, "off")
        dashes = "" if e in kind else ' stroke-dasharray="4 3"'
        parts.append(
            rect(left + step * e + 12, 386, step - 24, 40, look, radius=8, attributes=f' stroke-width="1.6"{dashes}')
        )
        parts.append(
            text(middle[e], 411, f"e{e}", "ink" if e in kind else "muted", 13, anchor="middle", bold=e in kind)
        )
        if e in kind:
            curve = f"M{middle[e]:.1f},427 C{middle[e]:.1f},480 {end:.1f},470 {end:.1f},516"
            parts.append(path(curve, f"{kind[e]}-line", 1 + 14 * float(weight[e]), ' stroke-opacity="0.6"'))
            # On the side that the line does not bend to.
            side, anchor = (12, "start") if middle[e] > end else (-12, "end")
            parts.append(text(middle[e] + side, 444, f"{float(weight[e]):.0%}", f"{kind[e]}-ink", 11, anchor=anchor))
    parts += [
        rect(end - 70, 516, 140, 34, "box", radius=8),
        text(end, 538, "y, the row's output", size=12, anchor="middle"),
    ]
    about = (
        f"A row of {NODES[0]}: of six experts {SPECIFIC} are selected as specific (blue), {SHARED} as shared (orange)."
    )
    return sheet("One layer", about, 572, parts)


def stack() -> str:
    """Draws the levels of specs/fund_search.aesm as the network stacks them."""
    plan = compile_spec(HERE.parents[1] / "specs" / "fund_search.aesm", overrides=["experts.repeat=2"]).plan
    names = [[node.name for node in level.nodes] for level in plan.levels] + [[task.name for task in plan.tasks.tasks]]
    stacks = [*(level.layers for level in plan.levels), plan.tasks.layers]
    parts = [rect(24, 96, 120, 216, "panel", radius=10), text(84, 118, "features", size=13, anchor="middle", bold=True)]
    groups = list(dict.fromkeys(feature.group for feature in plan.features))
    for at, group in enumerate(groups):
        count = sum(feature.group == group for feature in plan.features)
        parts += [rect(40, 134 + 42 * at, 88, 34, "box"), text(84, 155 + 42 * at, f"{group}  {count}", anchor="middle")]
    parts += [
        text(84, 278, "embeddings,", "muted", 11, anchor="middle"),
        text(84, 294, f"x: {plan.width} numbers", "muted", 11, anchor="middle"),
    ]
    left = 176.0
    context: list[str] = []
    for at, (title, layers) in enumerate(zip([*(level.name for level in plan.levels), "tasks"], stacks, strict=True)):
        active = [names[at][0]] if at < len(plan.levels) else names[at]  # the gates that select for the row
        context.append("task" if at == len(plan.levels) else active[0])
        parts += [
            rect(left, 96, 156, 216, "panel", radius=10),
            text(left + 78, 118, title, size=13, anchor="middle", bold=True),
        ]
        parts.append(arrow(left - 30, 204, left - 2, 204))
        for depth, layer_plan in enumerate(layers):
            y = 132.0 + 54 * depth
            parts += [
                rect(left + 12, y, 132, 44, "box"),
                text(left + 78, y + 18, f"layer: {layer_plan.experts} experts", size=11.5, anchor="middle"),
            ]
            parts.append(
                text(
                    left + 78,
                    y + 34,
                    f"{layer_plan.specific} specific + {layer_plan.shared} shared",
                    "muted",
                    10,
                    anchor="middle",
                )
            )
        parts.append(text(left + 78, 258, "gates", "muted", 10, anchor="middle"))
        x = left + 78 - sum(width_ems(name) * 10 + 10 for name in names[at]) / 2
        row = names[at] if x > left + 8 else [*names[at][:1], f"{len(names[at]) - 1} more"]
        x = left + 78 - sum(width_ems(name) * 10 + 14 for name in row) / 2
        for name in row:
            width = width_ems(name) * 10 + 10
            look = "specific" if name in active else "off"
            parts += [
                rect(x, 266, width, 20, look, radius=10),
                text(x + width / 2, 280, name, "ink" if name in active else "muted", 10, anchor="middle"),
            ]
            x += width + 4
        parts.append(text(left + 78, 303, "c = " + ", ".join(context), "muted", 10, anchor="middle"))
        left += 188
    parts += [
        rect(left, 96, 96, 216, "panel", radius=10),
        text(left + 48, 118, "towers", size=13, anchor="middle", bold=True),
    ]
    for at, name in enumerate(names[-1]):
        y = 150 + 74 * at
        parts += [arrow(left - 30, y + 24, left + 8, y + 24), rect(left + 10, y, 76, 48, "box")]
        parts.append(text(left + 48, y + 29, name, size=12, anchor="middle"))
    parts.append(text(left + 48, 294, "of its leaf", "muted", 11, anchor="middle"))
    about = (
        "A row of search > hot_funds: the gate of its node selects, in blue; the tasks' gates select for each task. "
        "Two layers a level."
    )
    last = [
        text(24, 346, "What a layer gives is the next one's x; c names the row's nodes so far.", "muted", 11),
        text(24, 364, "purchase follows click: P(purchase) = P(click) * P(purchase | click).", "muted", 11),
    ]
    return sheet("The network of specs/fund_search.aesm", about, 386, [*parts, *last])


def noise() -> str:
    """Draws how the noise falls, and what it does to the selection of the row of `layer`."""
    draws, steps = 4000, 40
    generator = torch.Generator().manual_seed(0)
    epsilon = torch.randn(draws, *GATES_NE.shape, generator=generator)
    node = torch.zeros(draws, dtype=torch.int64)
    times = [step / steps for step in range(steps + 1)]
    share = []
    for done in times:
        chosen = select_experts(GATES_NE + sigma(NOISE, done) * epsilon, node, SPECIFIC, SHARED)
        share.append(chosen.specific.double().mean(0).tolist())
    left, right = 262.0, 740.0

    def across(done: float) -> float:
        return left + (right - left) * done

    parts = [
        text(24, 112, "noise on the gates", size=13, bold=True),
        text(24, 129, "sigma, the default: anneal (2)", "muted", 11),
    ]
    parts += [
        text(24, 236, "chosen as specific", size=13, bold=True),
        text(24, 253, "share of 4,000 draws, by expert,", "muted", 11),
    ]
    parts.append(text(24, 269, "the gates held as they are", "muted", 11))
    for low, high, most in ((168.0, 92.0, "1"), (400.0, 212.0, "100%")):
        parts += [path(f"M{left},{low} H{right} M{left},{high} H{right}", "rule", 1)]
        parts += [
            text(left - 8, low + 4, "0", "muted", 11, anchor="end"),
            text(left - 8, high + 4, most, "muted", 11, anchor="end"),
        ]
    points = " L".join(f"{across(done):.1f},{168 - 76 * sigma(NOISE, done):.1f}" for done in times)
    parts.append(path(f"M{points}", "own", 2))
    parts.append(path(f"M{across(NOISE.over):.1f},86 V400", "rule", 1, ' stroke-dasharray="4 3"'))
    parts.append(text(across(NOISE.over) + 6, 104, "no noise from here", "muted", 11))
    ends: dict[float, list[int]] = {}
    for e in range(6):
        look = "specific-line" if share[-1][e] > 0.5 else "off"
        points = " L".join(
            f"{across(done):.1f},{400 - 188 * share_E[e]:.1f}" for done, share_E in zip(times, share, strict=True)
        )
        parts.append(path(f"M{points}", look, 2.4 if look != "off" else 1.4))
        ends.setdefault(round(share[-1][e], 3), []).append(e)
    for value, experts in ends.items():
        words = ", ".join(f"e{e}" for e in experts)
        parts.append(
            text(
                right + 8, 404 - 188 * value, words, "specific-ink" if value > 0.5 else "muted", 11.5, bold=value > 0.5
            )
        )
    for done in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(text(across(done), 420, f"{done:.0%}", "muted", 11, anchor="middle"))
    parts.append(text((left + right) / 2, 440, "share of training", "muted", 11, anchor="middle"))
    about = "While there is noise, other experts are tried too and learn whom they serve; then the selection settles."
    return sheet("Exploration", about, 460, parts)


def pictures() -> dict[str, str]:
    """Returns the SVG of each picture, by file name."""
    return {"layer.svg": layer(), "stack.svg": stack(), "noise.svg": noise()}


if __name__ == "__main__":
    for name, svg in pictures().items():
        (HERE / name).write_text(svg, encoding="utf-8")
        print(f"wrote {HERE / name}")
