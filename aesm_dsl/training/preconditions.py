"""What a training needs before it reads anything: a device, and a plan that this machine and its processes can train.

Everything here is decided by the plan, the installed packages and the number of processes alone; nothing trains yet.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module, metadata

import torch

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.plan import Plan
from aesm_dsl.training.distributed import launch
from aesm_dsl.training.run.reporter import Reporter

LOCAL_TABLES = "or write `tables = local`"
NO_COMPILE = "or write `compile = none`"
FIRST_TORCH = (2, 5)
"""The release of torch for which torchrec 1.0 is built."""


def check_preconditions(plan: Plan, device: str, reporter: Reporter) -> torch.device | None:
    """Adds an error for everything that keeps the plan from being trained here.

    Returns:
        The device of that name; None after an error.
    """
    found_device = find_device(device, reporter.findings)
    _check_processes(plan, reporter)
    if found_device is not None:
        _check_compiler(plan, found_device, reporter)
        _check_torchrec(plan, reporter)
    return None if reporter.findings.errors else found_device


def find_device(name: str, findings: Findings) -> torch.device | None:
    """The device of a name; None after adding E604 because there is none.

    "auto" is CUDA if there is any. "cuda" is a card of its own for every process that torchrun has started.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and launch.world_size() > 1:
        name = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        findings.add(
            "E604", f"there is no device `{name}` here", help="`auto` takes CUDA when there is one, else the CPU"
        )
        return None
    return device


def _check_processes(plan: Plan, reporter: Reporter) -> None:
    """Adds E609 for what several processes of torchrun cannot do together."""
    world_size, rows = launch.world_size(), plan.training.batch_rows
    if world_size == 1:
        return
    if rows % world_size:
        more = rows - rows % world_size + world_size
        reporter.error(
            "E609",
            f"a batch of {rows:,} rows cannot be divided among {world_size} processes",
            "train.batch",
            label="every process takes as many rows of a step",
            help=f"write `batch = {more} rows`",
        )
    for setting, path in _batch_norms(plan):
        reporter.error(
            "E609",
            f"`{setting}` cannot be trained by {world_size} processes",
            path,
            label="its statistics would be those of each process's own rows",
            help=["write `norm = layer`" if "norm" in setting else "another architecture", "or train with one process"],
        )


def _batch_norms(plan: Plan) -> list[tuple[str, str]]:
    """What normalises by the statistics of a batch: the setting in words, and its path."""
    if plan.baseline is not None:
        settings = [("norm = batch", "baseline.norm")] if plan.baseline.norm == "batch" else []
        is_star = plan.baseline.architecture == "star"
        return [*settings, ("architecture = star", "architecture")] if is_star else settings
    stacks = {f"level.{level.name}": level.layers for level in plan.levels} | {"tasks": plan.tasks.layers}
    batch = [path for path, layers in stacks.items() if any(layer.norm == "batch" for layer in layers)]
    if len(batch) == len(stacks):
        return [("norm = batch", "experts.norm")]
    return [("norm = batch", f"{path}.experts.norm") for path in batch]


def _check_compiler(plan: Plan, device: torch.device, reporter: Reporter) -> None:
    """Adds E611 if the plan asks for torch.compile, and it cannot compile the smallest function here."""
    if plan.training.compile is None:
        return
    usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    compiler = os.environ.get("CXX", usual)
    if device.type == "cpu" and shutil.which(compiler) is None:
        reporter.error(
            "E611",
            f"torch.compile needs a C++ compiler, and there is no `{compiler}` here",
            "train.compile",
            help=[f"install {usual}, or name another compiler in the variable `CXX`", NO_COMPILE],
        )
        return
    try:
        torch.compile(_add_one, backend=plan.training.compile)(torch.zeros(2, device=device))
    except Exception as error:  # whatever is missing: headers, Triton, a compiler that runs
        lines = str(error).splitlines()
        reason = next((line for line in lines if line.strip() and not line.endswith("raised:")), "")
        reporter.error(
            "E611",
            f"torch.compile does not work here: {reason.strip() or type(error).__name__}",
            "train.compile",
            help=["on a CPU it needs a C++ compiler and Python's headers, on CUDA Triton", NO_COMPILE],
        )


def _add_one(value: torch.Tensor) -> torch.Tensor:
    return value + 1


def _check_torchrec(plan: Plan, reporter: Reporter) -> None:
    """Adds E607 or E612 if the plan shards tables among processes, and TorchRec cannot do it here."""
    if not plan.training.sharded or launch.world_size() == 1:
        return
    try:
        wrong = torchrec_mismatch(torch.__version__, torchrec_versions())
    except metadata.PackageNotFoundError as error:
        reporter.error(
            "E607",
            f"`tables = sharded` needs {error.name}, which is not installed",
            "train.tables",
            help=['`pip install "aesm-dsl[torchrec]"`; docs/scale.md has the way on CPUs', LOCAL_TABLES],
        )
        return
    if wrong is not None:
        reporter.error("E612", wrong[0], "train.tables", help=[*wrong[1], LOCAL_TABLES])
        return
    try:
        import_module("torchrec.distributed.embedding")
    except Exception as error:  # a library that was built for another torch fails in many ways
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        reporter.error("E612", f"torchrec does not load here: {reason}", "train.tables", help=LOCAL_TABLES)


def torchrec_versions() -> dict[str, str]:
    """The installed versions of torchrec and fbgemm-gpu.

    Raises:
        PackageNotFoundError: one of them is not installed.
    """
    installed = {"torchrec": metadata.version("torchrec")}
    for name in ("fbgemm-gpu-cpu", "fbgemm-gpu"):
        with suppress(metadata.PackageNotFoundError):
            return {**installed, name: metadata.version(name)}
    raise metadata.PackageNotFoundError("fbgemm-gpu")


def torchrec_mismatch(torch_version: str, installed: Mapping[str, str]) -> tuple[str, list[str]] | None:
    """Which packages do not fit torch, and what to install instead; None if all fit.

    Releases 1.X of torchrec and fbgemm are built for torch 2.(X + 5) alone, which their packages do not declare. Nobody
    knows whether a release newer than those installed exists, so none is named; older ones do exist.
    """
    torch_version = torch_version.partition("+")[0]
    here = _release(torch_version)
    releases = {name: _release(version) for name, version in installed.items()}
    built_for = {name: (major + 1, minor + 5) for name, (major, minor) in releases.items()}
    odd = [name for name, release in built_for.items() if release != here]
    if not odd:
        return None
    helps = []
    if max(built_for.values()) >= here >= FIRST_TORCH:
        names = " ".join(f"{name}=={here[0] - 1}.{here[1] - 5}.*" for name in installed)
        helps.append(f"torch {torch_version} needs `{names}`")
    for release in dict.fromkeys(built_for[name] for name in odd):
        names = " and ".join(f"{name} {installed[name]}" for name in odd if built_for[name] == release)
        fitting = f"{release[0]}.{release[1]}"
        all_of_one = f': `pip install "torch=={fitting}.*"`' * (len(set(built_for.values())) == 1)
        helps.append(f"{names} fit{'s' * (' and ' not in names)} torch {fitting}{all_of_one}")
    verb = "does" if len(odd) == 1 else "do"
    names = " and ".join(f"{name} {installed[name]}" for name in odd)
    return f"{names} {verb} not fit torch {torch_version}", helps


def _release(version: str) -> tuple[int, int]:
    """The first two numbers of a version."""
    major, minor = (int(part) for part in version.split(".")[:2])
    return major, minor
