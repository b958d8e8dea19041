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
run.json             versions, device, seed, files, and the digest of every other file
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
from safetensors.torch import save_file

from aesm_dsl.data.encoding.encoders import Encoders
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError
from aesm_dsl.layers.build import AnyNetwork
from aesm_dsl.plan.plan import Plan
from aesm_dsl.plan.strict_json import read_json
from aesm_dsl.training.metrics.calibration import Calibration
from aesm_dsl.training.metrics.scores import Score, with_overall_name
from aesm_dsl.training.run.history import Epoch
from aesm_dsl.training.run.log import EVENTS, LINES
from aesm_dsl.training.run.validate_run import check_encoders, check_plan, load_network
from aesm_dsl.training.sharing.layer_usage import LayerUsage
from aesm_dsl.training.sharing.sharing_matrix import Sharing
from aesm_dsl.training.sharing.usage import Usage

Part = TypeVar("Part")

FORMAT = 2
"""Version of the run folder; a folder of another version is refused."""

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
    texts, counts = ("leaf", "task"), ("rows", "positives", "users")
    kinds = {**dict.fromkeys(texts, pl.String), **dict.fromkeys(counts, pl.Int64)}
    schema = {field.name: kinds.get(field.name, pl.Float64) for field in fields(Score)}
    return pl.DataFrame([asdict(score) for score in scores], schema=schema)


def save_run(run: Run, *, overwrite: bool, logs: Path | None = None) -> None:
    """Writes the folder of a run under a temporary name beside its place, then renames it.

    Args:
        run: what to write.
        overwrite: replace an older folder, once the new one is complete.
        logs: folder with the logs of the training (log.py), which are copied into the run's folder.

    Raises:
        FileExistsError: the folder exists, and `overwrite` is False.
    """
    run.folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f".{run.folder.name}.", dir=run.folder.parent))
    try:
        _write(run, new)
        if logs is not None:
            shutil.copyfile(logs / LINES, new / LINES)
            if (logs / EVENTS).is_dir():
                shutil.copytree(logs / EVENTS, new / EVENTS)
        new.chmod(0o755)
        if run.folder.exists():
            if not overwrite:
                raise FileExistsError(run.folder)
            old = Path(tempfile.mkdtemp(prefix=f".{run.folder.name}.", dir=run.folder.parent))
            os.replace(run.folder, old / "old")
            os.replace(new, run.folder)
            shutil.rmtree(old)
        else:
            os.replace(new, run.folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


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
    save_file(weights, folder / "weights.safetensors")
    digests = {name: _digest(folder / name) for name in FILES}
    info = json.dumps({"format": FORMAT, **run.info, "sha256": digests}, ensure_ascii=False, indent=2)
    (folder / "run.json").write_text(info + "\n", encoding="utf-8")


def _listed(values: Sequence[Any]) -> str:
    """Dataclasses as a JSON list, one line per field."""
    return json.dumps([asdict(value) for value in values], ensure_ascii=False, indent=1) + "\n"


def load_run(folder: Path, findings: Findings) -> Run | None:
    """Returns the run of a folder, its network on the CPU; None after adding why it cannot be read (E602).

    Nothing in a run folder is ever executed: it holds JSON, text and safetensors.
    """
    info = _info(folder, findings)
    if info is None:
        return None
    try:
        plan = _part(folder, "plan.json", lambda text: check_plan(Plan.from_json(text)))
        return Run(
            folder,
            _part(folder, "spec.aesm", str),
            plan,
            _part(folder, "encoders.json", lambda text: check_encoders(Encoders.from_json(text), plan)),
            _part(folder, "weights.safetensors", lambda path: load_network(plan, path), reads=False),
            _part(folder, "metrics.json", lambda text: with_overall_name(read_json(tuple[Score, ...], text))),
            _part(folder, "calibration.json", lambda text: with_overall_name(read_json(tuple[Calibration, ...], text))),
            _part(folder, "usage.json", Usage.from_json),
            _part(folder, "history.jsonl", lambda text: tuple(read_json(Epoch, line) for line in text.splitlines())),
            info,
            _part(folder, "profile.json", _profile),
        )
    except _DamagedError as error:
        findings.add("E602", f"the run `{folder}` cannot be read: {error}", help="train it again with this version")
        return None


class _DamagedError(Exception):
    """Says what is wrong with a file of a run."""


def _part(folder: Path, name: str, read: Callable[[Any], Part], reads: bool = True) -> Part:
    """What `read` makes of the text of a file, or of its path. Whatever fails there is the file's fault."""
    try:
        return read((folder / name).read_text(encoding="utf-8") if reads else folder / name)
    except Exception as error:
        raise _DamagedError(f"`{name}`: {_first_line(error)}") from error


def _profile(text: str) -> dict[str, Any]:
    profile = json.loads(text)
    if not isinstance(profile, dict):
        raise TypeError("no profile")
    return profile


def _info(folder: Path, findings: Findings) -> dict[str, Any] | None:
    """What run.json says; None after adding why (E602) if a file is missing, or is not the one that was written."""
    if not folder.is_dir():
        findings.add("E602", f"there is no run `{folder}`", help="`aesm train SPEC -o RUN` makes one")
        return None
    linked = [name for name in ("run.json", *FILES) if (folder / name).is_symlink()]
    if linked:
        listed = ", ".join(f"`{name}`" for name in linked)
        findings.add(
            "E602", f"in `{folder}`, {listed} leads elsewhere", help="a run holds its files themselves, no links"
        )
        return None
    missing = [name for name in ("run.json", *FILES) if not (folder / name).is_file()]
    if missing:
        listed = ", ".join(f"`{name}`" for name in missing)
        findings.add("E602", f"`{folder}` is not a run: {listed} missing", help="`aesm train SPEC -o RUN` makes one")
        return None
    try:
        info: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        version, digests = info.pop("format"), dict(info.pop("sha256"))
        _check_info(info)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        findings.add("E602", f"`{folder / 'run.json'}` is damaged", help="train the model again")
        return None
    if version != FORMAT:
        findings.add("E602", f"the run `{folder}` has format {version}, this version reads format {FORMAT}")
        return None
    changed = [name for name in FILES if digests.get(name) != _digest(folder / name)]
    if changed:
        listed = ", ".join(f"`{name}`" for name in changed)
        findings.add("E602", f"in the run `{folder}`, {listed} changed since it was written", help="train it again")
        return None
    return info


def _check_info(info: dict[str, Any]) -> None:
    """Raises KeyError or ValueError if run.json lacks what other modules read from it."""
    roots, part, seconds = info["roots"], info["measured on"], info["seconds"]
    if part not in ("train", "valid", "test") or type(seconds) not in (int, float):
        raise ValueError("measured on")
    if not isinstance(roots, list) or not all(isinstance(one, str) for one in roots):
        raise ValueError("roots")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
