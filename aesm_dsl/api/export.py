"""`aesm export`: a run as a model for a server, and the description of the model's inputs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aesm_dsl.api.load_run import as_run
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError

if TYPE_CHECKING:
    from aesm_dsl.training.run.folder import Run


def export(run: Run | str | Path, out: str | Path | None = None, *, to: str = "onnx", overwrite: bool = False) -> Path:
    """Exports a run as a model that a server runs without aesm, and a description of its inputs.

    The description, a JSON file of the same name, says how columns become the model's inputs. An ONNX model of more
    than 2 GiB has its large constants in a third file, NAME.onnx.data. Each file is written whole or not at all,
    and the model last.

    Args:
        run: a run, or its folder.
        out: the model's file; None for NAME.onnx or NAME.pt2.
        to: "onnx", for any ONNX runtime (extra `export`); or "pt2", a program of torch.export, for torch alone.
        overwrite: replace files that exist.

    Returns:
        The path of the model.

    Raises:
        AesmError: a file exists, or the run cannot be exported.
        ValueError: `to` is neither of the two.
    """
    from aesm_dsl.serving.export import data_file, description_file, unfinished, write_export

    if to not in ("onnx", "pt2"):
        raise ValueError(f'a run is exported to "onnx" or "pt2", not {to!r}')
    findings = Findings()
    loaded = as_run(run)
    file = Path(out) if out is not None else Path(f"{loaded.plan.name}.{to}")
    if file.suffix != f".{to}":
        findings.add("E630", f"`{file}` is no name of an export to {to}", help=f"its name ends with `.{to}`")
    for path in (file, description_file(file), *([data_file(file)] if to == "onnx" else [])):
        if path.exists() and not overwrite and not unfinished(file):
            help = ["`--overwrite` replaces it", "`-o` names another file"]
            findings.add("E601", f"`{path}` exists already", help=help)
    if not findings.errors:
        write_export(loaded, to, file, findings)
    if findings.errors:
        raise AesmError(findings)
    return file
