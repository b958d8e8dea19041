"""A run as one page of HTML that needs nothing else: no network, no other file.

The page is page/page.html filled by jinja2; everything that comes from a spec or a table is escaped there.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import jinja2
from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from rich.table import Table

from aesm_dsl.plan.cost import cost
from aesm_dsl.plan.plan import Plan
from aesm_dsl.report.charts import Curve, calibration_chart, curves_chart, interval_chart
from aesm_dsl.report.comparison import comparison_tables
from aesm_dsl.report.draw import DrawingError, picture_bytes
from aesm_dsl.report.experts import experts_sentences, experts_table
from aesm_dsl.report.flow_graph import flow_graph
from aesm_dsl.report.heat_map import heat_map, training_map
from aesm_dsl.report.inline_svg import inline
from aesm_dsl.report.profile import advice, profile_tables
from aesm_dsl.report.sharing_graph import sharing_graph
from aesm_dsl.syntax.pygments_lexer import AesmLexer
from aesm_dsl.training.compare import Comparison, Swing
from aesm_dsl.training.metrics.scores import ALL, Score, mean
from aesm_dsl.training.run.folder import Run


@dataclass(frozen=True, slots=True)
class PageTable:
    """A table: its title and caption, heads, and rows of text; the first column stands left, numbers right."""

    title: str
    caption: str
    heads: tuple[str, ...]
    right: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]


def report_page(run: Run, found: Comparison | None = None) -> str:
    """The page of a run.

    found  a comparison that the run took part in
    Pictures are left out, with a word why, where no Graphviz is installed.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("aesm_dsl.report", "page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["quoted"] = with_code
    template = environment.get_template("page.html")
    return template.render(
        run=run,
        title=run.plan.label,
        labels={task.name: task.label for task in run.plan.tasks.tasks},
        leaves=_leaf_labels(run.plan),
        facts=_facts(run),
        scores=_by_leaf(run.scores),
        bar=_bars(run.scores),
        curves=_curves(run),
        calibration=_calibrations(run),
        sharing=_sharing(run),
        comparison=found and [page_table(one) for one in comparison_tables(found)[:2]],
        seesaw=found and _seesaw(found.seesaw),
        profile=[page_table(one) for one in profile_tables(run.profile)],
        advice=advice(run.profile),
        spec=highlighted(run.spec),
        info=json.dumps(run.info, ensure_ascii=False, indent=2),
        commands=_commands(run),
    )


def page_table(table: Table) -> PageTable:
    """A table for a terminal, as plain text."""
    columns = table.columns
    rows = zip(*(column.cells for column in columns), strict=True)
    return PageTable(
        _plain(table.title),
        _plain(table.caption),
        tuple(_plain(column.header) for column in columns),
        tuple(column.justify == "right" for column in columns),
        tuple(tuple(_plain(cell) for cell in row) for row in rows),
    )


def with_code(text: str) -> Markup:
    """A sentence, escaped; what stands between backticks as code."""
    parts = re.split(r"`([^`]*)`", text)
    shown = (Markup("<code>{}</code>").format(one) if place % 2 else escape(one) for place, one in enumerate(parts))
    return Markup("").join(shown)


def highlighted(spec: str) -> Markup:
    """The text of a spec, every character of it, with a class for what has a colour."""
    lexer = AesmLexer(stripnl=False, ensurenl=False)
    return Markup(highlight(spec, lexer, HtmlFormatter(nowrap=True, classprefix="is-")))


def _plain(value: Any) -> str:
    """The text of a cell; rich's own markup would take square brackets of a user's words for its own."""
    return "" if value is None else str(value).replace("[bold]", "").replace("[/bold]", "")


def _facts(run: Run) -> list[tuple[str, str]]:
    """What stands on top, as name and value."""
    info, total, value = run.info, cost(run.plan).total, mean(run.scores, "mean_auc")
    rows = ", ".join(f"{count:,} {part}" for part, count in info["rows"].items())
    facts = [
        ("mean AUC", "-" if value is None else f"{value:.4f}"),
        ("rows", rows),
        ("measured on", f"{info['measured on']} rows"),
        ("architecture", info["architecture"]),
        ("parameters", f"{info['parameters']:,}, {total.parameters:,} without embedding tables"),
        ("FLOPs a row", f"{total.selected:,}" + ("" if run.plan.baseline else f" ({total.dense:,} with all experts)")),
        ("trained", f"{info['steps']:,} steps in {info['seconds']:,} s on {info['device']}"),
    ]
    if info["best step"] != info["steps"]:
        facts.append(("weights of step", f"{info['best step']:,}"))
    return facts


def _leaf_labels(plan: Plan) -> dict[str, str]:
    """A leaf's name -> its nodes' labels, where these say something else."""
    named = {
        plan.leaf_name(path): " > ".join(level.nodes[node].label for level, node in zip(plan.levels, path, strict=True))
        for path in plan.leaves
    }
    return {ALL: "all rows"} | {name: label for name, label in named.items() if label != name}


def _by_leaf(scores: Sequence[Score]) -> list[tuple[str, list[Score]]]:
    """All rows first, then the leaves."""
    groups = [(leaf, list(own)) for leaf, own in groupby(scores, key=lambda one: one.leaf)]
    return sorted(groups, key=lambda one: one[0] != ALL)


def _bars(scores: Sequence[Score]) -> Callable[[Score], Markup]:
    """What draws the AUC of a score on one line for the whole table."""
    known = [one for one in scores if one.auc is not None]
    numbers = {task: at for at, task in enumerate(dict.fromkeys(one.task for one in scores))}
    values = [value for one in known for value in (one.auc, one.auc_low, one.auc_high) if value is not None]
    ends = (min([0.5, *values]), max([0.5, *values])) if values else (0.0, 1.0)

    def bar(score: Score) -> Markup:
        if score.auc is None:
            return Markup("")
        return interval_chart(score.auc, score.auc_low, score.auc_high, ends, f"c{numbers[score.task] % 6}", 0.5)

    return bar


def _curves(run: Run) -> list[tuple[str, Markup, list[tuple[str, int, bool]]]]:
    """Title, chart and legend of the losses of each task, and of the mean AUC."""
    history, charts = run.history, []
    kept = next((epoch.epoch for epoch in history if epoch.step == run.info["best step"]), None)
    for number, task in enumerate(run.plan.tasks.tasks):
        train = [(float(one.epoch), one.train_losses[task.name]) for one in history if task.name in one.train_losses]
        losses = [(float(one.epoch), one.valid_losses.get(task.name)) for one in history]
        valid = [(epoch, loss) for epoch, loss in losses if loss is not None]
        curves = [Curve("training", train, number, dashed=True), Curve("validation", valid, number)]
        title = f"log loss of {task.label}"
        legend = [(curve.name, number, curve.dashed) for curve in curves if curve.points]
        charts.append((title, curves_chart(title, curves, kept), legend))
    aucs = [(float(one.epoch), one.valid_mean_auc) for one in history if one.valid_mean_auc is not None]
    number = len(run.plan.tasks.tasks)
    title = "mean AUC on validation rows"
    charts.append(
        (title, curves_chart(title, [Curve("validation", aucs, number)], kept), [("validation", number, False)])
    )
    return [one for one in charts if one[1]]


def _calibrations(run: Run) -> list[tuple[str, list[tuple[str, Markup]]]]:
    """Leaf -> a chart for each task, all rows first; leaves without rows are left out."""
    numbers = {task.name: (at, task.label) for at, task in enumerate(run.plan.tasks.tasks)}
    groups = []
    for leaf, own in groupby(run.calibration, key=lambda one: one.leaf):
        charts = []
        for one in own:
            number, label = numbers[one.task]
            charts.append((label, calibration_chart(f"calibration of {label}: {leaf}", one.bins, number)))
        if any(chart for _, chart in charts):
            groups.append((leaf, charts))
    return sorted(groups, key=lambda one: one[0] != ALL)


def _sharing(run: Run) -> dict[str, Any] | None:
    """Pictures of what was learnt, a table and sentences; None of an architecture that selects nothing."""
    if run.plan.baseline is not None:
        return None
    dots = {
        "Which experts each node uses": sharing_graph(run.plan, run.usage),
        "Where rows go": flow_graph(run.plan, run.usage),
        "Weights, and how much nodes share": heat_map(run.plan, run.usage),
    }
    if epochs := run.usages():
        dots["How the experts' roles formed"] = training_map(run.plan, epochs)
    pictures, trouble = [], ""
    try:
        pictures = [(name, inline(picture_bytes(dot, "svg"))) for name, dot in dots.items()]
    except DrawingError as error:
        trouble = str(error)
    return {
        "pictures": pictures,
        "trouble": trouble,
        "table": page_table(experts_table(run.usage, "")),
        "said": experts_sentences(run.usage),
    }


def _seesaw(swings: Iterable[Swing]) -> list[tuple[Swing, Markup]]:
    """Each with a chart of its gain; longer intervals than twice the largest gain are cut off."""
    swings = list(swings)
    most = 2 * max((abs(one.gain.value) for one in swings), default=0.0) or 1.0
    return [
        (one, interval_chart(one.gain.value, one.gain.low, one.gain.high, (-most, most), one.verdict, 0.0))
        for one in swings
    ]


def _commands(run: Run) -> list[str]:
    """What makes this run again, and what was asked of it."""
    roots = run.info["roots"]
    folder = str(run.folder)
    spec = shlex.quote(f"{folder}/spec.aesm")
    data = f"AESM_DATA={shlex.quote(roots[-1])} " if roots else ""
    return [
        f"pip install aesm-dsl=={run.info['aesm']}",
        f"{data}aesm train {spec} -o {shlex.quote(folder + '-again')} --device {run.info['device']}",
        f"{data}aesm evaluate {shlex.quote(folder)}",
        f"aesm visualize {shlex.quote(folder)} -o report.html",
    ]
