"""`Run`: the folder that a training leaves behind. It is read and written here only.

spec.aesm            the resolved spec: every setting written out
plan.json            the plan, with the embedding tables' sizes as fitted
encoders.json        vocabularies, hashes, quantile boundaries
profile.json         the training rows: rows and rates of nodes and leaves, users that nodes share
weights.safetensors  the network's weights
metrics.json         scores of every leaf and task on the rows the run was measured on
calibration.json     predicted and observed rates on these rows, for every leaf and task
usage.json           which experts every node used on these rows; without layers if nothing is selected
history.jsonl        one line per epoch: losses, metrics, and how the experts of every layer were used
log.jsonl, events/   the training as it went (log.py)
run.json             the manifest: versions, device, seed, files, and the digest of every file
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from aesm_dsl.data.encoding.encoders import Encoders
from aesm_dsl.files.manifest import DamagedError, OtherFormatError, open_manifest, write_manifest
from aesm_dsl.files.temporary import clear_leftovers
from aesm_dsl.files.whole import replaced_folder
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError
from aesm_dsl.layers.build import AnyNetwork
from aesm_dsl.plan.plan import Plan
from aesm_dsl.plan.strict_json import read_json
from aesm_dsl.training.metrics.calibration import Calibration
from aesm_dsl.training.metrics.scores import Score
from aesm_dsl.training.run.history import Epoch
from aesm_dsl.training.run.log import EVENTS, LINES
from aesm_dsl.training.run.tensor_file import write_tensors
from aesm_dsl.training.run.validate_records import (
    check_calibration,
    check_history,
    check_info,
    check_profile,
    check_scores,
    check_usage,
)
from aesm_dsl.training.run.validate_run import check_encoders, check_plan, load_network
from aesm_dsl.training.sharing.layer_usage import LayerUsage
from aesm_dsl.training.sharing.sharing_matrix import Sharing
from aesm_dsl.training.sharing.usage import Usage

Part = TypeVar("Part")

FORMAT = 3
"""Version of the run folder; a folder of another version is refused."""

MANIFEST = "run.json"

FILES = (
    "spec.aesm",
    "plan.json",
    "encoders.json",
    "profile.json",
    "weights.safetensors",
    "metrics.json",
    "calibration.json",
    "usage.json",
    "history.jsonl",
)


@dataclass(frozen=True, slots=True)
class Run:
    """A trained model with everything that is known about it. The network is in evaluation mode."""

    folder: Path
    spec: str
    """The resolved spec, in the language."""
    plan: Plan
    encoders: Encoders
    network: AnyNetwork
    scores: tuple[Score, ...]
    """Scores on the rows that `info["measured on"]` names: test rows, or validation rows, or training rows."""
    calibration: tuple[Calibration, ...]
    """Calibration on the same rows."""
    usage: Usage
    history: tuple[Epoch, ...]
    info: dict[str, Any]
    profile: dict[str, Any]
    """Profile of the training rows, as `aesm check --profile --format json` prints it."""

    def sharing(self, level: str, layer: int = -1) -> Sharing:
        """Returns what the nodes of a level share in one of its layers.

        Args:
            level: name of the level; the task level is "tasks".
            layer: index in the level's stack; by default the last.

        Raises:
            KeyError: no level has this name.
            AesmError: the run's architecture selects nothing (E606).
        """
        if self.plan.baseline is not None:
            raise AesmError(nothing_selected(self.plan.baseline.architecture))
        return self.usage.sharing(level, layer)

    def usages(self) -> tuple[tuple[int, Usage], ...]:
        """Returns for every epoch how experts were used at its end: on validation rows, else on training rows."""
        usages = []
        for epoch in self.history:
            layers = [
                LayerUsage(layer.level, layer.layer, layer.nodes, health.rows_N, (), (), health.weight_NE)
                for health in epoch.experts
                for layer in self.usage.level(health.level)
                if layer.layer == health.layer
            ]
            if layers:
                usages.append((epoch.epoch, Usage(tuple(layers))))
        return tuple(usages)

    @property
    def metrics(self) -> pl.DataFrame:
        """The scores as a table: one row per leaf and task, with the fields of `Score`."""
        return metrics_frame(self.scores)


def nothing_selected(architecture: str) -> Findings:
    """Returns the finding that a run of this architecture has no experts whose sharing could be shown (E606)."""
    findings = Findings()
    findings.add(
        "E606",
        f"a run of `{architecture}` has no learnt selection: no row of it picks experts",
        help="train the spec with `architecture = aes`",
    )
    return findings


def metrics_frame(scores: Sequence[Score]) -> pl.DataFrame:
    """Returns scores as a table: one column per field, null where a score has None."""
    texts, counts = ("leaf", "task"), ("rows", "positives", "users", "queries")
    kinds = {**dict.fromkeys(texts, pl.String), **dict.fromkeys(counts, pl.Int64)}
    schema = {field.name: kinds.get(field.name, pl.Float64) for field in fields(Score)}
    return pl.DataFrame([asdict(score) for score in scores], schema=schema)


def save_run(run: Run, *, overwrite: bool, logs: Path | None = None) -> None:
    """Writes the folder of a run, whole or not at all.

    Args:
        run: what to write.
        overwrite: replace an older folder, once the new one is complete.
        logs: folder with the logs of the training (log.py), which are copied into the run's folder.

    Raises:
        FileExistsError: the folder exists, and `overwrite` is False.
        OSError: it cannot be written; nothing of it is left, and an older folder stays.
    """
    with replaced_folder(run.folder, overwrite=overwrite) as new:
        if logs is not None:
            shutil.copyfile(logs / LINES, new / LINES)
            for file in sorted((logs / EVENTS).glob("*")):
                (new / EVENTS).mkdir(exist_ok=True)
                shutil.copyfile(file, new / EVENTS / file.name)
        _write(run, new)


def _write(run: Run, folder: Path) -> None:
    texts = {
        "spec.aesm": run.spec,
        "plan.json": run.plan.to_json(),
        "encoders.json": run.encoders.to_json(),
        "profile.json": json.dumps(run.profile, ensure_ascii=False, indent=1) + "\n",
        "metrics.json": _listed(run.scores),
        "calibration.json": _listed(run.calibration),
        "usage.json": run.usage.to_json(),
        "history.jsonl": "".join(json.dumps(asdict(epoch)) + "\n" for epoch in run.history),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in run.network.state_dict().items()}
    write_tensors(folder / "weights.safetensors", weights)
    write_manifest(folder, MANIFEST, FORMAT, run.info)


def _listed(values: Sequence[Any]) -> str:
    """Dataclasses as a JSON list, one line per field."""
    return json.dumps([asdict(value) for value in values], ensure_ascii=False, indent=1) + "\n"


def load_run(folder: Path, findings: Findings) -> Run | None:
    """Returns the run of a folder, its network on the CPU; None after adding why it cannot be read (E602).

    Nothing in a run folder is ever executed: it holds JSON, text and safetensors.
    """
    clear_leftovers(folder.parent)
    if not folder.is_dir():
        findings.add("E602", f"there is no run `{folder}`", help="`aesm train SPEC -o RUN` makes one")
        return None
    if not (folder / MANIFEST).is_file():
        findings.add(
            "E602", f"`{folder}` is not a run: `{MANIFEST}` missing", help="`aesm train SPEC -o RUN` makes one"
        )
        return None
    try:
        info = open_manifest(folder, MANIFEST, FORMAT, required=FILES, may_be_removed=(LINES, EVENTS))
        plan = _part(folder, "plan.json", lambda text: check_plan(Plan.from_json(text)))
        return Run(
            folder,
            _part(folder, "spec.aesm", str),
            plan,
            _part(folder, "encoders.json", lambda text: check_encoders(Encoders.from_json(text), plan)),
            _part(folder, "weights.safetensors", lambda path: load_network(plan, path), reads=False),
            _part(folder, "metrics.json", lambda text: check_scores(read_json(tuple[Score, ...], text), plan)),
            _part(
                folder,
                "calibration.json",
                lambda text: check_calibration(read_json(tuple[Calibration, ...], text), plan),
            ),
            _part(folder, "usage.json", lambda text: check_usage(Usage.from_json(text), plan)),
            _part(
                folder,
                "history.jsonl",
                lambda text: check_history((read_json(Epoch, line) for line in text.splitlines()), plan),
            ),
            _part(folder, MANIFEST, lambda text: check_info(info, plan)),
            _part(folder, "profile.json", lambda text: check_profile(text, plan)),
        )
    except (DamagedError, OtherFormatError) as error:
        findings.add("E602", f"the run `{folder}` cannot be read: {error}", help="train it again with this version")
        return None


def _part(folder: Path, name: str, read: Callable[[Any], Part], reads: bool = True) -> Part:
    """What `read` makes of the text of a file, or of its path. Whatever fails there is the file's fault."""
    try:
        return read((folder / name).read_text(encoding="utf-8") if reads else folder / name)
    except Exception as error:
        raise DamagedError(f"`{name}`: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
