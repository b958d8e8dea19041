"""`prepare`: rows, encoders and network of a spec, for a training loop of your own."""

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
from aesm_dsl.spec.read_json import add_json_paths
from aesm_dsl.spec.spec_file import data_roots

if TYPE_CHECKING:
    from aesm_dsl.data.batch import Batch
    from aesm_dsl.data.encoding.encoders import Encoders
    from aesm_dsl.data.prepare import Prepared
    from aesm_dsl.data.reading.frames import TableLike
    from aesm_dsl.data.store.encoded_table import EncodedTable
    from aesm_dsl.layers.build import AnyNetwork
    from aesm_dsl.layers.prediction import Prediction
    from aesm_dsl.training.fit.loss import Loss
    from aesm_dsl.training.run.folder import Run


@dataclass(frozen=True, slots=True)
class Ready:
    """The checked and encoded rows of a spec, and what a training loop needs beside them."""

    plan: Plan
    """The plan, with embedding tables as large as the vocabularies."""
    encoders: Encoders
    train: EncodedTable
    """Training rows. `batches(rows, seed=, epoch=)` gives batches, shuffled differently in every epoch."""
    valid: EncodedTable | None
    """Validation rows. Without a seed, `batches(rows)` gives the rows in their own order."""
    test: EncodedTable | None
    """Test rows."""
    _prepared: Prepared = field(repr=False)
    _compiled: Compiled = field(repr=False)

    def network(self) -> AnyNetwork:
        """Returns a torch.nn.Module for these rows, freshly initialised from the spec's seed."""
        from aesm_dsl.training.train import fitted_network

        return fitted_network(self.plan, self._prepared)

    def loss(self, prediction: Prediction, batch: Batch) -> Loss:
        """Returns the loss that training minimises (`total`), and its parts: see docs/method.md."""
        from aesm_dsl.training.fit.loss import loss

        return loss(prediction, batch, self.plan)

    def finish(
        self,
        network: AnyNetwork,
        out: str | Path,
        *,
        steps: int,
        overwrite: bool = False,
        warn: Callable[[Findings], None] = lambda findings: None,
    ) -> Run:
        """Measures a trained network, and leaves a run folder that every command reads.

        Args:
            network: the network of `network()`, trained.
            out: the run folder.
            steps: optimizer steps that were taken, for the record.
            overwrite: replace the folder.
            warn: called with a warning if some rows have no finite score: they count in no metric.

        Raises:
            ValueError: the network's parameters are not those of `network()`: a run folder holds plain weights, and the
                network is built from its plan.
            FileExistsError: the folder exists, and `overwrite` is False.
        """
        import torch

        from aesm_dsl.layers.build import build_network
        from aesm_dsl.training.finish import finish
        from aesm_dsl.training.job import Job
        from aesm_dsl.training.run.folder import save_run

        with torch.device("meta"):
            wanted = {name: tensor.shape for name, tensor in build_network(self.plan).state_dict().items()}
        held = {name: tensor.shape for name, tensor in network.state_dict().items()}
        if wanted != held:
            odd = sorted(name for name in wanted.keys() | held.keys() if wanted.get(name) != held.get(name))
            raise ValueError(f"the network is not that of the plan: {', '.join(odd[:3])}")
        spec, device = self._compiled.spec, next(network.parameters()).device
        job = Job(self._compiled.resolved(), Path(out), data_roots(spec), str(device), overwrite, resume=False)
        training = {"training": "", "seconds": 0.0, "steps": steps, "best step": steps, "stopped early": False}
        findings = Findings()
        run = finish(network, self._prepared, job, training, device, findings=findings)
        save_run(run, overwrite=overwrite)
        if findings.items:
            warn(findings)
        return run


def prepare(
    spec: SpecLike,
    data: TableLike | None = None,
    *,
    overrides: Sequence[str] = (),
    warn: Callable[[Findings], None] = lambda findings: None,
) -> Ready:
    """Checks the rows of a spec, fits encoders on the training rows, and encodes them: for a training loop of your own.

    Args:
        spec: a `Spec`, or the path of a spec file.
        data: the training rows, in place of the spec's files: a polars, pandas or Arrow table, a list of them, or a
            function that returns an iterator of them.
        overrides: settings that replace those of the file.
        warn: called once, with the warnings about the spec and its rows.

    Raises:
        AesmError: the spec or the rows are wrong; the exception lists everything that is.
    """
    from aesm_dsl.training.train import fitted_plan, prepare_rows

    findings = Findings()
    compiled = compile_spec(spec, overrides=overrides, warn=lambda warnings: findings.extend(warnings.items))
    prepared = prepare_rows(compiled.plan, data_roots(compiled.spec), data, findings, compiled.spec.places.of)
    if prepared is None or findings.errors:
        add_json_paths(findings)
        raise AesmError(findings)
    warn(findings)
    plan, tables = fitted_plan(compiled.plan, prepared), prepared.tables
    return Ready(plan, prepared.encoders, tables.train, tables.valid, tables.test, prepared, compiled)
