"""A run as one self-contained page of HTML: it needs no network and no other file.

jinja2 fills the template page/page.html, where everything that comes from a spec or a table is escaped.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Collection, Iterable, Sequence
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
from aesm_dsl.report.charts import COLOURS, Curve, calibration_chart, curves_chart, interval_chart
from aesm_dsl.report.comparison import comparison_tables
from aesm_dsl.report.draw import DrawingError, picture_bytes
from aesm_dsl.report.experts import experts_sentences, experts_table
from aesm_dsl.report.flow_graph import flow_graph
from aesm_dsl.report.heat_map import heat_map, training_map
from aesm_dsl.report.inline_svg import inline
from aesm_dsl.report.metrics_table import MOST_LEAVES, most_telling, queries_table
from aesm_dsl.report.profile import advice, profile_tables
from aesm_dsl.report.sharing_graph import sharing_graph
from aesm_dsl.report.sharing_words import sharing_sentences
from aesm_dsl.syntax.pygments_lexer import AesmLexer
from aesm_dsl.training.compare import Comparison, Swing
from aesm_dsl.training.metrics.scores import ALL, Score, mean
from aesm_dsl.training.run.folder import Run

MOST_DRAWN = 40
"""Of more nodes in a level, pictures show those with the most rows."""
MOST_LISTED = 20_000
"""Lines of the table of all leaves, at most."""


@dataclass(frozen=True, slots=True)
class PageTable:
    """A table as plain text, for the template."""

    title: str
    caption: str
    heads: tuple[str, ...]
    right: tuple[bool, ...]
    """Whether each column is aligned to the right, as numbers are."""
    rows: tuple[tuple[str, ...], ...]


def report_page(run: Run, comparison: Comparison | None = None) -> str:
    """Returns the page of a run as HTML.

    If no Graphviz is installed, a sentence says so in place of the pictures.

    Args:
        run: the run.
        comparison: a comparison that the run took part in.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("aesm_dsl.report", "page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["with_code"] = with_code
    template = environment.get_template("page.html")
    telling, left_out = most_telling(run.metrics)
    shown = set(telling["leaf"])
    return template.render(
        run=run,
        title=run.plan.label,
        labels={task.name: task.label for task in run.plan.tasks.tasks},
        leaves=_leaf_labels(run.plan),
        all_rows=ALL,
        facts=_facts(run),
        scores=_by_leaf([score for score in run.scores if score.leaf in shown]),
        left_out=left_out,
        most=MOST_LEAVES,
        every_score=_largest_first(run.scores) if left_out else [],
        most_listed=MOST_LISTED,
        has_users=any(score.users is not None for score in run.scores),
        queries=[page_table(table) for table in queries_table(run.metrics, run.plan)],
        bar=_bars(run.scores),
        curves=_curves(run),
        calibration=_calibrations(run, shown),
        sharing=_sharing(run),
        comparison=comparison and [page_table(table) for table in comparison_tables(comparison)[:2]],
        seesaw=comparison and _seesaw(comparison.seesaw),
        profile=[page_table(table) for table in profile_tables(run.profile)],
        advice=advice(run.profile),
        spec=highlighted(run.spec),
        info=json.dumps(run.info, ensure_ascii=False, indent=2),
        commands=_commands(run),
    )


def page_table(table: Table) -> PageTable:
    """Returns a table for a terminal as one for the page."""
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
    """Returns a sentence, escaped, with the words between backticks as code."""
    parts = re.split(r"`([^`]*)`", text)  # outside and inside of backticks in turns
    marked = (Markup("<code>{}</code>").format(part) if at % 2 else escape(part) for at, part in enumerate(parts))
    return Markup("").join(marked)


def highlighted(spec: str) -> Markup:
    """Returns the text of a spec, with every character unchanged, as HTML with a class for each colour."""
    lexer = AesmLexer(stripnl=False, ensurenl=False)
    return Markup(highlight(spec, lexer, HtmlFormatter(nowrap=True, classprefix="is-")))


def _plain(value: Any) -> str:
    """The text of a cell, without the markup that tables add.

    rich's own parser of markup would also take square brackets in a user's words for markup.
    """
    return "" if value is None else str(value).replace("[bold]", "").replace("[/bold]", "")


def _facts(run: Run) -> list[tuple[str, str]]:
    """Names and values of the summary on top of the page."""
    info, total, value = run.info, cost(run.plan).total, mean(run.scores, "mean_auc")
    rows = ", ".join(f"{count:,} {part}" for part, count in info["rows"].items())
    facts = [
        ("mean AUC", "-" if value is None else f"{value:.4f}"),
        ("rows", rows),
        ("measured on", f"{info['measured on']} rows"),
        ("architecture", info["architecture"]),
        ("parameters", f"{info['parameters']:,}, {total.parameters:,} without embedding tables"),
        (
            "FLOPs per row",
            f"{total.selected:,}" + ("" if run.plan.baseline else f" ({total.dense:,} with all experts)"),
        ),
        ("trained", f"{info['steps']:,} steps in {info['seconds']:,} s on {info['device']}"),
    ]
    if info["best step"] != info["steps"]:
        facts.append(("weights of step", f"{info['best step']:,}"))
    return facts


def _leaf_labels(plan: Plan) -> dict[str, str]:
    """The labels of a leaf's nodes by the leaf's name, for leaves whose labels differ from the names."""
    labels = {
        plan.leaf_name(path): " > ".join(level.nodes[node].label for level, node in zip(plan.levels, path, strict=True))
        for path in plan.leaves
    }
    return {ALL: "all rows"} | {name: label for name, label in labels.items() if label != name}


def _by_leaf(scores: Sequence[Score]) -> list[tuple[str, list[Score]]]:
    """The scores of each leaf; those of all rows first."""
    groups = [(leaf, list(of_leaf)) for leaf, of_leaf in groupby(scores, key=lambda score: score.leaf)]
    return sorted(groups, key=lambda group: group[0] != ALL)


def _bars(scores: Sequence[Score]) -> Callable[[Score], Markup]:
    """Returns a function that draws the AUC of a score; all scores are drawn to the same scale."""
    known = [score for score in scores if score.auc is not None]
    numbers = {task: number for number, task in enumerate(dict.fromkeys(score.task for score in scores))}
    values = [value for score in known for value in (score.auc, score.auc_low, score.auc_high) if value is not None]
    ends = (min([0.5, *values]), max([0.5, *values])) if values else (0.0, 1.0)

    def bar(score: Score) -> Markup:
        if score.auc is None:
            return Markup("")
        look = f"c{numbers[score.task] % COLOURS}"
        return interval_chart(score.auc, score.auc_low, score.auc_high, ends=ends, look=look, zero=0.5)

    return bar


def _curves(run: Run) -> list[tuple[str, Markup, list[tuple[str, int, bool]]]]:
    """Title, chart and legend of each task's losses, and of the mean AUC."""
    history, charts = run.history, []
    kept_epoch = next((epoch.epoch for epoch in history if epoch.step == run.info["best step"]), None)
    for number, task in enumerate(run.plan.tasks.tasks):
        train = [
            (float(epoch.epoch), epoch.train_losses[task.name]) for epoch in history if task.name in epoch.train_losses
        ]
        losses = [(float(epoch.epoch), epoch.valid_losses.get(task.name)) for epoch in history]
        valid = [(epoch, loss) for epoch, loss in losses if loss is not None]
        curves = [Curve("training", train, number, dashed=True), Curve("validation", valid, number)]
        title = f"log loss of {task.label}"
        legend = [(curve.name, number, curve.dashed) for curve in curves if curve.points]
        charts.append((title, curves_chart(title, curves, kept_epoch), legend))
    aucs = [(float(epoch.epoch), epoch.valid_mean_auc) for epoch in history if epoch.valid_mean_auc is not None]
    number = len(run.plan.tasks.tasks)
    title = "mean AUC on validation rows"
    charts.append(
        (title, curves_chart(title, [Curve("validation", aucs, number)], kept_epoch), [("validation", number, False)])
    )
    return [chart for chart in charts if chart[1]]


def _largest_first(scores: Sequence[Score]) -> list[Score]:
    """The scores of the leaves, those of the largest leaves first, at most MOST_LISTED."""
    rows: dict[str, int] = {}
    for score in scores:
        rows[score.leaf] = max(score.rows, rows.get(score.leaf, 0))
    return sorted((score for score in scores if score.leaf != ALL), key=lambda score: -rows[score.leaf])[:MOST_LISTED]


def _calibrations(run: Run, shown: Collection[str]) -> list[tuple[str, list[tuple[str, Markup]]]]:
    """The label and chart of each task by leaf, all rows first; leaves without rows are left out.

    Args:
        run: the run.
        shown: the leaves that have charts.
    """
    numbers = {task.name: (number, task.label) for number, task in enumerate(run.plan.tasks.tasks)}
    groups = []
    calibrations = [calibration for calibration in run.calibration if calibration.leaf in shown]
    for leaf, of_leaf in groupby(calibrations, key=lambda calibration: calibration.leaf):
        charts = []
        for calibration in of_leaf:
            number, label = numbers[calibration.task]
            charts.append((label, calibration_chart(f"calibration of {label}: {leaf}", calibration.bins, number)))
        if any(chart for _, chart in charts):
            groups.append((leaf, charts))
    return sorted(groups, key=lambda group: group[0] != ALL)


def _sharing(run: Run) -> dict[str, Any] | None:
    """Pictures, a table and sentences about what was learnt; None for an architecture that selects no experts."""
    if run.plan.baseline is not None:
        return None
    kept = {
        layer.level: sorted(layer.nodes, key=dict(zip(layer.nodes, layer.rows_N, strict=True)).__getitem__)[
            -MOST_DRAWN:
        ]
        for layer in run.usage
        if len(layer.nodes) > MOST_DRAWN
    }
    usage = run.usage.of_nodes(kept)
    dots = {
        "Which experts each node uses": sharing_graph(run.plan, usage),
        "Where rows go": flow_graph(run.plan, usage),
        "Weights, and how much nodes share": heat_map(run.plan, usage),
    }
    if epochs := tuple((epoch, then.of_nodes(kept)) for epoch, then in run.usages()):
        dots["How the experts' roles formed"] = training_map(run.plan, epochs)
    pictures, error_text = [], ""
    try:
        pictures = [(name, inline(picture_bytes(dot, "svg"))) for name, dot in dots.items()]
    except DrawingError as error:
        error_text = str(error)
    return {
        "pictures": pictures,
        "error": error_text,
        "cut": [f"`{level}`: the {MOST_DRAWN} nodes with the most rows are drawn" for level in kept],
        "table": page_table(experts_table(run.usage, "")),
        "sentences": [*sharing_sentences(run.plan, run.usage), *experts_sentences(run.usage)],
    }


def _seesaw(swings: Iterable[Swing]) -> list[tuple[Swing, Markup]]:
    """Every swing with a chart of its gain; intervals are cut off at twice the largest gain."""
    swings = list(swings)
    most = 2 * max((abs(swing.gain.value) for swing in swings), default=0.0) or 1.0
    charts = []
    for swing in swings:
        gain = swing.gain
        chart = interval_chart(gain.value, gain.low, gain.high, ends=(-most, most), look=swing.verdict, zero=0.0)
        charts.append((swing, chart))
    return charts


def _commands(run: Run) -> list[str]:
    """Shell commands that train, evaluate and draw this run again."""
    roots = run.info["roots"]
    folder = str(run.folder)
    spec = shlex.quote(f"{folder}/spec.aesm")
    data = f"AESM_DATA={shlex.quote(roots[-1])} " if roots else ""
    return [
        f"pip install {shlex.quote('aesm-dsl==' + run.info['aesm'])}",
        f"{data}aesm train {spec} -o {shlex.quote(folder + '-again')} --device {shlex.quote(run.info['device'])}",
        f"{data}aesm evaluate {shlex.quote(folder)}",
        f"aesm visualize {shlex.quote(folder)} -o report.html",
    ]
