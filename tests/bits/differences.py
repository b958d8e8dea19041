"""What two runs of the same spec and rows must have in common."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILES = ("weights.safetensors", "metrics.json", "usage.json", "encoders.json")


def differences(one: Path, two: Path) -> list[str]:
    """Returns the files in which two run folders differ, times aside: none after the same training."""

    def history(run: Path) -> list[dict[str, Any]]:
        lines = (run / "history.jsonl").read_text(encoding="utf-8").splitlines()
        return [{**json.loads(line), "seconds": None} for line in lines]

    found = [name for name in FILES if (one / name).read_bytes() != (two / name).read_bytes()]
    return found + ([] if history(one) == history(two) else ["history.jsonl"])
