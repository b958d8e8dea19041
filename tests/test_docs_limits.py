"""docs/limits.md says what the code does."""

from __future__ import annotations

import re
import typing

from aesm_dsl.api.serve import FEWEST_CONNECTIONS
from aesm_dsl.cli.serve import serve
from aesm_dsl.data.cache_eviction import RETENTION_DAYS
from aesm_dsl.data.checks.duplicate_rows import MOST_HASHES
from aesm_dsl.data.checks.number_range import LARGEST
from aesm_dsl.data.checks.targets import MOST_UNKNOWN_VALUES
from aesm_dsl.data.reading.csv_bytes import FIRST_LINE
from aesm_dsl.data.reading.files import CHUNK_ROWS
from aesm_dsl.data.reading.sample import ROWS
from aesm_dsl.data.reading.storage_types import MOST_DIGITS
from aesm_dsl.findings import printable
from aesm_dsl.findings.known_names import MOST_LETTERS
from aesm_dsl.plan.plan import MOST_LEAVES
from aesm_dsl.report import metrics_table
from aesm_dsl.report.page import MOST_DRAWN, MOST_LISTED
from aesm_dsl.serving.acceptor import PAUSE_S
from aesm_dsl.serving.limits import Limits
from aesm_dsl.serving.repeated_logs import SECONDS
from aesm_dsl.serving.server import BACKLOG
from aesm_dsl.spec.auto_fix import MOST_FIXES
from aesm_dsl.spec.spec_file import MOST_SPEC_BYTES
from aesm_dsl.syntax.bracket_pairs import MOST_NESTED
from aesm_dsl.syntax.brackets import MOST_MISTAKES
from aesm_dsl.training.distributed.process_group import TIMEOUT
from aesm_dsl.training.run.checkpoint import KEPT
from aesm_dsl.training.run.validate_run import MOST_EXPERTS
from tests.conftest import PROJECT

LIMITS = Limits()


def size(count: int) -> str:
    return f"{count // 2**20} MiB" if count % 2**20 == 0 else f"{count // 2**10} KiB"


def number(count: int) -> str:
    return f"{count:,}"


def seconds(count: float) -> str:
    return f"{count:g} s"


def longest_wait() -> int:
    """The largest `--wait-ms`."""
    return int(typing.get_type_hints(serve, include_extras=True)["wait_ms"].__metadata__[0].max)


FIGURES = {
    "a header": [size(LIMITS.header_bytes)],
    "a body, as it arrives": [size(LIMITS.body_bytes)],
    "a body in gzip or deflate, once it is unpacked": [size(LIMITS.body_bytes)],
    "the bodies of all requests that are being answered": [size(LIMITS.all_bytes)],
    f"bodies of more than {size(LIMITS.large_bytes)} that are read at the same time": [number(LIMITS.large_at_once)],
    "rows of a request": [number(LIMITS.request_rows)],
    "rows of several requests that are scored together": [number(LIMITS.batch_rows)],
    "rows that wait to be scored": [number(LIMITS.queue_rows)],
    "a client's text in a message": [f"{printable.MOST} characters"],
    "connections that are served": [number(LIMITS.connections), seconds(LIMITS.yield_s)],
    "connections that a server must be able to serve": [number(FEWEST_CONNECTIONS)],
    "connections that are open to be answered 503": [number(LIMITS.refused)],
    "connections that wait to be accepted": [number(BACKLOG)],
    "connections that the system gives": ["as the system says", seconds(PAUSE_S)],
    "lines of the log of one kind": [f"one in {seconds(SECONDS)}"],
    "until a header has arrived whole": [seconds(LIMITS.header_s)],
    "from there until the body has": [seconds(LIMITS.body_s)],
    "from there until the answer": [seconds(LIMITS.answer_s)],
    "for a client to read its answer": [seconds(LIMITS.send_s)],
    "between an answer and the next request": [seconds(LIMITS.idle_s)],
    "for what a client sends after its answer is decided (413, say)": [
        f"{seconds(LIMITS.linger_s)}, {size(LIMITS.linger_bytes)}"
    ],
    "for rows to wait for others (`--wait-ms`)": [f"{longest_wait():,} ms"],
    "once the server stops: for a request that is on its way": [seconds(LIMITS.stop_s)],
    "once the server stops: for answers": [seconds(LIMITS.last_answers_s)],
    "a spec file, in the language or in JSON, or an imported one": [size(MOST_SPEC_BYTES)],
    "brackets inside each other, in the language and in JSON": [number(MOST_NESTED)],
    "imports inside each other": [number(MOST_NESTED)],
    "leaves: paths through the levels": [number(MOST_LEAVES)],
    "the length of a name": ["any length", number(MOST_LETTERS)],
    "syntax errors that are reported": [number(MOST_MISTAKES)],
    "certain fixes of one `aesm fmt --fix`": [number(MOST_FIXES)],
    "a value in a message": [f"{printable.MOST} characters", number(printable.MOST_OF_A_PATH)],
    "rows, files and bytes of a table": ["any number", number(CHUNK_ROWS)],
    "bytes of a csv's first line by which its form is recognised": [size(FIRST_LINE)],
    "digits of a decimal": [number(MOST_DIGITS)],
    "a number that is scaled": [f"{LARGEST:g}".replace("e+", "e")],
    "values without a node that are counted, per level": [number(MOST_UNKNOWN_VALUES)],
    "rows whose duplicates are counted exactly": [number(MOST_HASHES)],
    "rows of the sample in which leaks are looked for": [number(ROWS)],
    "encoded tables and copies of files in a cache": ["any size", f"{RETENTION_DAYS} days"],
    "checkpoints of a training": [number(KEPT)],
    "leaves of a run": [number(MOST_LEAVES)],
    "experts of a layer": [number(MOST_EXPERTS)],
    "leaves in a printed table": [f"{metrics_table.MOST_LEAVES} + {metrics_table.MOST_LEAVES}"],
    "nodes of a level in a picture": [number(MOST_DRAWN)],
    "leaves in the table of a run's page": [number(MOST_LISTED)],
    "for processes that train together to hear from each other": [f"{TIMEOUT.seconds // 3600} h"],
}
"""What each row of the document says by the code: its limit, and what else stands behind it."""

NO_FIGURE = {
    "the same, where the process may open few files (`ulimit -n`)",
    "imported files",
    "levels, nodes, features and tasks",
    "a cell of a csv, or a row",
    "a compressed file",
    "a parquet footer, a message of an Arrow stream",
    "a file at a URL",
    "the size of a part of a run",
}
"""Rows whose limit is no figure of the code."""


def test_the_document_says_what_the_code_does() -> None:
    text = (PROJECT / "docs" / "limits.md").read_text(encoding="utf-8")
    rows = [row.split(" | ") for row in re.findall(r"^\| (.*) \|$", text, re.M) if not row.startswith("what |")]
    assert all(len(row) == 3 for row in rows)
    assert {what for what, _, _ in rows} == FIGURES.keys() | NO_FIGURE
    for what, limit, beyond in rows:
        if what in FIGURES:
            first, *others = FIGURES[what]
            assert limit == first, what
            assert all(re.search(rf"(?<![\d,.]){re.escape(other)}\b", beyond) for other in others), what
        assert re.search(r"\d", limit) is None or what in FIGURES, what
