"""`FeaturePlan`: one feature as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass

STEP = 4
"""Automatic widths are multiples of it: features of equal width share one lookup."""


def auto_width(rows: int) -> int:
    """The fourth root of a table's rows, rounded up to a multiple of 4: 4 up to 256 rows, 32 for a million.

    The rule of thumb of "Introducing TensorFlow Feature Columns" (Google Developers Blog, 2017).
    """
    width = STEP
    while width**4 < rows:
        width += STEP
    return width


@dataclass(frozen=True, slots=True)
class FeaturePlan:
    """One feature: how its column becomes ids, and the embedding table that the ids look up.

    `kind` and the ids it gives (0 is always the missing value):
      category  1 = any value outside the vocabulary, 2... = values learnt from the training rows
      id        1...buckets = hash of the value
      number    1...quantiles = quantile bucket of the value
      value     none: the number itself enters, scaled
      date      of each part in turn 0 = missing, 1... = its values, all in one table one below the other
      vectors   1 = a key that is not in the file, 2... = the keys of the file, in its order
      cross     1...buckets = hash of the ids of the features in `crossed`
    A list has the kind of its values; its missing ones are left out.
    """

    name: str
    column: str
    """Empty where the feature is made of others."""
    group: str
    kind: str
    rows: int
    """Rows of the embedding table. Before fitting, a category's is the upper bound that its vocabulary may reach."""
    width: int
    """Of its columns of x. Before fitting, an upper bound where it is `auto`."""
    min_count: int = 1
    slots: int = 1
    """Consecutive columns of a batch's ids that hold the feature's values; 0 of a feature that is used as a number."""
    values: int = 0
    """Columns of a batch's values that hold the feature: 1 where it is used as a number, else 0."""
    table: str = ""
    """The feature whose encoder and embedding table this one uses, where it has none of its own."""
    take: str = ""
    """Of a list: whether its "first" or "last" values fill the slots, the last ones newest first."""
    separator: str = ""
    """What separates the values of a list that is written as text."""
    pool: str = ""
    """How the vectors of a list become one: "mean", "sum", "max" or "attention"; else slots lie side by side."""
    scale: str = ""
    """Of a value: "standard", "log" or "none"."""
    parts: tuple[str, ...] = ()
    """Of a date: "hour", "weekday", "day" or "month", one for each slot."""
    zone: str = ""
    """Of a date: the time zone of its parts, UTC without one."""
    crossed: tuple[str, ...] = ()
    """Of a cross: the features that it is made of."""
    file: str = ""
    """Of vectors: the file that they are in, as written."""
    key: str = ""
    """Its column of keys; a .npy file has none."""
    vector: str = ""
    """Its column of vectors; empty: the only one that holds lists."""
    given: int = 0
    """Width of its vectors; 0 before the file is read."""
    trained: bool = False
    """Whether its vectors are trained too."""
    auto: bool = False
    """Whether fitting sets its width, by the rows of its table."""

    @property
    def embed(self) -> int:
        """Width of the vectors that are looked up, one for each slot."""
        return self.width if self.pool or not self.slots else self.width // self.slots
