"""Scores with a program of torch (`aesm export --to pt2`), or with what AOTInductor makes of it: torch only, no aesm.

    python examples/score_pt2.py first.pt2 inputs.npz [compiled.pt2]

`inputs.npz` holds an array for each input in first.json. It prints a line for every row: task -> probability. A
compiled program reads the memory of its inputs without asking for their types and strides: `Program` asks.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch


class Program:
    """A program with its description. Calling it raises ValueError for inputs that it does not take."""

    def __init__(self, model, compiled=None):
        """Loads `model`, or what `torch._inductor.aoti_compile_and_package` made of it: the file `compiled`."""
        described = json.loads(Path(model).with_suffix(".json").read_text(encoding="utf-8"))
        self.inputs, self.tasks = described["inputs"], [output["name"] for output in described["outputs"]]
        if compiled is None:
            self.program = torch.export.load(model).module()
        else:
            self.program = torch._inductor.aoti_load_package(str(compiled))

    def __call__(self, inputs):
        """Returns the probabilities of each task, as a tensor. `inputs` are arrays or tensors by name, in any order."""
        names = [described["name"] for described in self.inputs]
        if set(inputs) != set(names):
            raise ValueError(f"the inputs are {names}, not {list(inputs)}")
        tensors = {name: torch.as_tensor(inputs[name]) for name in names}
        rows = len(tensors[names[0]])
        for described in self.inputs:
            tensor, shape = tensors[described["name"]], [rows, *described["shape"][1:]]
            if list(tensor.shape) != shape or tensor.dtype != getattr(torch, described["type"]):
                raise ValueError(
                    f"{described['name']} is {tensor.dtype} {list(tensor.shape)}, not {described['type']} {shape}"
                )
        with torch.no_grad():
            scores = self.program(**{name: tensor.contiguous() for name, tensor in tensors.items()})
        return dict(zip(self.tasks, scores, strict=True))


if __name__ == "__main__":
    scores = Program(*sys.argv[1:2], *sys.argv[3:4])(dict(np.load(sys.argv[2])))
    for row in zip(*(score.tolist() for score in scores.values()), strict=True):
        print(json.dumps(dict(zip(scores, row, strict=True))))
