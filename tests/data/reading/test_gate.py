"""What a file or folder is: decided by its bytes, and told where it is not read."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import zlib
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from aesm_dsl.api.check import check
from aesm_dsl.api.init import init
from aesm_dsl.api.predict import predict
from aesm_dsl.api.train import train
from aesm_dsl.data.reading import data_file
from aesm_dsl.data.reading.csv_bytes import PIECE, byte_pieces, wrong_quotes
from aesm_dsl.data.reading.csv_copy import EscapedQuotes
from aesm_dsl.data.reading.files import find_files, read_chunks
from aesm_dsl.data.reading.values import as_text
from aesm_dsl.findings.diagnostic import Diagnostic, Findings
from aesm_dsl.findings.error import AesmError
from aesm_dsl.plan.cell_text import cell_text
from aesm_dsl.plan.data import CsvFormat

ROWS = pl.DataFrame({"age": [20 + i % 9 for i in range(60)], "city": ["ulm", "köln"] * 30, "click": [0, 1, 1] * 20})
SPEC = """\
aesm = 1

model m {
  features u { age = number(); city = category() }
  tasks { task click }
  data { train = "rows" }
}
"""


def opened(folder: Path, pattern: str, csv: CsvFormat | None = None) -> tuple[pl.DataFrame | None, list[Diagnostic]]:
    """All cells as text, and what is told."""
    findings = Findings()
    files = find_files([pattern], [folder], None, findings, csv)
    frames = [chunk.frame for chunk in read_chunks(files, None, None, findings)] if files else []
    texts = [pl.DataFrame([as_text(column).alias(column.name) for column in frame]) for frame in frames]
    return (pl.concat(texts) if texts else None), findings.items


def codes(found: list[Diagnostic]) -> list[str]:
    return [one.code for one in found]


def same(folder: Path, pattern: str, csv: CsvFormat | None = None) -> None:
    frame, found = opened(folder, pattern, csv)
    assert not found
    assert frame is not None
    assert frame.select("age", "city", "click").equals(ROWS.cast(pl.String))


MARKERS = {
    "Delta Lake": "_delta_log/00000000000000000000.json",
    "Iceberg": "metadata/00001-9c12.metadata.json",
    "Hudi": ".hoodie/hoodie.properties",
    "Lance": "_versions/1.manifest",
    "Paimon": "snapshot/snapshot-1",
}


@pytest.mark.parametrize("name", MARKERS)
@pytest.mark.parametrize("pattern", ["t", "t/*.parquet", "t/day=1", "t/day=1/a.parquet", "*/*/*.parquet", "."])
def test_a_table_that_keeps_versions_is_refused_by_name(tmp_path: Path, name: str, pattern: str) -> None:
    for path in (MARKERS[name], *(["manifest/m", "schema/schema-0"] if name == "Paimon" else []), "data/x"):
        (tmp_path / "t" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "t" / path).write_text("{}")
    (tmp_path / "t" / "day=1").mkdir()
    for path in ("a.parquet", "day=1/a.parquet"):
        ROWS.write_parquet(tmp_path / "t" / path)
    frame, found = opened(tmp_path, pattern)
    assert frame is None
    assert codes(found) == ["E515"]
    assert f"a table of {name}" in found[0].message
    assert "as parquet" in found[0].help[0]


def test_every_command_refuses_a_table_that_keeps_versions(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    ROWS.write_parquet(tmp_path / "rows" / "a.parquet")
    (tmp_path / "m.aesm").write_text(SPEC.replace("task click", "task click }\n  train { length = 1 epochs"))
    run = train(tmp_path / "m.aesm", tmp_path / "run", device="cpu")
    (tmp_path / "rows" / "_delta_log").mkdir()
    (tmp_path / "rows" / "_delta_log" / "0.json").write_text("{}")
    assert codes(check(tmp_path / "m.aesm", data=True).items) == ["E515"]
    for refused in (
        lambda: train(tmp_path / "m.aesm", tmp_path / "again", device="cpu"),
        lambda: predict(run, tmp_path / "rows", device="cpu"),
        lambda: init(tmp_path / "rows", tmp_path / "new.aesm"),
    ):
        with pytest.raises(AesmError) as caught:
            refused()
        assert codes(caught.value.findings.errors) == ["E515"]


def test_a_folder_named_alike_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "notes.md").write_text("")
    ROWS.write_parquet(tmp_path / "a.parquet")
    same(tmp_path, ".")


def test_folders_of_datasets(tmp_path: Path) -> None:
    for part in ("train", "test"):
        folder = tmp_path / "d" / part
        folder.mkdir(parents=True)
        ROWS.write_ipc_stream(folder / "data-00000-of-00001.arrow")
        ROWS.write_ipc_stream(folder / "cache-0f50ac2a4c038e90.arrow")
        for name in ("state.json", "dataset_info.json"):
            (folder / name).write_text("{}")
    (tmp_path / "d" / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    for pattern in ("d/train", "d/train/*.arrow", "d/train/*"):
        same(tmp_path, pattern)
    _, found = opened(tmp_path, "d")
    assert codes(found) == ["E515"]
    assert "`d/test`, `d/train`" in found[0].help[0]
    (tmp_path / "cache").mkdir()
    for name in ("csv-train.arrow", "csv-test.arrow"):
        ROWS.write_ipc_stream(tmp_path / "cache" / name)
    (tmp_path / "cache" / "dataset_info.json").write_text("{}")
    assert codes(opened(tmp_path, "cache")[1]) == ["E515"]
    same(tmp_path, "cache/*train*.arrow")


def test_what_spark_leaves_beside_rows_is_left_out_without_a_word(tmp_path: Path) -> None:
    folder = tmp_path / "t" / "_part=1"
    folder.mkdir(parents=True)
    ROWS.write_parquet(folder / "part-0.snappy.parquet")
    for name in ("_SUCCESS", "._SUCCESS.crc", ".part-0.snappy.parquet.crc", "README.md", "_metadata"):
        (tmp_path / "t" / name).write_text("x")
    same(tmp_path, "t")
    (tmp_path / "u").mkdir()
    ROWS.write_parquet(tmp_path / "u" / "a.parquet")
    (tmp_path / "u" / "_SUCCESS").touch()
    same(tmp_path, "u/*")


def test_files_that_might_be_rows_are_told(tmp_path: Path) -> None:
    ROWS.write_parquet(tmp_path / "a.parquet")
    ROWS.write_csv(tmp_path / "b.csv")
    ROWS.write_csv(tmp_path / "c.csv")
    (tmp_path / "d.orc").write_bytes(b"ORC")
    (tmp_path / "_SUCCESS").touch()
    frame, found = opened(tmp_path, ".")
    assert frame is not None
    assert frame.height == 60
    assert [(one.code, one.message) for one in found] == [("W514", "of `.` 1 file is read and 4 left out")]
    assert found[0].help[:3] == (
        "1 hidden: their names begin with `_` or `.`: `_SUCCESS`",
        "1 of a type that is not read: `d.orc`",
        "2 of another type: `b.csv` and so on",
    )
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "part-00000").write_text("1,2\n")
    _, found = opened(tmp_path, "only")
    assert [(one.code, one.label) for one in found] == [("E502", "nothing to read")]


@pytest.mark.parametrize("name", ["a.PARQUET", "a.parq", "a.Pq", "a.csv", "a", "a.parquet.gzip", "a.snappy"])
def test_parquet_is_known_by_its_bytes(tmp_path: Path, name: str) -> None:
    ROWS.write_parquet(tmp_path / name)
    same(tmp_path, name)
    same(tmp_path, ".")


@pytest.mark.parametrize("name", ["a.arrow", "a.ARROWS", "a.feather", "a.parquet", "a"])
def test_arrow_is_a_file_or_a_stream_by_its_bytes(tmp_path: Path, name: str) -> None:
    ROWS.write_ipc(tmp_path / name)
    same(tmp_path, name)
    stream = io.BytesIO()
    for start in range(0, 60, 20):
        piece = io.BytesIO()
        ROWS[start : start + 20].write_ipc_stream(piece)
        data = piece.getvalue()
        schema = int.from_bytes(data[4:8], "little") + 8
        stream.write(data[0 if not start else schema : -8])
    (tmp_path / name).write_bytes(stream.getvalue() + b"\xff\xff\xff\xff\0\0\0\0")
    same(tmp_path, name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) - 200])
    assert codes(opened(tmp_path, name)[1]) == ["E502"]


FOREIGN = {
    "a.xlsx": (b"PK\x03\x04" + b"\0" * 40, "an Excel workbook"),
    "b.csv": (b"PK\x03\x04" + b"\0" * 40, "a zip archive"),
    "c.parquet": (b"ORC\x08\0\0", "an ORC file"),
    "d.avro": (b"Obj\x01\0", "an Avro file"),
    "e.feather": (b"FEA1\0\0", "a Feather file of version 1"),
    "f.jsonl": (b'{"a": 1}\n', "JSON"),
    "g.parquet.gz": (gzip.compress(b"PAR1\x15\x04\0"), "a file of type parquet, compressed with gzip"),
    "h.csv.lz4": (b"\x04\x22\x4d\x18\0\0", "compressed with lz4"),
    "i.lance": (b"\0\1\2", "a Lance file"),
    "j.parquet": (b"PARE\0\0", "an encrypted parquet file"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_that_is_not_read_is_called_by_its_name(tmp_path: Path, name: str) -> None:
    content, words = FOREIGN[name]
    (tmp_path / name).write_bytes(content)
    _, found = opened(tmp_path, name)
    assert [(one.code, one.label) for one in found] == [("E502", f"this is {words}")]
    assert len(found[0].help) == 2


TEXT = ROWS.write_csv()
WRITTEN: dict[str, tuple[str, bytes, CsvFormat | None, str, str]] = {
    "semicolons": ("a.csv", TEXT.replace(",", ";").encode(), CsvFormat(";"), "separated by ';'", 'separator: ";"'),
    "semicolons, gzip": (
        "a.csv.gz",
        gzip.compress(TEXT.replace(",", ";").encode()),
        CsvFormat(";"),
        "separated by ';'",
        'separator: ";"',
    ),
    "tabs": ("a.csv", TEXT.replace(",", "\t").encode(), CsvFormat("\t"), "separated by '\\t'", 'separator: "\\t"'),
    "commas": ("a.tsv", TEXT.encode(), CsvFormat(","), "separated by ','", 'separator: ","'),
    "GBK": ("a.csv", TEXT.replace("ö", "国家").encode("gbk"), CsvFormat(encoding="gbk"), "perhaps GBK", '"gbk"'),
    "Latin-1": ("a.csv", TEXT.encode("latin-1"), CsvFormat(encoding="latin-1"), "perhaps Latin-1", '"latin-1"'),
    "UTF-16": ("a.csv", TEXT.encode("utf-16"), CsvFormat(encoding="utf-16"), "this is UTF-16", '"utf-16"'),
    "UTF-16 without mark": (
        "a.csv",
        TEXT.encode("utf-16-le"),
        CsvFormat(encoding="utf-16-le"),
        "this is UTF-16",
        '"utf-16-le"',
    ),
    "no ending": ("a", TEXT.encode(), CsvFormat(","), "", 'separator: ","'),
}


@pytest.mark.parametrize("case", WRITTEN)
def test_a_csv_of_another_form_is_told_with_the_option_that_reads_it(tmp_path: Path, case: str) -> None:
    name, content, csv, label, option = WRITTEN[case]
    (tmp_path / name).write_bytes(content)
    _, found = opened(tmp_path, name)
    assert codes(found) == ["E502"]
    assert label in found[0].label
    assert option in found[0].help[0]
    frame, found = opened(tmp_path, name, csv)
    assert not found
    assert frame is not None
    assert (
        frame["city"].to_list() == (ROWS["city"].str.replace("ö", "国家") if case == "GBK" else ROWS["city"]).to_list()
    )


def test_compression_is_known_by_its_bytes(tmp_path: Path) -> None:
    whole = TEXT.encode()
    halves = gzip.compress(whole[:200]) + gzip.compress(whole[200:])
    for content in (gzip.compress(whole), halves, zlib.compress(whole), bz2.compress(whole), whole):
        for name in ("a.csv", "a.csv.gz", "A.CSV.GZ"):
            (tmp_path / name).write_bytes(content)
            same(tmp_path, name)
            (tmp_path / name).unlink()


def test_what_zlib_has_compressed_is_read_in_pieces(tmp_path: Path) -> None:
    large, path = b"x" * 10**8, tmp_path / "a.csv"
    path.write_bytes(zlib.compress(large))
    pieces = list(byte_pieces(path, "zlib"))
    assert (sum(map(len, pieces)), max(map(len, pieces)) < 2**25) == (len(large), True)
    for damaged in (zlib.compress(large)[:-1], zlib.compress(large)[:50] + b"x" * 50, b""):
        path.write_bytes(damaged)
        with pytest.raises(OSError, match="zlib"):
            list(byte_pieces(path, "zlib"))


def test_texts_that_are_missing_values(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    text = TEXT.replace("21,", "NULL,").replace("ulm", "\\N")
    (tmp_path / "rows" / "a.csv").write_text(text)
    (tmp_path / "m.aesm").write_text(SPEC)
    (error,) = check(tmp_path / "m.aesm", data=True)
    assert (error.code, error.label) == ("E504", "`age` is not a number")
    assert '`format = csv(null: ["NULL"])`' in error.help[0]
    (tmp_path / "rows" / "a.csv").write_text(TEXT.replace("ulm", "\\N"))
    (warning,) = check(tmp_path / "m.aesm", data=True)
    assert (warning.code, warning.message) == (
        "W515",
        "column `city` holds `\\N` in 30 rows, which is read as a value like any other; "
        "the first is in row 1 of `rows/a.csv`",
    )
    assert 'null: ["\\\\N"]' in warning.help[0]
    (tmp_path / "rows" / "a.csv").write_text(text)
    (tmp_path / "m.aesm").write_text(SPEC.replace('"rows"', '"rows"; format = csv(null: ["\\\\N", "NULL"])'))
    assert not check(tmp_path / "m.aesm", data=True).items


SPARK = 'x,n\n"the \\"best\\" one",1\n"a \\", b",2\n"back\\\\slash \\"q\\"",3\nplain\\n,4\n"",5\n'


def test_quotes_behind_a_backslash_are_told_and_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(SPARK)
    _, found = opened(tmp_path, "a.csv")
    assert codes(found) == ["E502"]
    assert 'escape: "\\\\"' in found[0].help[0]
    frame, found = opened(tmp_path, "a.csv", CsvFormat(escape="\\"))
    assert not found
    assert frame is not None
    assert frame["x"].to_list() == ['the "best" one', 'a ", b', 'back\\slash "q"', "plain\\n", None]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_escaped_quotes_do_not_depend_on_the_pieces(size: int) -> None:
    cells = EscapedQuotes('"', "\\", ",")
    pieces = [cells.rewrite(SPARK[start : start + size]) for start in range(0, len(SPARK), size)]
    assert "".join([*pieces, cells.end()]) == (
        'x,n\n"the ""best"" one",1\n"a "", b",2\n"back\\slash ""q""",3\nplain\\n,4\n"",5\n'
    )


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ('a,b\n"x""y","z\n,"\n"",""\n"""a""",1\n', False),
        ('a,b\n{"a": 1},2\n 5" x 3",1\n', False),
        ('a,b\n"C:\\dir\\",1\n', False),
        ('"a"\n"b"', False),
        ('a,b\n"the \\"best\\" one",1\n', True),
        ('a,b\n"x"yz,1\n', True),
        ('a,b\n5" disk,1\n3" tape,2\n', True),
        ('a,b\n "x,y",1\n', True),
        ('a,b\n"x,1\n', True),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 5, PIECE])
def test_quotes_that_do_not_stand_around_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, bad: bool, size: int
) -> None:
    (tmp_path / "a.csv").write_text(text)
    monkeypatch.setattr(
        "aesm_dsl.data.reading.csv_bytes.byte_pieces", lambda path, compression: byte_pieces(path, compression, size)
    )
    assert bool(wrong_quotes(tmp_path / "a.csv", "", ",", '"')[0]) == bad


def test_rows_read_are_compared_with_what_the_file_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader ends quietly when a thread of it fails, as it does at decimals of 256 bits in an Arrow file."""
    ROWS.write_ipc(tmp_path / "a.arrow")
    ROWS.write_parquet(tmp_path / "b.parquet")
    ROWS.write_ipc_stream(tmp_path / "c.arrow")
    whole = data_file._stored_frames
    monkeypatch.setattr(data_file, "_stored_frames", lambda *given: (frame.head(7) for frame in whole(*given)))
    for name in ("a.arrow", "b.parquet", "c.arrow"):
        _, found = opened(tmp_path, name)
        assert [(one.code, one.label) for one in found] == [("E516", "7 of 60 rows were read")]


def test_decimals_that_are_too_long_are_told_where_they_are_read(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    cells = pa.array([Decimal(number) for number in range(60)], pa.decimal256(50, 2))
    (tmp_path / "rows").mkdir()
    table = pa.Table.from_pydict({**ROWS.to_dict(as_series=False), "wide": cells})
    with pa.ipc.new_file(tmp_path / "rows" / "a.arrow", table.schema) as file:
        file.write_table(table)
    (tmp_path / "m.aesm").write_text(SPEC)
    assert not check(tmp_path / "m.aesm", data=True).items
    (tmp_path / "m.aesm").write_text(SPEC.replace("age = number()", "age = number(); wide = number()"))
    (error,) = check(tmp_path / "m.aesm", data=True)
    assert (error.code, error.label) == ("E504", "`wide` holds decimals of 50 digits")


def test_folder_names_and_cells_are_compared_by_meaning(tmp_path: Path) -> None:
    for value in ("1.0", "1.00", "1", "True", "2.50"):
        folder = tmp_path / "t" / f"price={value}"
        folder.mkdir(parents=True)
        ROWS.head(1).write_parquet(folder / "a.parquet")
    frame, _ = opened(tmp_path, "t")
    assert frame is not None
    assert set(frame["price"]) == {"1", "true", "2.5"}
    cells = ["10.0", "10", "1.50", "True", "007", "1.0.0", "2024-01-31 00:00:00", "-0.0"]
    table = pl.DataFrame({"x": cells})
    table.write_csv(tmp_path / "a.csv", quote_style="always")
    table.write_csv(tmp_path / "b.csv")
    table.write_parquet(tmp_path / "c.parquet")
    expected = ["10", "10", "1.5", "true", "007", "1.0.0", "2024-01-31", "0"]
    for name in ("a.csv", "b.csv", "c.parquet"):
        frame, _ = opened(tmp_path, name)
        assert frame is not None
        assert frame["x"].to_list() == expected
    assert [cell_text(cell) for cell in cells] == expected


def test_times_that_no_calendar_has_are_missing(tmp_path: Path) -> None:
    largest = pl.Series([2**63 - 1, -(2**63) + 1, 0])
    table = ROWS.head(3).with_columns(
        at=largest.cast(pl.Datetime("us")),
        day=pl.Series([2**31 - 1, -(2**31), 0], dtype=pl.Int32).cast(pl.Date),
        list=pl.Series([[2**63 - 1, 0], [], None]).cast(pl.List(pl.Datetime("us", "UTC"))),
    )
    table.write_parquet(tmp_path / "a.parquet")
    findings = Findings()
    files = find_files(["a.parquet"], [tmp_path], None, findings)
    (rows,) = read_chunks(files, None, None, findings)
    assert as_text(rows.frame["at"]).to_list() == [None, None, "1970-01-01"]
    assert as_text(rows.frame["day"]).to_list() == [None, None, "1970-01-01"]
    assert rows.frame["list"].list.len().to_list() == [2, 0, None]
    assert rows.frame["list"].explode().null_count() == 2
    (tmp_path / "m.aesm").write_text(
        SPEC.replace("city = category()", "at = date(parts: [month]); day = category()").replace(
            '"rows"', '"a.parquet"'
        )
    )
    assert not check(tmp_path / "m.aesm", data=True).errors


def test_names_of_columns_are_no_patterns(tmp_path: Path) -> None:
    table = ROWS.rename({"age": "*", "city": "^c.*$"}).with_columns(other=pl.lit(1), c2=pl.lit(2))
    for name, write in (("a.parquet", table.write_parquet), ("a.csv", table.write_csv), ("a.arrow", table.write_ipc)):
        write(tmp_path / name)
        (tmp_path / "m.aesm").write_text(
            SPEC.replace("number()", 'number(column: "*")')
            .replace("category()", 'category(column: "^c.*$")')
            .replace('"rows"', f'"{name}"')
        )
        assert not check(tmp_path / "m.aesm", data=True).items
        assert init(tmp_path / name, tmp_path / "new.aesm", overwrite=True).exists()


def test_a_run_reads_tables_as_its_spec_says(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "a.csv").write_text(TEXT.replace(",", ";").replace("ulm", "-"))
    spec = SPEC.replace('"rows"', '"rows"; format = csv(separator: ";", null: "-")')
    (tmp_path / "m.aesm").write_text(spec.replace("task click", "task click }\n  train { length = 1 epochs"))
    run = train(tmp_path / "m.aesm", tmp_path / "run", device="cpu")
    table = ROWS.with_columns(city=pl.col("city").replace("ulm", None))
    assert predict(run, tmp_path / "rows", device="cpu").equals(predict(run, table, device="cpu"))


def test_lists_that_are_null_in_a_whole_file(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    ROWS.with_columns(tags=pl.Series([["a", "b"], ["c"]] * 30)).write_parquet(tmp_path / "rows" / "a.parquet")
    ROWS.with_columns(tags=None, click=pl.lit(1)).write_parquet(tmp_path / "rows" / "b.parquet")
    (tmp_path / "m.aesm").write_text(SPEC.replace("city = category()", "tags = list(of: category())"))
    assert not check(tmp_path / "m.aesm", data=True).errors
