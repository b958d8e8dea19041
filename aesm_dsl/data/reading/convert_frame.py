"""A frame of pandas or Arrow, or a mapping of columns -> a frame of polars.

A column that nothing here can convert becomes a column of objects: that is told where a spec reads it, and does not
matter elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from aesm_dsl.data.reading.read_errors import is_panic


def to_polars(frame: Any) -> pl.DataFrame:
    """Returns the rows of a frame.

    Raises:
        TypeError: it is no frame.
        ValueError: its columns differ in length, or two have one name.
    """
    if isinstance(frame, pl.DataFrame):
        return frame
    if isinstance(frame, Mapping):
        return pl.DataFrame([_series(str(name), cells) for name, cells in frame.items()])
    if hasattr(frame, "__arrow_c_stream__"):
        whole = _tried(lambda: _of_arrow(frame))
        if whole is not None:
            return whole
    if hasattr(frame, "iloc"):
        return pl.DataFrame([_pandas_column(frame, name) for name in _names(list(frame.columns))])
    if hasattr(frame, "select") and hasattr(frame, "column_names"):
        names = _names(frame.column_names)
        columns = [_tried(lambda: _of_arrow(frame.select([name]))) for name in names]  # noqa: B023
        read = zip(names, columns, strict=True)
        return pl.DataFrame([_unknown(name, len(frame)) if one is None else one[name] for name, one in read])
    return pl.DataFrame(frame)


def _of_arrow(frame: Any) -> pl.DataFrame:
    converted = pl.from_arrow(frame)
    # Of what is no table of pyarrow, polars makes one column of structs.
    return converted if isinstance(converted, pl.DataFrame) else converted.struct.unnest()


def _tried(convert: Callable[[], pl.DataFrame]) -> pl.DataFrame | None:
    """What `convert` returns; None if the frame has a column that cannot be converted."""
    try:
        return convert()
    except BaseException as error:
        # pandas raises ImportError without pyarrow; pyarrow's errors are ValueError, TypeError and others.
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        return None


def _names(names: list[Any]) -> list[Any]:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"two columns are called `{twice}`")
    return names


def _pandas_column(frame: Any, name: Any) -> pl.Series:
    """A column by way of Arrow, or value by value if pyarrow is missing or cannot convert it."""
    column = frame[name]
    if hasattr(frame, "__arrow_c_stream__"):
        one = _tried(lambda: _of_arrow(frame[[name]].reset_index(drop=True)))
        if one is not None and one.width == 1:
            return one.to_series().alias(str(name))
    dtype = column.dtype
    if hasattr(dtype, "tz"):
        utc = column.dt.tz_convert("UTC").dt.tz_localize(None)
        return pl.Series(str(name), utc.to_numpy()).dt.replace_time_zone("UTC")
    kind = getattr(dtype, "kind", "O")
    if hasattr(dtype, "itemsize") and type(dtype).__module__.startswith("numpy") and kind in "biufmM":
        values = column.to_numpy()
        coarse = kind in "mM" and values.dtype.name.endswith("[s]")
        return pl.Series(str(name), values.astype(values.dtype.name.replace("[s]", "[ms]")) if coarse else values)
    missing = column.isna().tolist()
    return _series(str(name), [None if gone else cell for gone, cell in zip(missing, column.tolist(), strict=True)])


def _series(name: str, cells: Any) -> pl.Series:
    """A column of these cells: of objects if they have no type in common."""
    if not isinstance(cells, list):
        return pl.Series(name, cells)
    plain = [cell.tolist() if hasattr(cell, "tolist") else cell for cell in cells]
    try:
        return pl.Series(name, plain)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
        return pl.Series(name, plain, dtype=pl.Object)


def _unknown(name: str, rows: int) -> pl.Series:
    return pl.Series(name, [None] * rows, dtype=pl.Object)
