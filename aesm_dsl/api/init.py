"""From a table to a first spec, the way into the pipeline."""

from __future__ import annotations

import os
from pathlib import Path

from aesm_dsl.data.draft.infer_roles import draft as draft_of
from aesm_dsl.data.draft.write_spec import draft_spec
from aesm_dsl.data.reading.files import find
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError
from aesm_dsl.spec.spec_file import write_text


def draft(table: str | Path, out: str | Path | None = None, *, overwrite: bool = False) -> Path:
    """Drafts a spec from a table and writes it to `out` (default: the table's name with .aesm); returns its path.

    table      a parquet or csv file, a folder or glob of them
    overwrite  replace a file that is there
    """
    findings = Findings()
    stem = Path(table).name.partition(".")[0].replace("*", "") or "model"
    path = Path(out) if out is not None else Path(f"{stem}.aesm")
    if path.exists() and not overwrite:
        findings.add("E601", f"`{path}` exists already", help=["`--overwrite` replaces it", "`-o` names another file"])
        raise AesmError(findings)
    files = find([str(table)], [Path.cwd()], None, findings)
    if findings.errors:
        raise AesmError(findings)
    found = draft_of(files, findings)
    if found is None:
        raise AesmError(findings)
    beside = os.path.relpath(Path(table).absolute(), path.absolute().parent)
    write_text(path, draft_spec(found, beside, stem))
    return path
