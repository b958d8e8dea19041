"""Scores that have to be the same, but for rows whose experts are chosen by a hair. Axes: B rows, T tasks.

Two experts whose divergences differ by less than float32 keeps may be chosen either way: by another kernel, or by the
same one for another number of rows. Such a row's scores must then be those of the other choice, and such rows be few.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

from aesm_dsl import predict
from aesm_dsl.data.batch import Batch
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.layers.aes import AESLayer
from aesm_dsl.layers.build import AnyNetwork
from aesm_dsl.serving.engine import torch_engine
from aesm_dsl.training.run.folder import Run

TOLERANCE = 1e-5
"""Of probabilities."""
HAIR = 1e-5
"""Deviation of what is added to a row's gate logits, times the largest of them where that is above 1."""
DRAWS = 256
MOST = 0.005
"""Up to so large a part of the rows may be chosen by a hair, and one row more."""

Scores = np.ndarray[Any, np.dtype[Any]]


def assert_same_as_predict(run: Run, rows: pl.DataFrame, found: pl.DataFrame) -> None:
    """The scores `found` are those of `predict`."""
    expected = predict(run, rows, device="cpu")
    assert found.columns == expected.columns
    if _off(found.to_numpy(), expected.to_numpy()).any():
        batch = torch_engine(run, torch.device("cpu")).encode(rows, Findings())
        assert batch is not None
        assert_same(run.network, batch, found.to_numpy(), expected.to_numpy())


def assert_same(network: AnyNetwork, batch: Batch, found: Scores, expected: Scores) -> None:
    """(B, T) of both; of a row that is off, the network gives what was found when its gates move by a hair."""
    off_B = _off(found, expected)
    assert off_B.sum() <= 1 + MOST * len(off_B), f"{off_B.sum()} of {len(off_B)} rows are off"
    if not off_B.any():
        return
    some = Batch(*(part[torch.from_numpy(off_B)] for part in batch.parts))
    distance_B = np.full(len(found[off_B]), np.inf)
    generator = torch.Generator().manual_seed(1)
    for _ in range(DRAWS):
        with _moved(generator):
            distance_B = np.minimum(distance_B, np.abs(found[off_B] - scores_of(network, some)).max(axis=1))
    wrong_B = ~(distance_B <= 10 * TOLERANCE)
    assert not wrong_B.any(), (
        f"no choice of experts gives what rows {np.flatnonzero(off_B)[wrong_B]} have: {found[off_B][wrong_B]}, "
        f"expected {expected[off_B][wrong_B]}"
    )


def scores_of(network: AnyNetwork, batch: Batch) -> Scores:
    """(B, T): the network's probabilities."""
    with torch.inference_mode():
        return torch.stack([one.exp() for one in network(batch).log_probability.values()], dim=1).numpy()


def _off(found: Scores, expected: Scores) -> np.ndarray[Any, np.dtype[np.bool_]]:
    assert found.shape == expected.shape
    return ~(np.abs(found - expected) <= TOLERANCE).all(axis=1)  # NaN is off too


@contextmanager
def _moved(generator: torch.Generator) -> Iterator[None]:
    logits = AESLayer.logits

    def moved(layer: AESLayer, x: Tensor, context: Tensor) -> Tensor:
        gates = logits(layer, x, context)
        size = gates.abs().amax(dim=(-2, -1), keepdim=True).clamp(min=1)
        return gates + HAIR * size * torch.randn(gates.shape, generator=generator)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AESLayer, "logits", moved)
        yield
