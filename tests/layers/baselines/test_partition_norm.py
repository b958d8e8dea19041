from __future__ import annotations

import pytest
import torch
from torch import Tensor

from aesm_dsl.layers.baselines.star import PartitionNorm
from aesm_dsl.layers.leaf_rows import SortedRows


def rows_of(sizes: list[int]) -> SortedRows:
    order_B = torch.arange(sum(sizes))
    return SortedRows(order_B, order_B, torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes)), sizes)


def draw(rows: int, seed: int) -> Tensor:
    return torch.randn(rows, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def normed(x_BD: Tensor, mean_D: Tensor, variance_D: Tensor) -> Tensor:
    return (x_BD - mean_D) / (variance_D + 1e-5).sqrt()


def test_training_normalises_each_leaf_by_its_own_rows() -> None:
    norm = PartitionNorm(2, 3).double().train()
    x_BD = draw(40, 0)
    x_BD[:10] = x_BD[:10] * 7 + 5
    z_BD = norm(x_BD, rows_of([10, 30]))
    for part in (slice(0, 10), slice(10, 40)):
        expected = normed(x_BD[part], x_BD[part].mean(0), x_BD[part].var(0, correction=0))
        torch.testing.assert_close(z_BD[part], expected, rtol=1e-10, atol=1e-10)


def test_scales_multiply_and_shifts_add() -> None:
    norm = PartitionNorm(1, 3).double().train()
    x_BD, plain = draw(20, 0), PartitionNorm(1, 3).double().train()
    for parameter, value in zip(norm.parameters(), (2.0, 0.5, 3.0, 0.25), strict=True):
        torch.nn.init.constant_(parameter, value)
    torch.testing.assert_close(norm(x_BD, rows_of([20])), 6 * plain(x_BD, rows_of([20])) + 0.75)


def test_running_statistics_are_those_of_all_rows_with_earlier_ones_fading() -> None:
    norm = PartitionNorm(2, 3).double().train()
    batches = [draw(20, seed) + seed for seed in range(4)]
    for x_BD in batches:
        norm(x_BD, rows_of([12, 8]))
    weight = torch.cat([torch.full((12,), 0.9 ** (3 - seed), dtype=torch.float64) for seed in range(4)])
    first = torch.cat([x_BD[:12] for x_BD in batches])
    mean_D = (weight[:, None] * first).sum(0) / weight.sum()
    variance_D = (weight[:, None] * (first - mean_D) ** 2).sum(0) / weight.sum()
    x_BD = draw(5, 9)
    torch.testing.assert_close(norm.eval()(x_BD, rows_of([5, 0])), normed(x_BD, mean_D, variance_D))


@pytest.mark.parametrize("few", [1, 2, 7])
def test_a_leaf_of_few_rows_takes_its_running_statistics(few: int) -> None:
    norm = PartitionNorm(2, 3).double().train()
    norm(draw(60, 0) * 4 + 9, rows_of([30, 30]))
    x_BD = draw(few + 20, 1) * 4 + 9
    z_BD = norm(x_BD, rows_of([few, 20]))[:few]
    mean_LD, variance_LD = norm._running()
    torch.testing.assert_close(z_BD, normed(x_BD[:few], mean_LD[0], variance_LD[0]))
    assert z_BD.abs().sum() > 0.1, "one row alone says something"


def test_the_first_row_of_a_leaf_takes_the_statistics_of_all_rows() -> None:
    norm = PartitionNorm(3, 3).double().train()
    x_BD = draw(21, 0) * 4 + 9
    z_BD = norm(x_BD, rows_of([1, 20, 0]))
    torch.testing.assert_close(z_BD[:1], normed(x_BD[:1], x_BD.mean(0), x_BD.var(0, correction=0)))


def test_a_leaf_that_training_never_saw_is_served_as_all_rows_are() -> None:
    norm = PartitionNorm(2, 3).double().train()
    x_BD = draw(30, 0) * 4 + 9
    norm(x_BD, rows_of([30, 0]))
    norm.eval()
    torch.testing.assert_close(norm(x_BD, rows_of([0, 30])), norm(x_BD, rows_of([30, 0])))


def test_before_training_and_without_rows_nothing_happens() -> None:
    norm = PartitionNorm(2, 3).double().eval()
    x_BD = draw(4, 0)
    torch.testing.assert_close(norm(x_BD, rows_of([2, 2])), x_BD, rtol=1e-4, atol=1e-4)
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    assert norm.train()(x_BD[:0], rows_of([0, 0])).shape == (0, 3)
    norm.eval()(x_BD, rows_of([2, 2]))
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())


def test_gradients_pass_through_the_statistics_of_the_batch() -> None:
    norm = PartitionNorm(2, 3).double().train()
    x_BD = draw(18, 0).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: PartitionNorm(2, 3).double().train()(x, rows_of([8, 10])), [x_BD])
    (norm(x_BD, rows_of([8, 10])) ** 3).sum().backward()
    assert norm.scale_LD.grad.abs().sum(1).all()
