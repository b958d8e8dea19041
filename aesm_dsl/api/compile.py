"""`aesm compile`: a spec as a plan, and the network that the plan describes.

Checking and compiling a spec loads neither torch nor the data libraries; `build_from_spec` loads torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aesm_dsl.files.whole import write_text
from aesm_dsl.findings.diagnostic import Findings, did_you_mean, quoted
from aesm_dsl.findings.error import AesmError
from aesm_dsl.findings.source import Source
from aesm_dsl.plan.compiled import Compiled, compile_loaded
from aesm_dsl.spec.baseline import ARCHITECTURES
from aesm_dsl.spec.load import load
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.read_json import add_json_paths
from aesm_dsl.spec.spec_file import read_source

if TYPE_CHECKING:
    from aesm_dsl.layers.build import AnyNetwork

SpecLike = str | Path | Spec
"""A spec, or the path of its file."""


def compile_spec(
    spec: SpecLike,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    *,
    arch: str | None = None,
    warn: Callable[[Findings], None] = lambda findings: None,
) -> Compiled:
    """Compiles a spec to a plan, without loading torch.

    Args:
        spec: a `Spec`, or the path of a spec file.
        out: folder to write plan.json, hierarchy.json and the resolved spec.aesm into; None writes nothing.
        overrides: settings that replace those of the file, such as `"train.epochs=3"`.
        arch: an architecture other than the spec's; the same as the override `architecture=ARCH`.
        warn: called once, with the warnings.

    Returns:
        The spec, its hierarchy and its plan.

    Raises:
        AesmError: the spec has errors; the exception lists all of them.
    """
    findings = Findings()
    compiled = compile_or_report(spec, overrides, findings, arch)
    if compiled is None:
        raise AesmError(findings)
    warn(findings)
    if out is not None:
        texts = {
            "plan.json": compiled.plan.to_json(),
            "hierarchy.json": compiled.hierarchy.to_json(),
            "spec.aesm": compiled.resolved(),
        }
        for name, text in texts.items():
            write_text(Path(out) / name, text)
    return compiled


def build_from_spec(spec: SpecLike, overrides: Sequence[str] = (), *, arch: str | None = None) -> AnyNetwork:
    """Builds the network of a spec, freshly initialised from the spec's seed.

    Its embedding tables have the largest size that the spec allows; `train` sizes them by the data. torch's global
    random generator is left as it was.

    Args:
        spec: a `Spec`, or the path of a spec file.
        overrides: settings that replace those of the file.
        arch: an architecture other than the spec's: `aes`, or one of docs/architectures.md.

    Returns:
        A torch.nn.Module.

    Raises:
        AesmError: the spec has errors.
    """
    from aesm_dsl.training.train import new_network

    return new_network(compile_spec(spec, overrides=overrides, arch=arch).plan)


def compile_or_report(
    spec: SpecLike, overrides: Sequence[str], findings: Findings, arch: str | None = None, *, groups: bool = False
) -> Compiled | None:
    """Compiles a spec, adding what is wrong to `findings`; None with errors.

    Args:
        groups: accept a file that holds nothing but feature groups for other specs to import; there is nothing to
            compile in it, so the result is None without errors.
    """
    if arch is not None and arch not in ARCHITECTURES:
        known = quoted(ARCHITECTURES)
        findings.add(
            "E302", f"no architecture `{arch}`", help=[did_you_mean(arch, ARCHITECTURES), f"there are {known}"]
        )
        return None
    if isinstance(spec, Spec):
        if overrides:
            raise ValueError("overrides go with a spec's path; a Spec has `model_copy`")
        loaded: Spec | None = spec if arch is None else spec.model_copy(update={"architecture": arch})
    else:
        settings: list[str | Source] = [*overrides]
        if arch is not None:
            settings.append(Source("--arch", f"architecture={arch}"))
        source = read_source(spec, findings)
        loaded = load(source, findings, settings, groups=groups) if source is not None else None
    compiled = compile_loaded(loaded, findings) if loaded is not None else None
    add_json_paths(findings)
    return compiled
