"""Converts public data sets, as they are published, to the tables that the specs in `specs/` read.

    python examples/convert.py movielens  FOLDER OUT   ratings.dat, users.dat, movies.dat -> one .parquet
    python examples/convert.py aliexpress FOLDER OUT   NL/train.csv, NL/test.csv, ES/... -> a folder
    python examples/convert.py aliccp     FOLDER OUT   sample_skeleton_*.csv, common_features_*.csv -> a folder
    python examples/convert.py kuairand   FOLDER OUT   log_standard_*.csv, user_features_*.csv, ... -> a folder

Large tables are streamed. docs/datasets.md says where the files come from.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl


def movielens(folder: Path, out: Path) -> None:
    """Writes a row per rating, with its user and movie. The files are separated by `::` and in Latin-1."""

    def read(name: str, columns: list[str]) -> pl.DataFrame:
        text = (folder / name).read_text(encoding="latin-1")
        cells = [line.split("::") for line in text.splitlines() if line]
        return pl.DataFrame(cells, schema=dict.fromkeys(columns, pl.String), orient="row")

    ratings = read("ratings.dat", ["user_id", "movie_id", "rating", "time"])
    users = read("users.dat", ["user_id", "gender", "age", "occupation", "zip"])
    movies = read("movies.dat", ["movie_id", "title", "genres"])
    table = ratings.join(users, on="user_id", how="left").join(movies, on="movie_id", how="left")
    table.with_columns(pl.col("rating", "time").cast(pl.Int64)).sort("time", maintain_order=True).write_parquet(out)


def aliexpress(folder: Path, out: Path) -> None:
    """Writes a training file and a test file per country; the country becomes a column."""
    for part in ("train", "test"):
        (out / part).mkdir(parents=True, exist_ok=True)
        for file in sorted(folder.glob(f"*/{part}.csv")):
            country = file.parent.name.removeprefix("AliExpress_")
            rows = pl.scan_csv(file, infer_schema_length=10_000).with_columns(country=pl.lit(country))
            rows.sink_parquet(out / part / f"{country}.parquet")


USER = ("101", "121", "122", "124", "125", "126", "127", "128", "129")
SINGLE = (*USER, "205", "206", "207", "216", "301", "508", "509", "702", "853")
SEVERAL = ("109_14", "110_14", "127_14", "150_14", "210")
"""Fields with one value, and fields with several, which are written as text with `|` between the values."""
BETWEEN, NUMBER, WEIGHT = "\x01", "\x02", "\x03"
"""A feature is `field NUMBER value WEIGHT weight`; BETWEEN separates features."""


def aliccp(folder: Path, out: Path) -> None:
    """Writes a row per impression. Features that many impressions of a user share are in a file of their own."""
    out.mkdir(parents=True, exist_ok=True)
    for part in ("train", "test"):
        rows = _scan_without_header(
            folder / f"sample_skeleton_{part}.csv", ["sample", "click", "purchase", "common", "n", "features"]
        )
        common = _scan_without_header(folder / f"common_features_{part}.csv", ["common", "n", "shared"])
        both = rows.join(common.select("common", "shared"), on="common", how="left")
        text = pl.concat_str(["features", pl.lit(BETWEEN), pl.col("shared").fill_null("")])
        values = [_values(text, field).list.first().alias(f"f_{field}") for field in SINGLE]
        values += [_values(text, field).list.join("|").alias(f"f_{field}") for field in SEVERAL]
        labels = pl.col("click", "purchase").cast(pl.Int8)
        # Purchases without a click are left out, as in all publications on this data set.
        valid = both.select(labels, *values).filter((pl.col("click") == 1) | (pl.col("purchase") == 0))
        valid.sink_parquet(out / f"{part}.parquet")


def _scan_without_header(file: Path, columns: list[str]) -> pl.LazyFrame:
    return pl.scan_csv(file, has_header=False, new_columns=columns, infer_schema=False, quote_char=None)


def _values(text: pl.Expr, field: str) -> pl.Expr:
    """Returns the values of a field in a row's features, in order."""
    entries = text.str.extract_all(f"(^|{BETWEEN}){field}{NUMBER}[^{WEIGHT}]*")
    return entries.list.eval(pl.element().str.extract(f"{NUMBER}(.*)$"))


def kuairand(folder: Path, out: Path) -> None:
    """Writes a row per impression of the standard feeds, with its user and video."""
    out.mkdir(parents=True, exist_ok=True)
    data = folder / "data" if (folder / "data").is_dir() else folder
    logs = pl.concat([pl.scan_csv(file) for file in sorted(data.glob("log_standard_*.csv"))])
    users = pl.scan_csv(next(data.glob("user_features_*.csv")), infer_schema_length=None)
    videos = pl.scan_csv(next(data.glob("video_features_basic_*.csv")), infer_schema_length=None)
    table = logs.join(users, on="user_id", how="left").join(videos, on="video_id", how="left")
    table.with_columns(hour=pl.col("hourmin") // 100).sort("time_ms").sink_parquet(out / "log.parquet")


CONVERT = {"movielens": movielens, "aliexpress": aliexpress, "aliccp": aliccp, "kuairand": kuairand}

if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in CONVERT:
        sys.exit(__doc__)
    CONVERT[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
    print(f"wrote {sys.argv[3]}")
