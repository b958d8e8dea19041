"""What stays exact under autocast: gates, probabilities and statistics are of float32 where large products are not."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def full_precision(value: Tensor) -> Tensor:
    """The tensor in float32 if it has less than that."""
    return value.float() if value.dtype in (torch.bfloat16, torch.float16) else value


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Within it nothing is cast, where autocast is on outside."""
    if not torch.is_autocast_enabled(device.type):
        return nullcontext()  # an exported graph has no autocast in it
    return torch.autocast(device.type, enabled=False)
