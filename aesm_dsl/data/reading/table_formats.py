"""Folders that are no plain folders of files: a log or a list in them says which rows count.

A table of Delta Lake, Iceberg, Hudi, Lance or Paimon keeps the files of its older versions, and rows that were deleted
since. Reading all of its files would bring them back, so such a folder is refused, with the way to its rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TableFormat:
    """A format of tables that keep versions."""

    name: str
    marker: re.Pattern[str]
    """Matches the path, from the table's folder, of something that every such table has."""
    beside: tuple[str, ...]
    """Folders in the table's folder that are not empty; the marker is in the first one."""
    way_out: str
    """A command that writes the rows of the newest version; `{}` is the table's folder."""


_SPARK = 'with Spark: `spark.read.format("{}").load("{{}}").write.parquet("rows")`'

TABLE_FORMATS = (
    TableFormat(
        "Delta Lake",
        re.compile(r"_delta_log/"),
        ("_delta_log",),
        'in Python: `polars.scan_delta("{}").sink_parquet("rows.parquet")`',
    ),
    TableFormat("Hudi", re.compile(r"\.hoodie/"), (".hoodie",), _SPARK.format("hudi")),
    TableFormat(
        "Iceberg",
        re.compile(r"metadata/[^/]*\.metadata\.json"),
        ("metadata",),
        'in Python: `polars.scan_iceberg("METADATA.json").sink_parquet("rows.parquet")`, with the newest file of '
        "`{}/metadata`",
    ),
    TableFormat(
        "Lance",
        re.compile(r"_versions/[^/]*\.manifest"),
        ("_versions", "data"),
        'in Python: `aesm_dsl.train(..., data=lance.dataset("{}").to_table())`, or write that table as parquet',
    ),
    TableFormat(
        "Paimon", re.compile(r"snapshot/snapshot-\d+"), ("snapshot", "manifest", "schema"), _SPARK.format("paimon")
    ),
)


def format_of(paths: Sequence[str]) -> tuple[TableFormat, str] | None:
    """Returns the first format whose marker is among the paths, and the folder of its table; None if there is none.

    Args:
        paths: the paths of all files below a folder, from there.
    """
    for path in paths:
        for kind in TABLE_FORMATS:
            if found := re.search(rf"(?:^|/){kind.marker.pattern}", path):
                return kind, path[: found.start()]
    return None


def format_around(folder: str, names: Callable[[str], Sequence[str]]) -> tuple[TableFormat, str] | None:
    """Returns the format of the table that a folder lies in, and the folder of that table; None if there is none.

    Args:
        folder: a path.
        names: the names in a folder; empty if it is none.
    """
    while folder and not folder.endswith(":/"):
        for kind in TABLE_FORMATS:
            first, *others = kind.beside
            inside = names(f"{folder}/{first}")
            fits = any(kind.marker.match(f"{first}/{name}") for name in inside)
            if fits and all(names(f"{folder}/{other}") for other in others):
                return kind, folder
        folder = folder.rpartition("/")[0]
    return None
