"""A path as written in a spec (a file, a folder or a glob, here or at a URL) -> the files that it means.

Findings: E501 (nothing there), E502 (no rows there), E515 (a table that keeps versions, or parts side by side) and
W514 (files that might be rows are left out).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aesm_dsl.data.reading.file_endings import KINDS
from aesm_dsl.data.reading.folder import Choice, choose_files, splits_of
from aesm_dsl.data.reading.place import Place, Within
from aesm_dsl.data.reading.table_formats import TableFormat, format_around, format_of
from aesm_dsl.findings.diagnostic import Findings, quoted
from aesm_dsl.findings.source import Span


@dataclass(frozen=True, slots=True)
class Pattern:
    """A path as written, and where its findings go."""

    text: str
    span: Span | None
    findings: Findings
    csv_is_stated: bool = False
    """Whether files are csv whose bytes and names say nothing."""
    any_type: bool = False
    """Whether the pattern means files whatever they hold."""


def files_of(pattern: Pattern, place: Place, path: str) -> list[str]:
    """Returns the whole paths of the files that a path or glob of a place means; adds E515, E502 and W514.

    Args:
        pattern: the path as written.
        place: where it is looked up.
        path: the whole path there.
    """
    hits = place.matches(path)
    literal = hits == [path] or pattern.any_type
    if _report_versions(pattern, place, hits):
        return []
    files: list[str] = []
    left = Choice()
    single = [] if literal else [hit for hit in hits if not place.is_folder(hit)]
    if single:
        root = os.path.commonpath([os.path.dirname(hit) for hit in single])
        chosen = choose_files(
            [hit[len(root) :].lstrip("/") for hit in single],
            Within(place, root),
            one_type=False,
            csv_is_stated=pattern.csv_is_stated,
        )
        taken = {f"{root.rstrip('/')}/{name}" for name in chosen.files}
        _join(left, chosen, "")
    for hit in hits:
        if place.is_folder(hit):
            chosen = _in_folder(pattern, place, hit)
            files += [f"{hit.rstrip('/')}/{name}" for name in chosen.files]
            _join(left, chosen, f"{os.path.basename(hit)}/" if len(hits) > 1 else "")
        elif literal or hit in taken:
            files.append(hit)
    _report_left_out(pattern, files, left, bool(hits))
    return files


def _in_folder(pattern: Pattern, place: Place, folder: str) -> Choice:
    """The files of a folder; none after adding E515."""
    paths = place.below(folder)
    if found := format_of(paths):
        kind, inside = found
        _report_format(pattern, kind, f"{folder}/{inside}".rstrip("/"))
        return Choice()
    parts = splits_of(paths)
    if len(parts) > 1:
        in_folders = "dataset_dict.json" in paths
        ways = [f"{pattern.text.rstrip('/')}/{part if in_folders else f'*{part}*.arrow'}" for part in parts]
        message = f"`{pattern.text}` holds several parts of a data set side by side: {quoted(parts)}"
        helps = f"name the part that is meant: {quoted(ways)}"
        pattern.findings.add("E515", message, pattern.span, label="they would be read as one table", help=helps)
        return Choice()
    return choose_files(paths, Within(place, folder), one_type=True, csv_is_stated=pattern.csv_is_stated)


def _report_versions(pattern: Pattern, place: Place, hits: Sequence[str]) -> bool:
    """Adds E515 if a file or folder lies in a table that keeps versions; whether one does."""
    folders = dict.fromkeys(hit if place.is_folder(hit) else hit.rpartition("/")[0] for hit in hits)
    for folder in folders:
        if found := format_around(folder.rstrip("/"), place.names):
            _report_format(pattern, *found)
            return True
    return False


def _report_format(pattern: Pattern, kind: TableFormat, folder: str) -> None:
    inside = os.path.relpath(folder) if os.path.isdir(folder) and not os.path.isabs(pattern.text) else folder
    shown = inside if not inside.startswith("..") else folder
    pattern.findings.add(
        "E515",
        f"`{pattern.text}` is a table of {kind.name}, which keeps rows of older versions and deleted rows",
        pattern.span,
        label="its files together are not its rows",
        help=[f"write the rows of its newest version as parquet, {kind.way_out.format(shown)}", "then read that file"],
    )


def _report_left_out(pattern: Pattern, files: Sequence[str], left: Choice, found: bool) -> None:
    """Adds E502 if something is there but no rows, W514 if files are left out that might be rows."""
    findings = pattern.findings
    if found and not files and left.left_out:
        endings = ", ".join(ending for kind in KINDS.values() for ending in kind)
        helps = [*left.reasons, f"names of data files end with {endings}"]
        findings.add("E502", f"no file of rows in `{pattern.text}`", pattern.span, label="nothing to read", help=helps)
    elif files and left.told:
        out = sum(len(paths) for paths in left.left_out.values())
        message = f"of `{pattern.text}` {_files(len(files))} read and {out:,} left out"
        helps = [*left.reasons, "name the files that are meant, or put the others elsewhere"]
        findings.add("W514", message, pattern.span, label="not all of its files are read", help=helps)


def _files(count: int) -> str:
    return "1 file is" if count == 1 else f"{count:,} files are"


def _join(into: Choice, choice: Choice, prefix: str) -> None:
    for reason, paths in choice.left_out.items():
        for path in paths:
            into.leave_out(reason, prefix + path)


def local_name(path: str, root: Path) -> str:
    """Returns what findings call a file: its path from the root it was found under, if it lies there."""
    return str(Path(path).relative_to(root)) if Path(path).is_relative_to(root) else path
