"""Trains in two processes at once: `python -m tests.bits.twice FOLDER`, the folder being one of `write_world`.

Prints, of each process, the digests of the encoders and of the weights that each of COMBINED leads to. The processes
are forked from one that has loaded the libraries, and whose threads have not started.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import sys
from collections.abc import Iterable
from pathlib import Path

import torch._dynamo  # noqa: F401 - the optimizers load it otherwise, in each process

from aesm_dsl import prepare
from aesm_dsl.api.prepare import Ready
from aesm_dsl.data.prepare import Tables
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.training.fit.gradient_weighting import gradient_weighting
from aesm_dsl.training.fit.loop import fit

COMBINED: dict[str, tuple[str, ...]] = {
    "batch norm": (
        "experts.norm=batch",
        "experts.execution=loop",
        "level.card.experts.execution=grouped",
        "level.card.experts.compare=siblings",
        "train.embeddings=sparse",
        "train.clip=1",
    ),
    "grouped": (
        "experts.execution=grouped",
        "train.precision=bf16",
        "train.average=ema",
        "train.weights=uncertainty",
    ),
    "loop": (
        "experts.execution=loop",
        "tasks.tower_per=leaf",
        "tasks.budget=4 experts",
        "train.combine=pcgrad",
        "train.embeddings=sparse",
    ),
    "dense": ("experts.execution=dense", "experts.norm=batch", "train.embeddings=dense", "train.balance=0.1"),
    "star": ("architecture=star",),
}
"""Options of `OPTIONS`, as many as go together."""

SHORT = ("train.batch=2k rows", "train.length=2 steps", "train.stop=none")


def digest(parts: Iterable[bytes]) -> str:
    """Returns the SHA-256 of the parts, one after the other."""
    sha = hashlib.sha256()
    for part in parts:
        sha.update(part)
    return sha.hexdigest()


def learn(ready: Ready) -> str:
    """Trains the network of a plan; returns the digest of its weights."""
    network = ready.network()
    weighting = gradient_weighting(ready.plan.training.combine, Findings(), lambda key: None)
    fit(network, Tables(ready.train, ready.valid), weighting=weighting)
    return digest(weight.numpy().tobytes() for weight in network.state_dict().values())


def digests(folder: Path, cache: str) -> dict[str, str]:
    """Returns name -> digest: of the encoders, and of the weights after each of COMBINED."""
    always, found = (*SHORT, f'data.cache="{cache}"'), {}
    for name, options in COMBINED.items():
        ready = prepare(folder / "bits.aesm", overrides=(*always, *options))
        found.setdefault("encoders", digest([ready.encoders.to_json().encode()]))
        found[name] = learn(ready)
    return found


def main() -> None:
    folder = Path(sys.argv[1])
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(json.dumps(pool.starmap(digests, [(folder, "first"), (folder, "second")], chunksize=1)))


if __name__ == "__main__":
    main()
