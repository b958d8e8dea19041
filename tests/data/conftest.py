"""What the data room's tests share."""

from __future__ import annotations

import pytest

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.findings.source import Source, Span
from tests.data.plans import Make


@pytest.fixture(scope="session")
def make() -> Make:
    return Make()


@pytest.fixture(scope="session")
def locate() -> Locate:
    """A span whose text is the dotted path itself: tests read off where a finding points."""

    def place(key: str) -> Span | None:
        return Source("spec.aesm", key).span(0, len(key))

    return place
