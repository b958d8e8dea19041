"""`aesm experts`: which experts the nodes of a run use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aesm_dsl.api.load_run import as_run
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError

if TYPE_CHECKING:
    from aesm_dsl.data.reading.frames import TableLike
    from aesm_dsl.training.run.folder import Run
    from aesm_dsl.training.sharing.usage import Usage


def usage(
    run: Run | str | Path, data: str | Path | TableLike | None = None, *, by: str | None = None, device: str = "auto"
) -> Usage:
    """Counts which experts every node of a run uses: on the rows it was measured on, or on another table.

    Args:
        run: a run, or its folder.
        data: a table with the columns of features and levels (labels are not read): a path, or rows in memory; None
            takes the rows that the run was measured on.
        by: a level or a feature whose nodes or values take the place of the nodes of every level: the most frequent
            values of a category, or ranges of a number.
        device: "auto" (CUDA if there is one), "cpu", "cuda" or "cuda:1".

    Returns:
        The usage; its `sharing` gives the sharing matrix, roles, entropy and mutual information of a layer.

    Raises:
        AesmError: the run or the table cannot be read, the run is of a baseline, or `by` names nothing.
    """
    from aesm_dsl.training.evaluate import usage_run

    findings = Findings()
    counted = usage_run(as_run(run), data, by, device, findings)
    if counted is None:
        raise AesmError(findings)
    return counted
