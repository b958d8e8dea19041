"""Small specs and tables that several tests share."""

from __future__ import annotations

from pathlib import Path

from aesm_dsl.api.check import check
from aesm_dsl.api.simulate import world_spec
from aesm_dsl.data.simulate.fund_search import write_world
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.render import render

THREE_LEVELS = """\
aesm = 1

model shop "商店" {
  embed = 4
  features item {
    price = number(quantiles: 4)
    brand = category
    seller = id(buckets: 50)
  }
  level country {
    node cn "中国"
    node us "USA"
  }
  level page {
    under = country
    node home
    node search
  }
  level card {
    under = page
    node ad { under = search }
    node organic
  }
  tasks {
    task view  { label = viewed }
    task click { label = clicked; after = view }
    task buy   { label = bought; after = click }
    task share
  }
}
"""
"""Three scenario levels, a funnel of three tasks and a fourth task beside it."""


def write(folder: Path, text: str, name: str = "spec.aesm") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def fund_world(folder: Path, rows: int) -> Path:
    """The spec of a simulated fund search of so many rows, in the folder beside its tables."""
    write_world(folder, rows, 3)
    return write(folder, world_spec(), "fund_search.aesm")


def told(folder: Path, text: str) -> str:
    """What `aesm check` says of a text, concise, with the file's name alone."""
    path = write(folder, text)
    return render(check(path), "concise").replace(str(path), path.name)


def clean(findings: Findings) -> None:
    assert not findings.items, render(findings)
