"""Why rows cannot be read, as exceptions within `data.reading`: `read_errors` makes findings of them."""

from __future__ import annotations

from aesm_dsl.plan.data import CsvFormat


class UnreadableError(Exception):
    """Rows cannot be read as they are.

    Attributes:
        label: why, in a few words.
        help: what to do.
        instead: the format of csv files with which they perhaps can; None if no format helps.
    """

    def __init__(self, label: str, help: str, instead: CsvFormat | None = None) -> None:
        self.label, self.help, self.instead = label, help, instead
        super().__init__(f"{label}; {help}")


class LostRowsError(Exception):
    """Another number of rows was read than there should be.

    Attributes:
        label: both numbers, in words.
        reason: the reader's words, as far as it says why.
    """

    def __init__(self, read: int, stated: int, reason: str = "") -> None:
        self.label = f"{read:,} of {stated:,} rows were read"
        self.reason = reason or "nothing"
        super().__init__(f"{self.label}: {self.reason}")
