"""Specs of public data sets read what examples/convert.py makes of files in their published form."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from aesm_dsl import check, train
from tests.conftest import PROJECT

CODES_OF_SMALL_TABLES = {"W501", "W502", "W504", "W505", "W506", "W507", "W508", "W509"}
"""What a few invented rows cannot teach; an error would be a column that the spec does not find."""


def movielens(folder: Path, draw: random.Random) -> None:
    users = [
        f"{user}::{draw.choice('FM')}::{draw.choice([1, 18, 25, 35, 45, 50, 56])}::{user % 21}::{user:05}"
        for user in range(40)
    ]
    movies = [
        f"{movie}::Café {movie} (1995)::{'|'.join(draw.sample(['Drama', 'Comedy', 'War'], 2))}" for movie in range(30)
    ]
    ratings = [
        f"{draw.randrange(40)}::{draw.randrange(30)}::{draw.randint(1, 5)}::{978300000 + row}" for row in range(400)
    ]
    for name, lines in (("users", users), ("movies", movies), ("ratings", ratings)):
        (folder / f"{name}.dat").write_text("\n".join(lines) + "\n", encoding="latin-1")


def aliexpress(folder: Path, draw: random.Random) -> None:
    columns = ["search_id", *(f"categorical_{n + 1}" for n in range(16)), *(f"numerical_{n + 1}" for n in range(63))]
    for country in ("NL", "ES", "FR", "US", "RU"):
        (folder / country).mkdir()
        for part, rows in (("train", 60), ("test", 20)):
            lines = [",".join([*columns, "click", "conversion"])]
            for row in range(rows):
                click = draw.randrange(2)
                cells = [
                    row // 4,
                    *(draw.randrange(5) for _ in range(16)),
                    *(f"{draw.random():.3f}" for _ in range(63)),
                ]
                lines.append(",".join(map(str, [*cells, click, click * draw.randrange(2)])))
            (folder / country / f"{part}.csv").write_text("\n".join(lines) + "\n")


def aliccp(folder: Path, draw: random.Random) -> None:
    def features(fields: list[str]) -> str:
        return "\x01".join(f"{field}\x02{draw.randrange(9)}\x031.0" for field in fields)

    user = [
        "101",
        "121",
        "122",
        "124",
        "125",
        "126",
        "127",
        "128",
        "129",
        "109_14",
        "109_14",
        "110_14",
        "127_14",
        "150_14",
    ]
    item = ["205", "206", "207", "210", "210", "216", "508", "509", "702", "853"]
    for part, rows in (("train", 300), ("test", 80)):
        common = [f"u{n},14,{features(user)}" for n in range(20)]
        impressions = []
        for row in range(rows):
            click = draw.randrange(2)
            place = f"\x01301\x02{row % 3 + 1}\x031.0"
            impressions.append(
                f"{row},{click},{click * draw.randrange(2)},u{draw.randrange(20)},11,{features(item)}{place}"
            )
        impressions.append(f"{rows},0,1,u0,11,{features(item)}{place}")  # a purchase without a click
        (folder / f"common_features_{part}.csv").write_text("\n".join(common) + "\n")
        (folder / f"sample_skeleton_{part}.csv").write_text("\n".join(impressions) + "\n")


def kuairand(folder: Path, draw: random.Random) -> None:
    data = folder / "data"
    data.mkdir()
    ranges = ["follow_user_num", "fans_user_num", "friend_user_num"]
    names = ["user_id", "user_active_degree", "is_lowactive_period", "is_live_streamer", "is_video_author"]
    names += [name for one in ranges for name in (one, f"{one}_range")] + ["register_days", "register_days_range"]
    names += [f"onehot_feat{n}" for n in range(18)]
    users = [",".join([str(user), *(str(draw.randrange(4)) for _ in names[1:])]) for user in range(20)]
    (data / "user_features_1k.csv").write_text("\n".join([",".join(names), *users]) + "\n")
    names = ["video_id", "author_id", "video_type", "upload_dt", "upload_type", "visible_status", "video_duration"]
    names += ["server_width", "server_height", "music_id", "music_type", "tag"]
    videos = [
        f'{n},{n % 7},NORMAL,2022-04-{n % 28 + 1:02},Web,1,9000,720,1280,{n % 5},9.0,"{n % 4},{n % 9}"'
        for n in range(30)
    ]
    (data / "video_features_basic_1k.csv").write_text("\n".join([",".join(names), *videos]) + "\n")
    names = ["user_id", "video_id", "date", "hourmin", "time_ms", "is_click", "is_like", "is_follow", "is_comment"]
    names += ["is_forward", "is_hate", "long_view", "play_time_ms", "duration_ms", "tab"]
    for part in ("4_08_to_4_21", "4_22_to_5_08"):
        rows = [
            f"{draw.randrange(20)},{draw.randrange(30)},20220408,{draw.randrange(24) * 100},{1649400000 + n * 60}000,"
            + ",".join(str(draw.randrange(2)) for _ in range(7))
            + f",{draw.randrange(9000)},{draw.randrange(1000, 90000)},{n % 15}"
            for n in range(300)
        ]
        (data / f"log_standard_{part}_1k.csv").write_text("\n".join([",".join(names), *rows]) + "\n")


SETS: dict[str, tuple[Callable[[Path, random.Random], None], str]] = {
    "movielens": (movielens, "movielens.parquet"),
    "aliexpress": (aliexpress, "aliexpress"),
    "aliccp": (aliccp, "aliccp"),
    "kuairand": (kuairand, "kuairand"),
}


@pytest.fixture(scope="module", params=SETS)
def spec(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The spec of a set beside the tables that the converter made."""
    name, folder = request.param, tmp_path_factory.mktemp(request.param)
    make, out = SETS[name]
    (folder / "raw").mkdir()
    make(folder / "raw", random.Random(4))
    command = [sys.executable, str(PROJECT / "examples" / "convert.py"), name, str(folder / "raw"), str(folder / out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Path(shutil.copy(PROJECT / "specs" / f"{name}.aesm", folder))


def test_the_spec_finds_its_columns(spec: Path) -> None:
    assert {one.code for one in check(spec, data=True)} <= CODES_OF_SMALL_TABLES


def test_the_spec_trains(spec: Path) -> None:
    small = ["train.length=1 steps", "train.batch=64 rows", "embed=4", "experts.hidden=[8]", "experts.count=4"]
    run = train(spec, spec.parent / "run", overrides=small)
    assert run.info["steps"] == 1
    assert run.metrics.filter(pl.col("leaf") == "(all)")["rows"].min() > 0


def test_ali_ccp_is_read_as_it_is_written(tmp_path: Path) -> None:
    common = "u,3,101\x02u7\x031.0\x01109_14\x0211\x032.5\x01109_14\x0212\x030.5"
    row = "1,1,0,u,3,205\x02i3\x031.0\x011205\x02wrong\x031.0\x01301\x022\x031.0"
    for part in ("train", "test"):
        (tmp_path / f"common_features_{part}.csv").write_text(common + "\n")
        (tmp_path / f"sample_skeleton_{part}.csv").write_text(row + "\n2,0,1" + row[5:] + "\n")
    command = [sys.executable, str(PROJECT / "examples" / "convert.py"), "aliccp", str(tmp_path), str(tmp_path / "out")]
    subprocess.run(command, check=True, capture_output=True)
    found = pl.read_parquet(tmp_path / "out" / "train.parquet")
    assert found.select("click", "purchase", "f_101", "f_205", "f_301", "f_109_14").rows() == [
        (1, 0, "u7", "i3", "2", "11|12")
    ]
