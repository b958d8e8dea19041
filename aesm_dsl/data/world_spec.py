"""The spec that reads the simulated world: specs/fund_search.aesm, which the wheel carries beside this module."""

from __future__ import annotations

from pathlib import Path

WRITTEN_FOR = "data/fund_search/"
"""The folder of the tables in the shipped spec: where `aesm simulate` puts them by default."""


def world_spec() -> str:
    """The spec's text for tables that lie beside it."""
    packed = Path(__file__).with_name("fund_search.aesm")
    shipped = packed if packed.exists() else Path(__file__).parents[2] / "specs" / "fund_search.aesm"
    return shipped.read_text(encoding="utf-8").replace(f'"{WRITTEN_FOR}', '"')
