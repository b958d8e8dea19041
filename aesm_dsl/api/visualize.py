"""Pictures: a spec's structure, what a run learnt to share, and all that is known of a run as one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aesm_dsl.api.compile import SpecLike, compile_spec
from aesm_dsl.api.load_run import load_run
from aesm_dsl.api.usage import usage
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.spec_file import write_text

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
    """Draws a spec's hierarchy, or what a run learnt to share, into a .svg, .png, .pdf or .dot file; returns its path.

    Of a run, a name that ends in .html makes one page of all that is known of it, which needs no other file.

    form        of a run: "graph", boxes and lines; "heat", a table of weights in colours, and the sharing matrix;
                "flow", where rows go from level to level; "training", the weights epoch by epoch
    by          of a graph or heat map: a level or feature as `usage` takes it; reads the rows the run was measured on
    layers      of a run: "best" draws of each level the layer whose experts tell its nodes apart best, "first" and
                "last" the one of that place, "all" every layer
    comparison  for a page: the folder of a comparison, whose seesaw it shows; None takes the one that trained the run
    """
    from aesm_dsl.report.picture import DrawingError, draw, structure

    out = Path(out)
    if isinstance(what, Spec) or (isinstance(what, str | Path) and not Path(what).is_dir()):
        if out.suffix.lower() == PAGE:
            raise _not_drawn("a page shows a run; of a spec there are .svg, .png, .pdf and .dot")
        dot = structure(compile_spec(what, overrides=overrides).hierarchy.graph)
    else:
        run = load_run(what) if isinstance(what, str | Path) else what
        if out.suffix.lower() == PAGE:
            return _write_page(run, out, comparison)
        if run.plan.baseline is not None:
            from aesm_dsl.training.run.folder import nothing_selected

            raise AesmError(nothing_selected(run.plan.baseline.architecture))
        if by is not None and form not in ("graph", "heat"):
            raise _not_drawn(f"`{by}` can stand in for the nodes of a graph or a heat map, not of a {form} picture")
        seen = run.usage if by is None else usage(run, by=by)
        dot = _learnt(run, seen, form, layers, by)
    try:
        draw(dot, out)
    except (DrawingError, OSError) as error:
        raise _not_drawn(str(error)) from error
    return out


def _learnt(run: Run, seen: Usage, form: str, layers: str, by: str | None) -> str:
    """DOT of what a run learnt."""
    from aesm_dsl.report.picture import flow_graph, heat_map, sharing_graph, training_map

    if form == "flow":
        return flow_graph(run.plan, seen)
    if form == "training":
        return training_map(run.plan, run.usages(), layers)
    if form not in ("graph", "heat"):
        raise ValueError(f'a run is drawn as "graph", "heat", "flow" or "training", not {form!r}')
    return (sharing_graph if form == "graph" else heat_map)(run.plan, seen, layers, by)


def _write_page(run: Run, out: Path, comparison: str | Path | None) -> Path:
    from aesm_dsl.report.page import report_page

    text = report_page(run, _compared(run, comparison))
    try:
        write_text(out, text)
    except OSError as error:
        raise _not_drawn(str(error)) from error
    return out


def _compared(run: Run, folder: str | Path | None) -> Comparison | None:
    """The comparison in a folder, else that which trained the run as one of its own, if there is one."""
    from aesm_dsl.training.compare import Comparison

    place = Path(folder) if folder is not None else run.folder.absolute().parent.parent
    try:
        found = Comparison.from_json((place / "compare.json").read_text(encoding="utf-8"), place)
        own = any(place / path == run.folder.absolute() for paths in found.runs.values() for path in paths)
        return found if own or folder is not None else None
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
