"""`OwnColumns`: the columns of features that only rows of some nodes have.

What such a column holds in other rows is nobody's business: it is blanked there, before any check or encoder sees it,
and a file without such rows may lack it. Finding: E503 for a file that lacks it but has such rows.

Axes: R rows, L levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.reading.checked_rows import CheckedRows, Nodes, rows_text
from aesm_dsl.data.reading.files import TableRows
from aesm_dsl.data.reading.values import Mask
from aesm_dsl.findings.diagnostic import Findings, quoted
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import Plan


def has_feature(plan: Plan, feature: FeaturePlan, node_RL: Nodes) -> Mask:
    """Returns the rows that have a feature."""
    has_R = np.full(len(node_RL), not feature.only, dtype=np.bool_)
    for depth, level in enumerate(plan.levels):
        nodes = [index for index, node in enumerate(level.nodes) if (level.name, node.name) in feature.only]
        if nodes:
            has_R |= np.isin(node_RL[:, depth], nodes)
    return has_R


class OwnColumns:
    """Blanks the columns of one part's rows, and counts the rows with a feature in files that lack its column."""

    def __init__(self, plan: Plan, features: Sequence[FeaturePlan], locate: Locate) -> None:
        self._plan, self._locate = plan, locate
        self._features = {feature.column: feature for feature in features if feature.only and feature.column}
        self._lacking: dict[str, tuple[dict[str, None], int]] = {}
        """Column -> the files that lack it though they have rows with the feature, and how many rows."""

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self._features)

    def blank(self, chunk: CheckedRows, read: TableRows) -> CheckedRows:
        """Returns the chunk with empty cells in the rows that do not have the feature of a column.

        Args:
            chunk: the rows, with all columns.
            read: the same rows with the columns that their file has.
        """
        blanked: list[pl.Series] = []
        for column, feature in self._features.items():
            has_R = has_feature(self._plan, feature, chunk.node_RL)
            if column not in read.frame.columns:
                if has_R.any():
                    files, rows = self._lacking.get(column, ({}, 0))
                    self._lacking[column] = files | {read.file: None}, rows + int(has_R.sum())
            elif not has_R.all():
                cells = chunk.rows.frame[column]
                blanked.append(pl.select(pl.when(pl.lit(pl.Series(has_R))).then(pl.lit(cells)).alias(column))[column])
        if not blanked:
            return chunk
        partly = replace(chunk.rows, frame=chunk.rows.frame.with_columns(blanked))
        return replace(chunk, rows=partly, whole=chunk.rows)

    def report(self, findings: Findings) -> None:
        """Adds one E503 for each column that a file lacks."""
        for column, (files, rows) in self._lacking.items():
            feature = self._features[column]
            nodes = quoted(node for _, node in feature.only)
            findings.add(
                "E503",
                f"no column `{column}` in {quoted(files, 3)}, which has {rows_text(rows)} of {nodes}",
                self._locate(f"features.{feature.group}.{feature.name}"),
                label=f"rows of {nodes} have it",
                help="leave the cell empty where the value is missing",
            )
