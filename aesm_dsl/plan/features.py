"""`FeaturePlan`: one feature as plain numbers, and the rule for automatic embedding widths."""

from __future__ import annotations

from dataclasses import dataclass

from aesm_dsl.plan.number_form import NumberForm

STEP = 4
"""Automatic widths are multiples of this, so that more features have equal widths and share one lookup."""

ELAPSED_ROWS = 33
"""Rows of the embedding table of elapsed times: the missing one, less than a second, then 2^(k-1) to 2^k seconds for
k = 1, 2, ...; the last one is 2^30 seconds (34 years) and more."""
TRANSFORMER_HIDDEN = 4
"""Width of the hidden layer of a transformer block, in widths of its vectors."""


def auto_width(rows: int) -> int:
    """Returns the fourth root of a table's rows, rounded up to a multiple of 4: 4 up to 256 rows, 32 for a million.

    This is the rule of thumb of "Introducing TensorFlow Feature Columns" (Google Developers Blog, 2017).
    """
    width = STEP
    while width**4 < rows:
        width += STEP
    return width


@dataclass(frozen=True, slots=True)
class NumberEncoding:
    """How a number itself becomes a vector, if it is not multiplied with one."""

    kind: str
    """"piecewise": by its place among bins; "periodic": by sines and cosines."""
    size: int
    """The number of bins, or of frequencies."""
    sigma: float = 0.0
    """The standard deviation of the frequencies at the start."""


@dataclass(frozen=True, slots=True)
class FeaturePlan:
    """One feature: how its column becomes ids, and the embedding table in which the ids are looked up."""

    name: str
    column: str
    """The column it is read from; empty for a cross."""
    group: str
    kind: str
    """How values become ids. Id 0 always stands for the missing value.

    - "category": 1 is every value outside the vocabulary, 2... are the values learnt from the training rows
    - "id": 1...buckets are hashes of the value
    - "number": 1...quantiles are quantile buckets of the value
    - "value": no ids; the number itself enters the network, scaled
    - "date": for each part, 0 is missing and 1... are its values; the rows of the parts follow each other in one table
    - "vectors": 1 is every key that is not in the file, 2... are the keys of the file, in its order
    - "elapsed": 1...32 are buckets of the seconds from the value to the time in the column `until` (`ELAPSED_ROWS`)
    - "cross": 1...buckets are hashes of the ids of the features in `crossed`

    A list has the kind of its values; missing values in it are left out.
    """
    rows: int
    """Rows of the embedding table. Before fitting, for a category, an upper bound set by its `limit`."""
    width: int
    """Width of the feature's part of x. Before fitting, an upper bound if it is automatic (`auto`)."""
    min_count: int = 1
    slots: int = 1
    """Consecutive columns of a batch's ids that hold the feature; 0 for kind "value"."""
    values: int = 0
    """Columns of a batch's numbers that hold the feature: 1 for kind "value", else 0."""
    table: str = ""
    """The feature whose encoder and embedding table this one uses; empty if it has its own."""
    take: str = ""
    """For a list, whether its "first" or "last" values fill the slots; the last ones come newest first."""
    separator: str = ""
    """The separator of values in a list that is written as text."""
    pool: str = ""
    """How a list's vectors are combined: "mean", "sum", "max", "attention" or "transformer". If empty, slots are
    concatenated."""
    scale: str = ""
    """For kind "value": "standard", "log" or "none"; or "piecewise", the place among bins, 0 to their number."""
    parts: tuple[str, ...] = ()
    """For a date: "hour", "weekday", "day" or "month", one for each slot."""
    zone: str = ""
    """For a date, the time zone of its parts; empty for UTC."""
    format: str = ""
    """For a date and for times, how they are written as text, in the signs of `strptime`; empty for ISO text and
    numbers."""
    form: NumberForm | None = None
    """How the numbers of a column of text are written; None if as in the language, and for other kinds."""
    crossed: tuple[str, ...] = ()
    """For a cross, the features that it combines."""
    file: str = ""
    """For vectors, the path of their file as written."""
    key: str = ""
    """For vectors, the file's column of keys; a .npy file has none."""
    vector: str = ""
    """For vectors, the file's column of vectors; if empty, the only column of lists."""
    given: int = 0
    """For vectors, their width in the file; 0 before the file is read."""
    trained: bool = False
    """For vectors, whether training changes them."""
    auto: bool = False
    """Whether fitting sets the width, by the rows of the table."""
    encoding: NumberEncoding | None = None
    """For kind "value", how the number becomes a vector; None if it is multiplied with one."""
    only: tuple[tuple[str, str], ...] = ()
    """The (level, node) whose rows have the feature; empty if all rows have it. Elsewhere its part of x is 0."""

    steps: str = ""
    """For a sequence that describes the steps of another one, that other sequence."""
    until: str = ""
    """For elapsed times, the column of the row's own time; if empty, the values are the seconds that have passed."""

    @property
    def embed(self) -> int:
        """Width of the looked-up vectors, one for each slot."""
        return self.width if self.pool or not self.slots else self.width // self.slots
