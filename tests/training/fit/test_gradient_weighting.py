"""The methods of `combine`, each against a twin in numpy, written from its paper. Axes: T tasks, P elements."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, combinations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.spec.task_weights import COMBINE
from aesm_dsl.training.fit.combine import backward
from aesm_dsl.training.fit.gradient_weighting import GradientWeighting, SignDrop, Vaccine, gradient_weighting
from aesm_dsl.training.fit.loss import Loss

Array = NDArray[np.float64]

CONFLICT: Array = np.array([[1.0, 2.0, -0.5, 0.3], [-2.0, 0.5, 0.4, 0.1], [0.3, -1.0, 1.0, 0.2]])
"""Gradients of three tasks (T, P), of which every two point against each other."""


def weigher(name: str) -> GradientWeighting:
    found = gradient_weighting(name, Findings(), lambda path: None)
    assert found is not None
    return found


def combined(gradient_TP: Array, weighting: GradientWeighting, extra: float = 0.0) -> Array:
    """What the method makes of these gradients; the auxiliary loss has the gradient `extra` everywhere."""
    shared = nn.Parameter(torch.zeros(gradient_TP.shape[1], dtype=torch.float64))
    values = torch.from_numpy(gradient_TP) @ shared
    tasks = {str(place): value for place, value in enumerate(values)}
    nothing = torch.zeros(())
    backward(Loss(tasks, tasks, extra * shared.sum(), nothing, nothing, nothing), [shared], weighting)
    assert shared.grad is not None
    return shared.grad.numpy()


def projection(gradient_TP: Array, direction_P: Array) -> Array:
    """The nearest direction that points against no gradient: that of all sets of constraints that may be tight."""
    tasks = range(len(gradient_TP))
    found = [direction_P]
    for chosen in chain.from_iterable(combinations(tasks, count) for count in range(1, len(gradient_TP) + 1)):
        tight = gradient_TP[list(chosen)]
        found.append(direction_P - tight.T @ np.linalg.solve(tight @ tight.T, tight @ direction_P))
    allowed = [one for one in found if (gradient_TP @ one >= -1e-9).all()]
    return min(allowed, key=lambda one: float(np.linalg.norm(one - direction_P)))


def upgrad(gradient_TP: Array) -> Array:
    return np.sum([projection(gradient_TP, own) for own in gradient_TP], axis=0)


def dualproj(gradient_TP: Array) -> Array:
    return projection(gradient_TP, gradient_TP.sum(axis=0))


def config(gradient_TP: Array) -> Array:
    unit_TP = gradient_TP / np.linalg.norm(gradient_TP, axis=1, keepdims=True)
    direction = np.linalg.pinv(unit_TP) @ np.ones(len(unit_TP))
    direction = direction / np.linalg.norm(direction)
    return (gradient_TP @ direction).sum() * direction


def aligned_mtl(gradient_TP: Array) -> Array:
    """With the singular values all as small as the smallest."""
    left, value, right = np.linalg.svd(gradient_TP, full_matrices=False)
    return (value.min() * left @ right).sum(axis=0)


def mgda(gradient_TP: Array) -> Array:
    """T times the shortest of all mixtures, on a fine grid."""
    share = np.arange(0, 1.0005, 0.002)
    first, second = (one.ravel() for one in np.meshgrid(share, share))
    mixed = np.stack([first, second, 1 - first - second], axis=1)
    mixed = mixed[mixed[:, 2] >= -1e-9] @ gradient_TP
    return len(gradient_TP) * mixed[np.linalg.norm(mixed, axis=1).argmin()]


def imtl_g(gradient_TP: Array) -> Array:
    """T times the mixture whose projections onto all gradients are equally long."""
    unit_TP = gradient_TP / np.linalg.norm(gradient_TP, axis=1, keepdims=True)
    change, sides = gradient_TP[0] - gradient_TP[1:], unit_TP[0] - unit_TP[1:]
    weight = gradient_TP[0] @ sides.T @ np.linalg.inv(change @ sides.T)
    return len(gradient_TP) * np.array([1 - weight.sum(), *weight]) @ gradient_TP


TWINS: dict[str, Callable[[Array], Array]] = {
    "upgrad": upgrad,
    "dualproj": dualproj,
    "config": config,
    "aligned_mtl": aligned_mtl,
    "mgda": mgda,
    "imtl_g": imtl_g,
}


@pytest.mark.parametrize("name", TWINS)
def test_a_method_is_what_its_paper_says(name: str) -> None:
    for gradient_TP in (CONFLICT, 1e-4 * CONFLICT):
        found = combined(gradient_TP, weigher(name), extra=7.0) - 7.0
        scale = np.abs(gradient_TP).max()
        np.testing.assert_allclose(
            found / scale, TWINS[name](gradient_TP) / scale, atol=5e-3 if name == "mgda" else 1e-6
        )


@pytest.mark.parametrize("name", ["upgrad", "dualproj"])
def test_without_a_conflict_a_projection_changes_nothing(name: str) -> None:
    gradient_TP = np.abs(CONFLICT)
    np.testing.assert_allclose(combined(gradient_TP, weigher(name)), gradient_TP.sum(axis=0), rtol=1e-6)


def test_fairgrad_gives_every_task_its_share() -> None:
    """Equation 4 with alpha 1: the inner products with the gradients are the inverse of the weights, up to a factor."""
    for scale in (1e-3, 1.0, 1e3):
        weight_T = weigher("fairgrad")(torch.from_numpy(scale * CONFLICT @ CONFLICT.T)).numpy()
        assert weight_T.sum() == pytest.approx(3)
        product = weight_T * (CONFLICT @ CONFLICT.T @ weight_T)
        np.testing.assert_allclose(product / product.mean(), 1.0, rtol=1e-4)


def test_random_weights_are_drawn_anew_for_every_step() -> None:
    torch.manual_seed(3)
    method, gram_TT = weigher("random"), torch.eye(3)
    first, second = method(gram_TT), method(gram_TT)
    torch.manual_seed(3)
    torch.testing.assert_close(first, 3 * torch.randn(3).softmax(dim=0))
    assert not torch.equal(first, second)


def test_graddrop_keeps_one_sign_of_every_element() -> None:
    gradient_TP = np.random.default_rng(0).normal(size=(3, 2000))
    method = weigher("graddrop")
    assert isinstance(method, SignDrop)
    torch.manual_seed(5)
    found = combined(gradient_TP, method)
    positive, negative = np.maximum(gradient_TP, 0).sum(axis=0), np.minimum(gradient_TP, 0).sum(axis=0)
    kept = np.isclose(found, positive) & ~np.isclose(found, negative)
    assert (kept | np.isclose(found, negative)).all()
    # How often the positive sign is kept is its share of all that is there.
    assert kept.mean() == pytest.approx((positive / (positive - negative)).mean(), abs=0.03)
    torch.manual_seed(5)
    assert (combined(gradient_TP, method) == found).all(), "drawn from the seed of the step"
    assert (combined(gradient_TP, method) != found).any()


def vaccine(gradient_TP: Array, phi_TT: Array, orders: list[list[int]]) -> Array:
    """One step of GradVac with vectors; phi_TT, the similarity that is aimed at, is changed (beta 0.5)."""
    result = []
    for i, order in enumerate(orders):
        own = gradient_TP[i].copy()
        for j in order:
            other = gradient_TP[j]
            size, theirs = np.linalg.norm(own), np.linalg.norm(other)
            phi, aim = own @ other / (size * theirs), phi_TT[i, j]
            if phi < aim:
                more = size * (aim * np.sqrt(1 - phi**2) - phi * np.sqrt(1 - aim**2))
                own += more / (theirs * np.sqrt(1 - aim**2)) * other
            phi_TT[i, j] = 0.5 * aim + 0.5 * phi
        result.append(own)
    return np.sum(result, axis=0)


def test_gradvac_aims_at_the_similarity_so_far_and_goes_on_from_a_state() -> None:
    method, phi_TT, steps = weigher("gradvac"), np.zeros((3, 3)), np.random.default_rng(1).normal(size=(4, 3, 5))
    for seed, gradient_TP in enumerate(steps):
        torch.manual_seed(seed)
        orders = [[[j for j in range(3) if j != i][place] for place in torch.randperm(2).tolist()] for i in range(3)]
        torch.manual_seed(seed)
        expected = vaccine(gradient_TP, phi_TT, orders)
        np.testing.assert_allclose(combined(gradient_TP, method), expected, rtol=1e-5)
        assert isinstance(method, Vaccine)
        state, method = method.state_dict(), weigher("gradvac")
        assert isinstance(method, Vaccine)
        method.restore(state)


@pytest.mark.parametrize("name", COMBINE[1:])
def test_a_task_without_labels_takes_no_part(name: str) -> None:
    alone, three = CONFLICT[:2], np.stack([CONFLICT[0], np.zeros(4), CONFLICT[1]])
    two, method = weigher(name), weigher(name)
    for seed in range(2):
        torch.manual_seed(seed)
        expected = combined(alone, two)
        torch.manual_seed(seed)
        np.testing.assert_allclose(combined(three, method), expected, rtol=1e-5, atol=1e-9)
    assert np.isfinite(combined(np.zeros((3, 4)), method)).all(), "a batch without any label"
    same = np.stack([CONFLICT[0]] * 2)
    assert np.isfinite(combined(same, weigher(name))).all(), "two gradients that are the same"
