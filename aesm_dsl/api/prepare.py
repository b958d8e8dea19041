"""`prepare`: rows, encoders and network of a spec, for a training loop of one's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from aesm_dsl.api.compile import SpecLike, compile_spec
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError
from aesm_dsl.plan.compiled import Compiled
from aesm_dsl.plan.plan import Plan
from aesm_dsl.spec.read_json import name_paths
from aesm_dsl.spec.spec_file import data_roots

if TYPE_CHECKING:
    from aesm_dsl.data.batch import Batch
    from aesm_dsl.data.encoding.encoders import Encoders
    from aesm_dsl.data.prepare import Prepared
    from aesm_dsl.data.reading.frames import Given
    from aesm_dsl.data.store.encoded_table import EncodedTable
    from aesm_dsl.layers.build import AnyNetwork
    from aesm_dsl.layers.prediction import Prediction
    from aesm_dsl.training.fit.loss import Loss
    from aesm_dsl.training.run.folder import Run


@dataclass(frozen=True, slots=True)
class Ready:
    """Checked and encoded rows of a spec, and what a training loop needs beside them."""

    plan: Plan
    """With the embedding tables as large as the rows want them."""
    encoders: Encoders
    train: EncodedTable
    """`batches(rows, seed=, epoch=)` gives its batches, shuffled anew in every epoch."""
    valid: EncodedTable | None
    test: EncodedTable | None
    """Without a seed, `batches(rows)` gives the rows in their own order."""
    _prepared: Prepared = field(repr=False)
    _compiled: Compiled = field(repr=False)

    def network(self) -> AnyNetwork:
        """A torch.nn.Module for these rows, freshly initialised from the spec's seed."""
        from aesm_dsl.training.train import fitted_network

        return fitted_network(self.plan, self._prepared)

    def loss(self, prediction: Prediction, batch: Batch) -> Loss:
        """What training minimises (`total`), and of what it is made: see docs/method.md."""
        from aesm_dsl.training.fit.loss import loss

        return loss(prediction, batch, self.plan)

    def finish(self, network: AnyNetwork, out: str | Path, *, steps: int, overwrite: bool = False) -> Run:
        """Measures a trained network, and leaves a run folder that every command reads.

        steps  of the optimiser, for the record
        Raises ValueError for a network whose modules are not those of `network()`: a run folder holds plain weights,
        and builds its network from the plan. Raises FileExistsError for a folder that exists, without `overwrite`.
        """
        import torch

        from aesm_dsl.layers.build import build
        from aesm_dsl.training.finish import finish
        from aesm_dsl.training.job import Job
        from aesm_dsl.training.run.folder import save_run

        with torch.device("meta"):
            wanted = {name: tensor.shape for name, tensor in build(self.plan).state_dict().items()}
        held = {name: tensor.shape for name, tensor in network.state_dict().items()}
        if wanted != held:
            odd = sorted(name for name in wanted.keys() | held.keys() if wanted.get(name) != held.get(name))
            raise ValueError(f"the network is not that of the plan: {', '.join(odd[:3])}")
        spec, device = self._compiled.spec, next(network.parameters()).device
        job = Job(self._compiled.resolved(), Path(out), data_roots(spec), str(device), overwrite, resume=False)
        training = {"seconds": 0.0, "steps": steps, "best step": steps, "stopped early": False}
        run = finish(network, self._prepared, job, training, device)
        save_run(run, overwrite=overwrite)
        return run


def prepare(
    spec: SpecLike,
    data: Given = None,
    *,
    overrides: Sequence[str] = (),
    warn: Callable[[Findings], None] = lambda findings: None,
) -> Ready:
    """The rows of a spec, checked, with encoders fitted on the training rows, and encoded: for a loop of one's own.

    data  the training rows, in place of the spec's files: a polars, pandas or Arrow table, a list of them, or a
          function that returns an iterator of them
    warn  called once with the warnings about the spec and its rows
    Raises AesmError for whatever is wrong with the spec or the rows, all in one go.
    """
    from aesm_dsl.training.train import fitted_plan, prepare_rows

    findings = Findings()
    compiled = compile_spec(spec, overrides=overrides, warn=lambda told: findings.extend(told.items))
    found = prepare_rows(compiled.plan, data_roots(compiled.spec), data, findings, compiled.spec.places.of)
    if found is None or findings.errors:
        name_paths(findings)
        raise AesmError(findings)
    warn(findings)
    tables = found.tables
    return Ready(
        fitted_plan(compiled.plan, found), found.encoders, tables.train, tables.valid, tables.test, found, compiled
    )
