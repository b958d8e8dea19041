"""The list of all codes: the title and page of every code, read from pages/*.md, one file per family.

To add a code, add its section to the file of its family:

    ## E999: what is wrong, in a few words

    What it means. `Wrong:` and `Right:` each with an example, then `Why:` aesm is strict about it.

An example is a spec in the language or in JSON, or a part of a model (tests add the rest); a file that it imports, or a
table, with its name (`aesm fund.aesm`, `csv train.csv`, `csv items.parquet` to write the rows in another format); or
commands (`console`). Tests run both: the wrong example gives exactly its code, the right one gives no finding.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from importlib.resources import files

_SECTION = re.compile(r"^## ([EW]\d{3}): (.+)\n", re.MULTILINE)
_PART = re.compile(r"^(Wrong|Right):\n", re.MULTILINE)
_WHY = re.compile(r"^Why: ", re.MULTILINE)
FENCE = re.compile(r"^```(\w+) ?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""Matches a fenced block of a page. Its groups are the language, the name of a file beside the spec, and the text."""


@dataclass(frozen=True, slots=True)
class Example:
    """One fenced block of an example."""

    language: str
    """"aesm", "json", "csv" or "console"."""
    name: str
    """The name of an imported file or a table; empty for a spec and for commands."""
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """The page of one code."""

    code: str
    title: str
    text: str
    """The whole page as it is written, in Markdown; `meaning` and `why` are parts of it."""
    meaning: str
    wrong: tuple[Example, ...]
    right: tuple[Example, ...]
    why: str

    @property
    def family(self) -> str:
        return self.code[:2]


@functools.cache
def pages() -> dict[str, Page]:
    """Maps every code to its page, in order."""
    return dict(sorted((page.code, page) for text in _texts().values() for page in _parse_pages(text)))


@functools.cache
def families() -> dict[str, str]:
    """Maps every family of codes, such as `E1`, to what its codes are about."""
    return {family: text.partition("\n")[0].removeprefix("# ") for family, text in _texts().items()}


@functools.cache
def _texts() -> dict[str, str]:
    """Maps every family to the text of its file."""
    paths = (path for path in files("aesm_dsl.findings").joinpath("pages").iterdir() if path.name.endswith(".md"))
    return {path.name.removesuffix(".md"): path.read_text(encoding="utf-8") for path in sorted(paths, key=str)}


def _parse_pages(text: str) -> list[Page]:
    _, *parts = _SECTION.split(text)
    return [_parse_page(code, title, body) for code, title, body in zip(*[iter(parts)] * 3, strict=True)]


def _parse_page(code: str, title: str, body: str) -> Page:
    meaning, _, wrong, _, rest = _PART.split(body)
    right, why = _WHY.split(rest)
    return Page(code, title, body.strip(), meaning.strip(), _parse_examples(wrong), _parse_examples(right), why.strip())


def _parse_examples(text: str) -> tuple[Example, ...]:
    return tuple(Example(*match.groups()) for match in FENCE.finditer(text))
