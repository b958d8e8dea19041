"""`AesmError`: the exception for a user's mistake."""

from __future__ import annotations

from aesm_dsl.findings.diagnostic import Findings


class AesmError(Exception):
    """A user's mistake, raised by functions that return a result rather than findings.

    Its message is what the command line prints.

    Attributes:
        findings: the errors and warnings.
    """

    def __init__(self, findings: Findings) -> None:
        super().__init__(findings)
        self.findings = findings

    def __str__(self) -> str:
        # render needs rich, which is loaded only when there is something to print.
        from aesm_dsl.findings.render import render

        return "\n" + render(self.findings).rstrip()
