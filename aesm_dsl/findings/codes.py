"""The one list of all codes: every code's title and page, read from pages/*.md, one file per family.

To add a code, add its section to the file of its family:

    ## E999: what is wrong, in a few words

    What it means. `Wrong:` and `Right:` each with an example, then `Why:` aesm is strict about it.

An example is a file of the language or of JSON, or a part of a model (the rest is made up), a file it imports or a
table with its name (`aesm fund.aesm`, `csv train.csv`, `csv items.parquet` for what is no csv), or commands
(`console`). Tests run both: the wrong one gives exactly its code, the right one nothing.
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
"""An example in a page: its language, the name of a file beside the spec, its text."""


@dataclass(frozen=True, slots=True)
class Example:
    """One block of an example: `language` is aesm, json, csv or console; an imported file and a table have a `name`."""

    language: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """All about one code. `text` is the page as it is written, in Markdown; `meaning` and `why` are parts of it."""

    code: str
    title: str
    text: str
    meaning: str
    wrong: tuple[Example, ...]
    right: tuple[Example, ...]
    why: str

    @property
    def family(self) -> str:
        return self.code[:2]


@functools.cache
def pages() -> dict[str, Page]:
    """Every code with its page, in order."""
    return dict(sorted((page.code, page) for family in _texts().values() for page in _pages(family)))


@functools.cache
def families() -> dict[str, str]:
    """What the codes of a family, such as `E1`, are about."""
    return {family: text.partition("\n")[0].removeprefix("# ") for family, text in _texts().items()}


@functools.cache
def _texts() -> dict[str, str]:
    found = (path for path in files("aesm_dsl.findings").joinpath("pages").iterdir() if path.name.endswith(".md"))
    return {path.name.removesuffix(".md"): path.read_text(encoding="utf-8") for path in sorted(found, key=str)}


def _pages(text: str) -> list[Page]:
    _, *parts = _SECTION.split(text)
    return [_page(code, title, body) for code, title, body in zip(*[iter(parts)] * 3, strict=True)]


def _page(code: str, title: str, body: str) -> Page:
    meaning, _, wrong, _, rest = _PART.split(body)
    right, why = _WHY.split(rest)
    return Page(code, title, body.strip(), meaning.strip(), _examples(wrong), _examples(right), why.strip())


def _examples(text: str) -> tuple[Example, ...]:
    return tuple(Example(*match.groups()) for match in FENCE.finditer(text))
