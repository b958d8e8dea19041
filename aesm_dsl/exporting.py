"""`export`: a run as files that a server needs, written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aesm_dsl.diagnostic import Findings
from aesm_dsl.error import AesmError
from aesm_dsl.pipeline import load_run
from aesm_dsl.spec_file import write_bytes, write_text

if TYPE_CHECKING:
    from aesm_dsl.training.run import Run


def export(run: Run | str | Path, out: str | Path | None = None, *, overwrite: bool = False) -> Path:
    """The path of the ONNX model that was written, `out` (by default NAME.onnx), with its description beside it.

    A server runs the model with any ONNX runtime; the description, a JSON file of the same name, says how columns
    become the model's inputs. Needs the extra `export`.
    """
    from aesm_dsl.serving.export import description, onnx_bytes, refuse_export

    findings = Findings()
    loaded = load_run(run) if isinstance(run, str | Path) else run
    file = Path(out) if out is not None else Path(f"{loaded.plan.name}.onnx")
    described = file.with_suffix(".json")
    refuse_export(loaded.plan, findings)
    if file.suffix != ".onnx":
        findings.add("E630", f"`{file}` is no name of an export", help="its name ends with `.onnx`")
    for path in (file, described):
        if path.exists() and not overwrite:
            helps = ["`--overwrite` replaces it", "`-o` names another file"]
            findings.add("E601", f"`{path}` exists already", help=helps)
    model = onnx_bytes(loaded, findings) if not findings.errors else None
    if model is None:
        raise AesmError(findings)
    write_bytes(file, model)
    write_text(described, description(loaded, file.name, model))
    return file
