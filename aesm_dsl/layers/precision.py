"""What stays in full precision under autocast: gates, probabilities and statistics are computed in float32."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def full_precision(value: Tensor) -> Tensor:
    """Returns the tensor, in float32 if it is in bfloat16 or float16."""
    return value.float() if value.dtype in (torch.bfloat16, torch.float16) else value


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Returns a context in which autocast is off."""
    if not torch.is_autocast_enabled(device.type):
        return nullcontext()  # so that an exported graph has no autocast in it
    return torch.autocast(device.type, enabled=False)
