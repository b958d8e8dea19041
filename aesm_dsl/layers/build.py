"""`build_network`: a plan's network, AES or a baseline. Everything that uses networks treats both alike."""

from __future__ import annotations

from aesm_dsl.layers.baselines.network import BaselineNetwork
from aesm_dsl.layers.network import Network
from aesm_dsl.plan.plan import Plan

AnyNetwork = Network | BaselineNetwork
"""Both have their `plan`, and return a `Prediction` for a `Batch`."""


def build_network(plan: Plan) -> AnyNetwork:
    """Returns the network of a plan's architecture, initialised from torch's default generator."""
    return Network(plan) if plan.baseline is None else BaselineNetwork(plan)
