"""The rows that every writer writes, and the model that reads them with every kind of feature."""

from __future__ import annotations

import datetime as dt

import polars as pl

SPEC = """\
aesm = 1

model m {
  features u {
    user    = id(buckets: 1000)
    city    = category()
    version = category()
    flag    = category()
    day     = category()
    price   = number(quantiles: 8)
    rate    = number(scale: none)
    stars   = id(buckets: 50)
    seen    = date(parts: [hour, weekday])
    tags    = list(of: category(), separator: ",")
  }
  level scene { node home; node list { value = "10.0" } }
  tasks { task click }
  data { train = "rows" }
}
"""

COUNT = 240


def table() -> pl.DataFrame:
    """The rows with the types that parquet has."""
    numbers = range(COUNT)
    start = dt.datetime(2024, 1, 30, 22, 15)
    return pl.DataFrame(
        {
            "user": [2**53 + 1 + number % 37 for number in numbers],
            "city": [("ulm", "köln", "北京", 'say "hi", he', "007", None)[number % 6] for number in numbers],
            "version": [("10.0", "10", "1.50", "True", "v2")[number % 5] for number in numbers],
            "flag": [number % 3 == 0 for number in numbers],
            "day": [start.date() + dt.timedelta(days=number % 9) for number in numbers],
            "price": [None if number % 11 == 0 else number * 0.1 for number in numbers],
            "rate": pl.Series([number / 7 for number in numbers], dtype=pl.Float32),
            "stars": [None if number % 7 == 0 else number % 5 for number in numbers],
            "seen": [start + dt.timedelta(minutes=37 * number) for number in numbers],
            "tags": [("a,b", "c", "", "b,b,d")[number % 4] for number in numbers],
            "scene": [("home", "10.0")[number % 2] for number in numbers],
            "click": [number % 3 % 2 for number in numbers],
        }
    )


def with_lists(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with their tags as lists."""
    tags = rows["tags"].str.split(",").list.eval(pl.element().filter(pl.element() != ""))
    return rows.with_columns(tags=tags)
