"""`Run`: the folder that a training leaves behind, read and written here only.

spec.aesm            the resolved spec: nothing left to defaults
plan.json            the plan, with the tables' sizes as fitted
encoders.json        vocabularies, hashes, quantiles
profile.json         what the training rows were like: rows and rates of nodes and leaves, users that nodes share
weights.safetensors  the network's weights
metrics.json         scores of every leaf x task on the rows the run was measured on
calibration.json     how often what was foretold happened on these rows, for every leaf x task
usage.json           which experts every node used on these rows; no layers in it where nothing is selected
history.jsonl        one line per epoch: losses, metrics, how every layer's experts were used
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
from aesm_dsl.training.metrics.scores import Score
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
    """A trained model with all that is known about it. The network is in evaluation mode."""

    folder: Path
    spec: str
    """The resolved spec, in the language."""
    plan: Plan
    encoders: Encoders
    network: AnyNetwork
    scores: tuple[Score, ...]
    """Of the rows named by `info["measured on"]`: test rows, or validation rows, or training rows."""
    calibration: tuple[Calibration, ...]
    """Of the same rows."""
    usage: Usage
    history: tuple[Epoch, ...]
    info: dict[str, Any]
    profile: dict[str, Any]
    """Of the training rows, as `aesm check --profile --format json` has it."""

    def sharing(self, level: str, layer: int = -1) -> Sharing:
        """What the nodes of a level share in one of its layers, by default the last; the task level is "tasks".

        Raises KeyError when no level has this name, AesmError (E606) when the run's architecture selects nothing.
        """
        if self.plan.baseline is not None:
            raise AesmError(nothing_selected(self.plan.baseline.architecture))
        return self.usage.sharing(level, layer)

    def usages(self) -> tuple[tuple[int, Usage], ...]:
        """Number of an epoch and how the experts were used at its end, on validation rows, else on training rows."""
        found = []
        for epoch in self.history:
            layers = [
                LayerUsage(
                    layer.level, layer.layer, self.usage.level(layer.level)[0].nodes, one.rows_N, (), (), one.weight_NE
                )
                for one in epoch.experts
                for layer in self.usage.level(one.level)
                if layer.layer == one.layer
            ]
            if layers:
                found.append((epoch.epoch, Usage(tuple(layers))))
        return tuple(found)

    @property
    def metrics(self) -> pl.DataFrame:
        """One row per leaf x task: the fields of `Score`."""
        return metrics_frame(self.scores)


def nothing_selected(architecture: str) -> Findings:
    """Why there is nothing to show of what a run learnt to share."""
    findings = Findings()
    findings.add(
        "E606",
        f"a run of `{architecture}` has no learnt selection: no row of it picks experts",
        help="train the spec with `architecture = aes`",
    )
    return findings


def metrics_frame(scores: Sequence[Score]) -> pl.DataFrame:
    """Scores as a data frame, a column per field; null where a score has None."""
    texts, counts = ("leaf", "task"), ("rows", "positives", "users")
    kinds = {**dict.fromkeys(texts, pl.String), **dict.fromkeys(counts, pl.Int64)}
    schema = {one.name: kinds.get(one.name, pl.Float64) for one in fields(Score)}
    return pl.DataFrame([asdict(score) for score in scores], schema=schema)


def save_run(run: Run, *, overwrite: bool, logs: Path | None = None) -> None:
    """Writes the folder under a temporary name beside its place, then renames it.

    logs  the folder with what was written while it trained (log.py), which is put into the run's
    With `overwrite` an older folder of the name is removed once the new one is complete.
    Raises FileExistsError when there is one and `overwrite` is not set.
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
    """Dataclasses as a JSON list, a line for each field."""
    return json.dumps([asdict(one) for one in values], ensure_ascii=False, indent=1) + "\n"


def load_run(folder: Path, findings: Findings) -> Run | None:
    """The run of a folder, its network on the CPU; None after telling why the folder is none (E602).

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
            _part(folder, "metrics.json", lambda text: read_json(tuple[Score, ...], text)),
            _part(folder, "calibration.json", lambda text: read_json(tuple[Calibration, ...], text)),
            _part(folder, "usage.json", Usage.from_json),
            _part(folder, "history.jsonl", lambda text: tuple(read_json(Epoch, line) for line in text.splitlines())),
            info,
            _part(folder, "profile.json", _profile),
        )
    except _DamagedError as error:
        findings.add("E602", f"the run `{folder}` cannot be read: {error}", help="train it again with this version")
        return None


class _DamagedError(Exception):
    """What is wrong with a file of a run."""


def _part(folder: Path, name: str, read: Callable[[Any], Part], reads: bool = True) -> Part:
    """What `read` makes of a file's text, or of its path. Whatever fails there is the file's fault."""
    try:
        return read((folder / name).read_text(encoding="utf-8") if reads else folder / name)
    except Exception as error:
        raise _DamagedError(f"`{name}`: {_first_line(error)}") from error


def _profile(text: str) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise TypeError("no profile")
    return found


def _info(folder: Path, findings: Findings) -> dict[str, Any] | None:
    """What run.json says, once every file is there and is the one that was written."""
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
    """Raises KeyError or ValueError where what others read of run.json is not there as they expect it."""
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
