"""What the parity tests let pass: the other choice of two experts that are as good, and nothing else."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from aesm_dsl.layers.aes import AESLayer
from tests.serving.test_export import batch_of, network
from tests.serving.ties import assert_same, scores_of


def test_the_other_choice_of_a_tie_is_the_same_and_nothing_else_is() -> None:
    """Gates of the first layer that differ by 1e-7, and by -1e-7: every row chooses by a hair, this way and that."""
    one = network([])
    first = next(module for module in one.modules() if isinstance(module, AESLayer))
    torch.nn.init.zeros_(first.gate.weight)
    torch.nn.init.normal_(first.gate.bias, std=1e-7, generator=torch.Generator().manual_seed(3))
    other = copy.deepcopy(one)
    next(module for module in other.modules() if isinstance(module, AESLayer)).gate.bias.data.neg_()
    batch = batch_of(one, 400, 1)
    expected, found = scores_of(one, batch), scores_of(other, batch)
    assert (np.abs(found - expected).max(axis=1) > 2e-4).all()
    with pytest.raises(AssertionError, match="400 of 400 rows are off"):
        assert_same(one, batch, found, expected)
    few = expected.copy()
    few[[3, 200]] = found[[3, 200]]
    assert_same(one, batch, few, expected)
    few[200] += 3e-4
    with pytest.raises(AssertionError, match=r"no choice of experts gives what rows \[200\] have"):
        assert_same(one, batch, few, expected)
    few[200] = np.nan
    with pytest.raises(AssertionError, match="no choice"):
        assert_same(one, batch, few, expected)


def test_without_a_tie_nothing_passes() -> None:
    one = network([])
    batch = batch_of(one, 400, 1)
    expected = scores_of(one, batch)
    found = expected.copy()
    found[7, 0] += 2e-5 + 1e-4
    with pytest.raises(AssertionError, match=r"rows \[7\]"):
        assert_same(one, batch, found, expected)
