"""Whatever tasks, levels, nodes and features are called: the exports have these names, and score alike."""

from __future__ import annotations

import keyword

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from aesm_dsl import Spec, build_from_spec
from aesm_dsl.data.batch import Batch
from aesm_dsl.layers.build import AnyNetwork
from aesm_dsl.serving.export_inputs import keyword_inputs, named_inputs
from aesm_dsl.serving.onnx_model import onnx_model
from aesm_dsl.serving.torch_program import export_program
from tests.conftest import SWEEP
from tests.serving.ties import assert_same, scores_of

MODULE = [name for name in dir(nn.Module()) if name.isidentifier()]
"""Attributes of torch's modules."""

KINDS = {
    "values of the graph": ["view", "add", "mul_1", "linear", "cat", "exp", "val_0", "rows", "where", "one_1", "Slice"],
    "of torch and Python": ["self", "inputs", "network", "forward", "training", "class", "lambda", "None", "T"],
    "Chinese": ["点击", "购买", "点_击", "加入购物车", "ñ", "_", "__"],
    "attributes of modules": MODULE[::9],
    "keywords": sorted(keyword.kwlist)[::4],
}

GROUPS = KINDS if SWEEP else {"of every kind": [*dict.fromkeys(name for kind in KINDS.values() for name in kind[::5])]}


def spec_of(names: list[str]) -> Spec:
    """Tasks, levels, nodes and features of these names."""
    features = "".join(f"    {name} = id(buckets: 9, column: x_{number})\n" for number, name in enumerate(names))
    nodes = "".join(f"    node {name}\n" for name in names)
    tasks = "".join(f"    task {name} {{ label = y_{number} }}\n" for number, name in enumerate(names))
    return Spec.parse(
        f"aesm = 1\nmodel {names[0]} {{\n  embed = 2\n  features user {{\n{features}  }}\n"
        f"  level {names[-1]} {{\n    column = z\n{nodes}  }}\n"
        f"  tasks {{\n    tower = [4]\n{tasks}  }}\n  experts {{ hidden = [4]; repeat = 1; count = 4 }}\n}}\n"
    )


@pytest.fixture(scope="module", params=GROUPS)
def network(request: pytest.FixtureRequest) -> AnyNetwork:
    made = build_from_spec(spec_of(GROUPS[request.param]))
    chance = torch.Generator().manual_seed(3)
    for name, one in made.named_parameters():
        nn.init.normal_(one, std=0.4 if ".gate." in name else 0.3, generator=chance)
    return made.eval()


@pytest.fixture(scope="module")
def batch(network: AnyNetwork) -> Batch:
    plan, chance = network.plan, torch.Generator().manual_seed(4)
    ids = torch.randint(0, 10, (60, len(plan.features)), generator=chance)
    nodes = torch.randint(0, len(plan.levels[0].nodes), (60, 1), generator=chance)
    return Batch(ids, torch.zeros(60, 0), nodes, torch.zeros(60, len(plan.tasks.tasks)), torch.ones(60))


def test_onnx(network: AnyNetwork, batch: Batch) -> None:
    model, weights = onnx_model(network)
    session = onnxruntime.InferenceSession(weights.inside(model).SerializeToString())
    tasks = [task.name for task in network.plan.tasks.tasks]
    assert [one.name for one in session.get_outputs()] == tasks
    inputs = {name: one.numpy() for name, one in named_inputs(network.plan, batch).items()}
    assert [one.name for one in session.get_inputs()] == list(inputs)
    found = np.stack(session.run(tasks, inputs), axis=1)
    assert_same(network, batch, found, scores_of(network, batch))
    assert (np.ptp(found, axis=0) > 1e-3).all()


def test_torch(network: AnyNetwork, batch: Batch) -> None:
    inputs = keyword_inputs(network.plan, batch)
    with torch.no_grad():
        found = torch.stack(export_program(network).module()(**dict(reversed(inputs.items()))), dim=1).numpy()
    assert_same(network, batch, found, scores_of(network, batch))
