"""The spec that reads a simulated world: the project's own, which the wheel carries beside this module."""

from __future__ import annotations

from pathlib import Path


def world_spec(name: str = "fund_search") -> str:
    """The spec's text for tables that lie beside it. The shipped one looks for them in `data/NAME/`."""
    packed = Path(__file__).with_name(f"{name}.aesm")
    shipped = packed if packed.exists() else Path(__file__).parents[2] / "specs" / f"{name}.aesm"
    return shipped.read_text(encoding="utf-8").replace(f'"data/{name}/', '"')
