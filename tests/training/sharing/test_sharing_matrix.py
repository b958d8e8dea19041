"""Sharing matrix, roles, entropy and mutual information on cases worked out by hand."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from aesm_dsl.training.sharing.sharing_matrix import DEAD, USES, Role, sharing
from tests.report.cases import make_layer


def test_jaccard_by_hand() -> None:
    # minima 0.2 + 0.3 + 0, maxima 0.5 + 0.5 + 0.5
    found = sharing(make_layer([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]], nodes=("home", "wealth"))).matrix
    assert found.between("home", "wealth") == pytest.approx(0.5 / 1.5)
    assert found.between("wealth", "home") == found.between("home", "wealth")
    assert np.diag(found.matrix).tolist() == [1.0, 1.0]


def test_jaccard_of_the_same_of_disjoint_and_of_unseen_nodes() -> None:
    weight = [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    matrix = sharing(make_layer(weight, rows=[10, 10, 10, 0])).matrix.matrix
    assert matrix.tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]


def test_the_matrix_has_names_and_cannot_be_changed() -> None:
    found = sharing(make_layer([[1.0, 0.0], [0.5, 0.5]], nodes=("主搜", "node"))).matrix
    frame = found.frame()
    assert frame.columns == ["node_", "主搜", "node"]
    assert frame.row(1) == ("node", 1 / 3, 1.0)
    with pytest.raises(ValueError, match="read-only"):
        found.matrix[0, 0] = 2
    with pytest.raises(ValueError, match="tuple"):
        found.between("主搜", "elsewhere")


def test_each_role() -> None:
    weight = [
        # specific, group, shared, dead, and one that is only faintly used elsewhere
        [0.3, 0.3, 0.3, 0.0, 0.1],
        [0.0, 0.5, 0.4, 0.0, 0.1 * USES * 0.9],
        [0.0, 0.0, 0.9, DEAD * 0.9, 0.0],
    ]
    roles = sharing(make_layer(weight, nodes=("a", "b", "c"))).roles
    assert roles == (
        Role("specific", ("a",)),
        Role("group", ("a", "b")),
        Role("shared", ("a", "b", "c")),
        Role("dead", ()),
        Role("specific", ("a",)),
    )


def test_thresholds_are_where_they_are_documented() -> None:
    at, under = 0.4 * USES, 0.4 * USES * 0.999
    roles = sharing(make_layer([[0.4, 0.4, DEAD], [at, under, 0.0]], nodes=("a", "b"))).roles
    assert [role.kind for role in roles] == ["shared", "specific", "specific"]


def test_nodes_without_rows_do_not_stop_an_expert_from_being_shared() -> None:
    roles = sharing(make_layer([[0.5, 0.5], [0.5, 0.5], [0.0, 0.0]], rows=[5, 5, 0])).roles
    assert [role.kind for role in roles] == ["shared", "shared"]


def test_the_experts_of_a_single_node_are_specific() -> None:
    assert sharing(make_layer([[1.0, 0.0]])).roles == (Role("specific", ("n0",)), Role("dead", ()))


def test_entropy_counts_nodes_by_their_traffic() -> None:
    # 3/4 of the rows use expert 0 alone, 1/4 expert 1 alone
    found = sharing(make_layer([[1.0, 0.0], [0.0, 1.0]], rows=[300, 100]))
    expected = -(0.75 * log(0.75) + 0.25 * log(0.25))
    assert found.share == pytest.approx((0.75, 0.25))
    assert found.entropy == pytest.approx(expected)
    assert found.evenness == pytest.approx(expected / log(2))
    # the expert tells the node, so all of the nodes' entropy is shared
    assert found.mutual_information == pytest.approx(expected)


def test_even_use_without_regard_to_the_node() -> None:
    found = sharing(make_layer([[0.25] * 4, [0.25] * 4], rows=[7, 1]))
    assert found.entropy == pytest.approx(log(4))
    assert found.evenness == pytest.approx(1.0)
    assert found.mutual_information == pytest.approx(0.0, abs=1e-12)


def test_mutual_information_by_hand() -> None:
    # p(e) = (3/4, 1/4); I = 1/2 log(1 / 0.75) + 1/4 log(0.5 / 0.75) + 1/4 log(0.5 / 0.25)
    found = sharing(make_layer([[1.0, 0.0], [0.5, 0.5]], rows=[10, 10]))
    assert found.mutual_information == pytest.approx(0.5 * log(4 / 3) + 0.25 * log(2 / 3) + 0.25 * log(2))


def test_one_expert_and_no_rows() -> None:
    alone = sharing(make_layer([[1.0], [1.0]]))
    assert (alone.entropy, alone.evenness, alone.mutual_information) == (0.0, 1.0, 0.0)
    nothing = sharing(make_layer([[0.0, 0.0], [0.0, 0.0]], rows=[0, 0]))
    assert (nothing.entropy, nothing.evenness, nothing.mutual_information) == (0.0, 0.0, 0.0)
    assert nothing.share == (0.0, 0.0)
    assert [role.kind for role in nothing.roles] == ["dead", "dead"]
