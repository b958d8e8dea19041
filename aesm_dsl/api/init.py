"""`aesm init`: a first spec, drafted from a table."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from aesm_dsl.data.draft.csv_format import guess_csv_format, guess_missing_words
from aesm_dsl.data.draft.infer_roles import infer_roles
from aesm_dsl.data.draft.write_spec import draft_spec
from aesm_dsl.data.reading.files import find_files
from aesm_dsl.files.whole import write_text
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError


def init(
    table: str | Path,
    out: str | Path | None = None,
    *,
    overwrite: bool = False,
    warn: Callable[[Findings], None] = lambda findings: None,
) -> Path:
    """Drafts a spec from a table, and writes it with a comment wherever something was guessed.

    Args:
        table: a parquet or csv file, a folder or a glob of them.
        out: the spec to write; None for the table's name with .aesm.
        overwrite: replace a file that exists.
        warn: called once, with the warnings, such as files that are left out.

    Returns:
        The path of the spec.

    Raises:
        AesmError: the table cannot be read, no label is found in it, or the file exists.
    """
    findings = Findings()
    stem = Path(table).name.partition(".")[0].replace("*", "") or "model"
    path = Path(out) if out is not None else Path(f"{stem}.aesm")
    if path.exists() and not overwrite:
        findings.add("E601", f"`{path}` exists already", help=["`--overwrite` replaces it", "`-o` names another file"])
        raise AesmError(findings)
    csv = guess_csv_format(str(table), [Path.cwd()])
    files = find_files([str(table)], [Path.cwd()], None, findings, csv)
    if findings.errors:
        raise AesmError(findings)
    if words := guess_missing_words(files):
        csv = replace(csv, null=words)
        files = [replace(file, csv=replace(file.csv, csv=csv)) if file.csv is not None else file for file in files]
    roles = infer_roles(files, findings)
    if roles is None:
        raise AesmError(findings)
    roles.csv = csv
    beside = os.path.relpath(Path(table).absolute(), path.absolute().parent)
    write_text(path, draft_spec(roles, beside, stem))
    warn(findings)
    return path
