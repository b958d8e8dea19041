"""`aesm visualize`: pictures of a spec or a run, and the page about a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aesm_dsl.api.compile import SpecLike, compile_spec
from aesm_dsl.api.load_run import as_run
from aesm_dsl.api.usage import usage
from aesm_dsl.files.whole import unwritten, write_text
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError
from aesm_dsl.spec.model import Spec

if TYPE_CHECKING:
    from aesm_dsl.training.compare import Comparison
    from aesm_dsl.training.run.folder import Run
    from aesm_dsl.training.sharing.usage import Usage

PAGE = ".html"


def visualize(
    what: SpecLike | Run,
    out: str | Path,
    *,
    form: str = "graph",
    by: str | None = None,
    layers: str = "best",
    comparison: str | Path | None = None,
    overrides: Sequence[str] = (),
) -> Path:
    """Draws a spec's hierarchy, or what a run learnt to share, into a .svg, .png, .pdf or .dot file.

    For a run, a name that ends in .html makes one self-contained page of everything that is known about the run.

    Args:
        what: a spec, the path of one, a run, or its folder.
        out: the file to write.
        form: for a run: "graph", boxes and lines; "heat", a table of weights in colours, and the sharing matrix;
            "flow", where rows go from level to level; "training", the weights epoch by epoch.
        by: for a graph or heat map: a level or feature, as `usage` takes it. Reads the rows the run was measured on.
        layers: for a run: "best" draws the layer of each level whose experts distinguish its nodes best, "first" and
            "last" the one at that position, "all" every layer.
        comparison: for a page: the folder of the comparison whose seesaw it shows; None for the one that trained the
            run.
        overrides: settings that replace those of a spec's file.

    Returns:
        `out` as a path.

    Raises:
        AesmError: the picture cannot be drawn or written, or the run has nothing of that kind.
        ValueError: no form has that name.
    """
    from aesm_dsl.report.draw import DrawingError, draw
    from aesm_dsl.report.structure_graph import structure_graph

    out = Path(out)
    if isinstance(what, Spec) or (isinstance(what, str | Path) and not Path(what).is_dir()):
        if out.suffix.lower() == PAGE:
            raise _not_drawn("a page shows a run; of a spec there are .svg, .png, .pdf and .dot")
        dot = structure_graph(compile_spec(what, overrides=overrides).hierarchy.graph)
    else:
        run = as_run(what)
        if out.suffix.lower() == PAGE:
            return _write_page(run, out, comparison)
        if run.plan.baseline is not None:
            from aesm_dsl.training.run.folder import nothing_selected

            raise AesmError(nothing_selected(run.plan.baseline.architecture))
        if by is not None and form not in ("graph", "heat"):
            raise _not_drawn(f"`{by}` can stand in for the nodes of a graph or a heat map, not of a {form} picture")
        counted = run.usage if by is None else usage(run, by=by)
        dot = _learnt(run, counted, form, layers, by)
    try:
        draw(dot, out)
    except DrawingError as error:
        raise _not_drawn(str(error)) from error
    except OSError as error:
        raise _not_drawn(unwritten(out, error)) from error
    return out


def _learnt(run: Run, usage: Usage, form: str, layers: str, by: str | None) -> str:
    """What a run learnt, in DOT."""
    from aesm_dsl.report.flow_graph import flow_graph
    from aesm_dsl.report.heat_map import heat_map, training_map
    from aesm_dsl.report.sharing_graph import sharing_graph

    if form == "flow":
        return flow_graph(run.plan, usage)
    if form == "training":
        return training_map(run.plan, run.usages(), layers)
    if form not in ("graph", "heat"):
        raise ValueError(f'a run is drawn as "graph", "heat", "flow" or "training", not {form!r}')
    return (sharing_graph if form == "graph" else heat_map)(run.plan, usage, layers, by)


def _write_page(run: Run, out: Path, comparison: str | Path | None) -> Path:
    from aesm_dsl.report.page import report_page

    text = report_page(run, _compared(run, comparison))
    try:
        write_text(out, text)
    except OSError as error:
        raise _not_drawn(unwritten(out, error)) from error
    return out


def _compared(run: Run, folder: str | Path | None) -> Comparison | None:
    """The comparison in a folder; without a folder the one that trained the run, if there is one."""
    from aesm_dsl.training.compare import Comparison

    home = Path(folder) if folder is not None else run.folder.absolute().parent.parent
    try:
        comparison = Comparison.from_json((home / "compare.json").read_text(encoding="utf-8"), home)
        own = any(home / path == run.folder.absolute() for paths in comparison.runs.values() for path in paths)
        return comparison if own or folder is not None else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        if folder is None:
            return None
        findings = Findings()
        findings.add(
            "E602", f"there is no comparison in `{folder}`: {error}", help="`aesm compare SPEC -o DIR` makes one"
        )
        raise AesmError(findings) from error


def _not_drawn(why: str) -> AesmError:
    findings = Findings()
    findings.add("E605", f"the picture was not drawn: {why}")
    return AesmError(findings)
