"""The device that a network runs on, by the name that a user gives it."""

from __future__ import annotations

import torch

from aesm_dsl.diagnostic import Findings


def find_device(name: str, findings: Findings) -> torch.device | None:
    """The device of a name; "auto" is CUDA when there is one. None after telling that there is no such device."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        findings.add(
            "E604", f"there is no device `{name}` here", help="`auto` takes CUDA when there is one, else the CPU"
        )
        return None
    return device
