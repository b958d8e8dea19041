"""`AesmError`: a user's mistake, raised where a caller expects a result rather than findings."""

from __future__ import annotations

from aesm_dsl.findings.diagnostic import Findings


class AesmError(Exception):
    """Carries `findings`; its message is the rendered diagnostics."""

    def __init__(self, findings: Findings) -> None:
        super().__init__(findings)
        self.findings = findings

    def __str__(self) -> str:
        from aesm_dsl.findings.render import render

        return "\n" + render(self.findings).rstrip()
