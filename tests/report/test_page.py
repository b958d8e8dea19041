"""The page of a run: nothing from outside, everything escaped, the numbers of the run, and a look by a browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from aesm_dsl.report import page as pages
from aesm_dsl.report.draw import DrawingError, picture_bytes
from aesm_dsl.report.inline_svg import inline
from aesm_dsl.report.page import highlighted, report_page, with_code
from aesm_dsl.report.sharing_graph import sharing_graph
from aesm_dsl.training.compare import Comparison, Contender, Standing, Swing
from aesm_dsl.training.metrics.calibration import Bin, Calibration
from aesm_dsl.training.metrics.paired_rows_test import RowTest
from aesm_dsl.training.metrics.scores import Score
from aesm_dsl.training.metrics.t_test import mean_of_runs
from aesm_dsl.training.run.folder import Run
from aesm_dsl.training.run.history import Epoch
from aesm_dsl.training.sharing.health import health
from tests.report.cases import fund_usage

HOSTILE = """<script>alert("x")</script> & '主搜' </title> [/b] {{ run }}"""
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

PROFILE: dict[str, Any] = {
    "rows": {"train": 120},
    "leaves": [
        {
            "leaf": "home > hot",
            "rows": 120,
            "labels": {"click": 120, "purchase": 100},
            "positives": {"click": 30, "purchase": 5},
            "correlation": [{"tasks": ["click", "purchase"], "phi": 0.25}],
        }
    ],
    "levels": [{"level": "entry", "nodes": [{"node": "home", "rows": 120, "missing": {}}]}],
    "missing": {},
    "likeness": [{"leaf": "home > hot", "task": "click", "alike": 0.9, "small": True}],
}


class Elements(HTMLParser):
    """Tags, what refers to elsewhere, and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "srcset")]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return made_run(tmp_path)


def made_run(tmp_path: Path) -> Run:
    plan, usage = fund_usage()
    plan = replace(plan, label=HOSTILE)
    leaves = [
        " > ".join(level.nodes[at].name for level, at in zip(plan.levels, path, strict=True)) for path in plan.leaves
    ]
    tasks = [task.name for task in plan.tasks.tasks]
    places = [(leaf, task) for leaf in [*leaves, "(all)"] for task in tasks]
    scores = [Score(leaf, task, 500, 50, 0.1, 0.7, 0.65, 0.75, 0.3, 0.9, 1.02) for leaf, task in places]
    scores[0] = Score(*places[0], 0, 0, None, None, None, None, None, None, None)
    bins = (Bin(250, 0.05, 0.04), Bin(250, 0.2, 0.25))
    info = dict(aesm="0.1", device="cpu", architecture="aes", parameters=12_345, steps=90, seconds=1.5)  # noqa: C408
    info |= {"best step": 60, "rows": {"train": 900, "test": 500}, "measured on": "test", "roots": ["/data/a b"]}
    losses = [(dict.fromkeys(tasks, 0.6 - 0.1 * epoch), 0.6 + 0.01 * epoch) for epoch in (1, 2, 3)]
    return Run(
        tmp_path / "run",
        f'model x {HOSTILE!r} {{ }} ## {HOSTILE}\n  count = 8 "主搜"',
        plan,
        None,  # type: ignore[arg-type]
        None,  # type: ignore[arg-type]
        tuple(scores),
        tuple(Calibration(leaf, task, () if place == 0 else bins) for place, (leaf, task) in enumerate(places)),
        usage,
        tuple(
            Epoch(at + 1, 30 * (at + 1), 1.0, loss, auc, loss, health(usage, {}))
            for at, (loss, auc) in enumerate(losses)
        ),
        info,
        PROFILE,
    )


@pytest.fixture
def found(run: Run) -> Comparison:
    gains = {"home": mean_of_runs([0.01, 0.011, 0.012]), "wealth": mean_of_runs([-0.01, -0.011, -0.012])}
    by_rows = RowTest(0.01, 0.001, 0.019, 0.0312)
    swings = tuple(
        Swing(leaf, "click", 500, 0.7, 0.69, gain, by_rows, "gain" if gain.value > 0 else "loss")
        for leaf, gain in gains.items()
    )
    standings = tuple(
        Standing(
            "(all)",
            "click",
            name,
            500,
            50,
            mean_of_runs([0.7, 0.71]),
            0.3,
            None if name == "aes" else mean_of_runs([0.01, 0.02]),
            by_rows,
        )
        for name in ("aes", "single")
    )
    contenders = tuple(
        Contender(
            name, 100, 10, 200, 1e4, mean_of_runs([0.7, 0.71]), None if name == "aes" else mean_of_runs([0.01, 0.02])
        )
        for name in ("aes", "single")
    )
    runs = {"aes": ("runs/aes-7",), "single": ("runs/single-7",)}
    return Comparison(run.folder, "x", HOSTILE, "test", (7, 8), "parameters", contenders, standings, swings, runs)


def test_quoted_words_are_code_and_escaped() -> None:
    assert with_code("`a<b>` is picked, but by `c` alone & no `other") == (
        "<code>a&lt;b&gt;</code> is picked, but by <code>c</code> alone &amp; no `other"
    )


def test_the_page_needs_nothing_else_and_says_what_the_run_says(run: Run, found: Comparison) -> None:
    text = report_page(run, found)
    seen = Elements(text)
    assert all(one.startswith(("#", "data:")) for one in seen.references)
    assert seen.tags.count("script") == 1
    assert HOSTILE in seen.text
    assert "import" not in re.sub(r"<svg.*?</svg>", "", text, flags=re.DOTALL).split("<style>")[1].split("</style>")[0]
    for said in ("0.7000", "12,345", "90 steps", "主搜", "点击", "+0.0110", "0.031", "similar", "25.0%", "0.04"):
        assert said in seen.text, said
    titles = re.findall(r"<h2>(.*?)</h2>", text)
    assert [title.split()[0] for title in titles] == [
        *("Summary", "Metrics", "Learning", "Calibration", "What", "The", "Comparison", "Data", "The", "How")
    ]
    assert "AESM_DATA='/data/a b' aesm train" in seen.text


def test_what_there_is_not_is_left_out(run: Run) -> None:
    bare = replace(run, history=(), calibration=tuple(replace(one, bins=()) for one in run.calibration))
    text = report_page(bare)
    assert "roles formed" in report_page(run)
    assert "roles formed" not in text
    for part in ("learning", "seesaw", "comparison"):
        assert f'id="{part}"' not in text
    assert 'id="calibration"' not in text


def test_without_graphviz_the_page_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(dot: str, ending: str) -> bytes:
        raise DrawingError("no Graphviz found")

    monkeypatch.setattr(pages, "picture_bytes", missing)
    text = report_page(run)
    assert "no Graphviz found" in text
    assert 'class="picture"' not in text


def test_a_comparison_is_read_back(found: Comparison) -> None:
    assert Comparison.from_json(found.to_json(), found.folder) == found
    with pytest.raises(ValueError, match="format 9"):
        Comparison.from_json(json.dumps({**found.to_data(), "format": 9}), found.folder)


def test_colours_change_no_character() -> None:
    text = '\nmodel x "a<b" {  # <i>\n  rate = adam(rate: 3e-3)  share = 10% n8 = 主搜\n}\n'
    assert Elements(str(highlighted(text))).text == text


def test_inlined_pictures_know_what_belongs_to_what() -> None:
    picture = str(inline(picture_bytes(sharing_graph(*fund_usage()), "svg")))
    assert picture.startswith("<svg")
    assert " id=" not in picture
    assert "xlink:title" not in picture
    lines = re.findall(r'data-tail="([^"]+)" data-head="([^"]+)"', picture)
    boxes = set(re.findall(r'data-box="([^"]+)"', picture))
    assert ("entry.0/home", "entry.0#e0") in lines
    assert {end for line in lines for end in line if "legend" not in end} <= boxes
    assert "<title>home: 60.0% from e0</title>" in picture


PROBE = """<script>
const boxes = [...document.querySelectorAll("[data-box]")];
const box = boxes.find((one) => one.dataset.box === "entry.0/home");
const lines = box.closest("svg").querySelectorAll("[data-tail]");
box.dispatchEvent(new PointerEvent("pointerenter"));
const faded = document.querySelectorAll("[data-tail].faded").length;
document.getElementById("theme").click();
parent.postMessage({
  over: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  width: innerWidth,
  lines: lines.length,
  faded,
  theme: document.documentElement.dataset.theme,
  charts: document.querySelectorAll("svg.chart").length,
  sections: document.querySelectorAll("section").length,
  scripts: document.querySelectorAll("main script").length,
}, "*");
</script>"""


FRAME = """<!doctype html><script>
addEventListener("message", (event) => { document.documentElement.dataset.probe = JSON.stringify(event.data); });
</script><iframe src="report.html" style="border:0;width:{}px;height:800px"></iframe>"""


@pytest.fixture
def looked_at(run: Run, found: Comparison, tmp_path: Path) -> Callable[[int], tuple[dict[str, Any], str]]:
    """What a browser of some width makes of the page, and what it logs."""
    if BROWSER is None:
        pytest.skip("no chromium; `apt-get install chromium` brings one")
    path, outer = tmp_path / "report.html", tmp_path / "outer.html"
    path.write_text(report_page(run, found).replace("</body>", PROBE + "</body>"), encoding="utf-8")

    def look(width: int) -> tuple[dict[str, Any], str]:
        # In a frame: a browser's own window is never as narrow as a phone.
        outer.write_text(FRAME.replace("{}", str(width)), encoding="utf-8")
        command = [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
        command += [f"--user-data-dir={tmp_path / 'browser'}", "--window-size=1400,900", "--dump-dom"]
        done = subprocess.run([*command, outer.as_uri()], capture_output=True, text=True, timeout=120, check=True)
        probe = re.search(r'data-probe="([^"]*)"', done.stdout)
        assert probe is not None, done.stderr
        return json.loads(probe.group(1).replace("&quot;", '"')), done.stderr

    return look


@pytest.mark.parametrize("width", [1280, 390])
def test_in_a_browser(looked_at: Callable[[int], tuple[dict[str, Any], str]], width: int) -> None:
    seen, log = looked_at(width)
    assert "CONSOLE" not in log
    assert seen["width"] == width
    assert seen["over"] == 0
    assert 0 < seen["faded"] < seen["lines"]
    assert seen["theme"] in ("dark", "light")
    assert seen["sections"] == 10
    assert seen["charts"] == 8
    assert seen["scripts"] == 0
