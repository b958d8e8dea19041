"""`aesm check`: everything that is wrong with a spec, and on request with its tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aesm_dsl.api.compile import SpecLike, compile_or_report
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.compiled import Compiled
from aesm_dsl.spec.read_json import add_json_paths
from aesm_dsl.spec.spec_file import data_roots


def check(spec: SpecLike, overrides: Sequence[str] = (), *, data: bool = False) -> Findings:
    """Returns all findings about a spec, warnings included. It never raises for them.

    A file that holds nothing but feature groups, for other specs to import, can be checked too.

    Args:
        spec: a `Spec`, or the path of a spec file.
        overrides: settings that replace those of the file.
        data: check the spec's tables too, which reads all of their rows.
    """
    findings = Findings()
    compiled = compile_or_report(spec, overrides, findings, groups=True)
    if data and compiled is not None:
        _check_tables(compiled, findings, [])
    return findings


def profile(spec: SpecLike, overrides: Sequence[str] = ()) -> tuple[Findings, dict[str, Any] | None]:
    """Returns all findings about a spec and its tables, and a profile of the training rows. It never raises for them.

    Returns:
        The findings, and what `Profile.report` says; None in its place if there are errors.
    """
    findings = Findings()
    compiled = compile_or_report(spec, overrides, findings, groups=True)
    if compiled is None:
        return findings, None
    from aesm_dsl.data.checks.profile import Profile

    profiled = Profile(compiled.plan)
    _check_tables(compiled, findings, profiled.checks)
    return findings, None if findings.errors else profiled.summary()


def _check_tables(compiled: Compiled, findings: Findings, also: Sequence[Any]) -> None:
    """Checks the spec's tables; `also` are further surveys of their training rows."""
    from aesm_dsl.data.open_tables import check_tables, report_no_data

    if not report_no_data(compiled.plan, findings):
        check_tables(compiled.plan, data_roots(compiled.spec), findings, compiled.spec.places.of, also)
    add_json_paths(findings)
