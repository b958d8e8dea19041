"""`export`: a run as files that a server needs, written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aesm_dsl.api.load_run import load_run
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError
from aesm_dsl.spec.spec_file import write_bytes, write_text

if TYPE_CHECKING:
    from aesm_dsl.training.run.folder import Run


def export(run: Run | str | Path, out: str | Path | None = None, *, to: str = "onnx", overwrite: bool = False) -> Path:
    """The path of the model that was written, `out` (by default NAME.onnx), with its description beside it.

    to  "onnx": any ONNX runtime runs it; needs the extra `export`. "pt2": an exported program, for torch alone

    The description, a JSON file of the same name, says how columns become the model's inputs. Raises ValueError for
    another form.
    """
    from aesm_dsl.serving.export import description, model_bytes

    if to not in ("onnx", "pt2"):
        raise ValueError(f'a run is exported to "onnx" or "pt2", not {to!r}')
    findings = Findings()
    loaded = load_run(run) if isinstance(run, str | Path) else run
    file = Path(out) if out is not None else Path(f"{loaded.plan.name}.{to}")
    described = file.with_suffix(".json")
    if file.suffix != f".{to}":
        findings.add("E630", f"`{file}` is no name of an export to {to}", help=f"its name ends with `.{to}`")
    for path in (file, described):
        if path.exists() and not overwrite:
            helps = ["`--overwrite` replaces it", "`-o` names another file"]
            findings.add("E601", f"`{path}` exists already", help=helps)
    model = model_bytes(loaded, to, findings) if not findings.errors else None
    if model is None:
        raise AesmError(findings)
    write_bytes(file, model)
    write_text(described, description(loaded, file.name, model))
    return file
