"""`WRITERS`: how each library writes the rows. A writer imports its library itself, and returns the spec's `format`."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.data.reading.written_rows import with_lists

Writer = Callable[[pl.DataFrame, Path], str | None]
NULLS = 'null: ["\\\\N"]'


def library(name: str) -> Any:
    return pytest.importorskip(name, reason=f"`make writers` runs it with {name}")


def polars(rows: pl.DataFrame, folder: Path, ending: str) -> None:
    lists = with_lists(rows)
    path = folder / f"a{ending}"
    match ending:
        case ".parquet":
            lists.write_parquet(path)
        case ".ipc":
            lists.write_ipc(path)
        case ".arrow":
            lists.write_ipc_stream(path)
        case ".csv":
            rows.write_csv(path)
        case ".tsv":
            rows.write_csv(path, separator="\t", quote_style="always")
        case ".csv.gz":
            path.write_bytes(gzip.compress(rows.write_csv().encode()))
        case ".hive":
            lists.write_parquet(folder, partition_by=["version"], mkdir=True)


def pyarrow(rows: pl.DataFrame, folder: Path, form: str) -> None:
    pa = library("pyarrow")

    table = with_lists(rows).to_arrow()
    match form:
        case "parquet":
            library("pyarrow.parquet").write_table(table, folder / "a.parquet", row_group_size=50)
        case "old parquet":
            old = {"version": "1.0", "use_deprecated_int96_timestamps": True, "compression": "gzip"}
            library("pyarrow.parquet").write_table(table, folder / "a.parquet", **old)
        case "feather":
            library("pyarrow.feather").write_feather(table, folder / "a.feather", compression="lz4")
        case "stream":
            with library("pyarrow.ipc").new_stream(folder / "a.arrow", table.schema) as file:
                file.write_table(table, max_chunksize=64)
        case "csv":
            library("pyarrow.csv").write_csv(rows.to_arrow(), folder / "a.csv")
        case "dataset":
            hive = library("pyarrow.dataset").partitioning(pa.schema([("version", pa.string())]), flavor="hive")
            library("pyarrow.dataset").write_dataset(table, folder, format="parquet", partitioning=hive)


def pandas(rows: pl.DataFrame, folder: Path, form: str) -> None:
    library("pandas")
    library("pyarrow")
    lists, frame = with_lists(rows).to_pandas(), rows.to_pandas()
    match form:
        case "parquet":
            lists.to_parquet(folder / "a.parquet")
        case "parquet.gzip":
            lists.to_parquet(folder / "a.parquet.gzip", compression="gzip")
        case "fastparquet":
            library("fastparquet")
            frame.to_parquet(folder / "a.parquet", engine="fastparquet")
        case "nullable":
            lists.convert_dtypes().to_parquet(folder / "a.parquet")
        case "feather":
            lists.to_feather(folder / "a.feather")
        case "csv":
            # An int column with a missing value is one of floats, and every number of it ends with ".0".
            frame.to_csv(folder / "a.csv", index=False)
        case "csv.bz2":
            frame.to_csv(folder / "a.csv.bz2", index=False)
        case "csv of lists":
            lists["tags"] = [list(cell) for cell in lists["tags"]]
            lists.to_csv(folder / "a.csv", index=False)


def duckdb(rows: pl.DataFrame, folder: Path, form: str) -> None:
    connection = library("duckdb").connect()
    connection.register("rows", with_lists(rows).to_arrow())
    connection.register("texts", rows.to_arrow())
    how = {
        "parquet": f"COPY rows TO '{folder}/a.parquet' (FORMAT parquet)",
        "csv": f"COPY texts TO '{folder}/a.csv' (HEADER)",
        "csv of lists": f"COPY rows TO '{folder}/a.csv' (HEADER)",
        "csv.gz": f"COPY texts TO '{folder}/a.csv.gz' (HEADER, COMPRESSION gzip)",
        "csv.zst": f"COPY texts TO '{folder}/a.csv.zst' (HEADER, COMPRESSION zstd)",
        "hive": f"COPY rows TO '{folder}/t' (FORMAT parquet, PARTITION_BY (version))",
    }
    connection.execute(how[form])


def clickhouse(rows: pl.DataFrame, folder: Path, form: str) -> str | None:
    library("pyarrow")
    chdb = library("chdb")
    rows = rows.with_columns(pl.col("city").str.replace("say", "tell"))
    with_lists(rows).write_parquet(folder.parent / "lists.parquet")
    rows.write_parquet(folder.parent / "texts.parquet")
    source, ending = ("texts", "tsv" if form.startswith("TSV") else "csv") if "SV" in form else ("lists", form.lower())
    if form == "CSVWithNames of lists":
        source, form = "lists", "CSVWithNames"
    path = folder / f"a.{ending if ending in ('csv', 'tsv', 'parquet') else 'arrow'}"
    path.write_bytes(chdb.query(f"SELECT * FROM file('{folder.parent / source}.parquet')", form).bytes())
    if form.startswith("TSV"):
        return f"csv(quote: none, {NULLS})"
    return f"csv({NULLS})" if ending == "csv" else None


def spark(rows: pl.DataFrame, folder: Path, form: str) -> str | None:
    library("pyspark")
    from pyspark.sql import SparkSession

    session = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    with_lists(rows).write_parquet(folder.parent / "lists.parquet")
    rows.write_parquet(folder.parent / "texts.parquet")
    if form == "parquet":
        session.read.parquet(str(folder.parent / "lists.parquet")).write.parquet(str(folder / "t"))
        return None
    session.read.parquet(str(folder.parent / "texts.parquet")).write.csv(str(folder / "t"), header=True)
    return 'csv(escape: "\\\\")'


def datasets(rows: pl.DataFrame, folder: Path, form: str) -> None:
    made = library("datasets").Dataset.from_polars(with_lists(rows))
    if form == "save_to_disk":
        made.save_to_disk(str(folder / "t"))
        library("datasets").load_from_disk(str(folder / "t")).map(lambda row: {"more": row["user"]})
    else:
        made.to_parquet(str(folder / "a.parquet"))


def dask(rows: pl.DataFrame, folder: Path, form: str) -> None:
    library("pandas")
    frame = library("dask.dataframe").from_pandas(rows.to_pandas(), npartitions=3)
    if form == "parquet":
        frame.to_parquet(str(folder / "t"))
    else:
        frame.to_csv(str(folder / "t-*.csv"), index=False)


def ray(rows: pl.DataFrame, folder: Path) -> None:
    data = library("ray.data")
    data.from_arrow(with_lists(rows).to_arrow()).write_parquet(str(folder / "t"))


def deltalake(rows: pl.DataFrame, folder: Path) -> None:
    library("deltalake").write_deltalake(str(folder / "t"), with_lists(rows).to_arrow())


def lance(rows: pl.DataFrame, folder: Path) -> None:
    library("lance").write_dataset(with_lists(rows).to_arrow(), str(folder / "t.lance"))


def _forms(name: str, write: Callable[..., str | None], *forms: str) -> dict[str, Writer]:
    return {f"{name}, {form}": lambda rows, folder, form=form: write(rows, folder, form) for form in forms}  # type: ignore[misc]


WRITERS: dict[str, Writer] = {
    **_forms("polars", polars, ".parquet", ".ipc", ".arrow", ".csv", ".tsv", ".csv.gz", ".hive"),
    **_forms("pyarrow", pyarrow, "parquet", "old parquet", "feather", "stream", "csv", "dataset"),
    **_forms("pandas", pandas, "parquet", "parquet.gzip", "fastparquet", "nullable", "feather", "csv", "csv.bz2"),
    **_forms("pandas", pandas, "csv of lists"),
    **_forms("DuckDB", duckdb, "parquet", "csv", "csv of lists", "csv.gz", "csv.zst", "hive"),
    **_forms("ClickHouse", clickhouse, "Parquet", "Arrow", "ArrowStream", "CSVWithNames", "TSVWithNames"),
    **_forms("ClickHouse", clickhouse, "CSVWithNames of lists"),
    **_forms("Spark", spark, "parquet", "csv"),
    **_forms("datasets", datasets, "save_to_disk", "parquet"),
    **_forms("Dask", dask, "parquet", "csv"),
    "Ray data": ray,
}
REFUSED: dict[str, Writer] = {"Delta Lake": deltalake, "Lance": lance}
