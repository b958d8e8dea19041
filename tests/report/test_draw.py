"""Files: every ending, Chinese, hostile labels, whole or not at all, and what is said without an engine."""

from __future__ import annotations

import importlib.util
import os
import re
import stat
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from aesm_dsl.report import draw as drawing
from aesm_dsl.report.draw import DrawingError, draw
from aesm_dsl.report.sharing_graph import sharing_graph
from aesm_dsl.report.structure_graph import structure_graph
from tests.report.cases import fund_hierarchy, fund_usage, make_hierarchy

MAGIC = {".svg": b"<?xml", ".png": b"\x89PNG\r\n\x1a\n", ".pdf": b"%PDF-", ".dot": b"digraph "}

needs_pygraphviz = pytest.mark.skipif(importlib.util.find_spec("pygraphviz") is None, reason="no pygraphviz")
needs_chinese_font = pytest.mark.skipif(
    importlib.util.find_spec("manimgx_fonts_cjk") is None, reason="no Chinese font installed"
)


def labelled(label: str, name: str = "n") -> str:
    return structure_graph(make_hierarchy({"entry": {name: label}}, []))


@needs_pygraphviz
@pytest.mark.parametrize("ending", MAGIC)
def test_every_ending(ending: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name, dot in (("structure", structure_graph(fund_hierarchy())), ("sharing", sharing_graph(*fund_usage()))):
        path = tmp_path / (name + ending.upper())
        draw(dot, path)
        assert path.read_bytes().startswith(MAGIC[ending])
        assert os.listdir(tmp_path) == [path.name]
        path.unlink()
    assert capfd.readouterr() == ("", "")


def test_dot_is_written_as_it_is(tmp_path: Path) -> None:
    dot = sharing_graph(*fund_usage())
    draw(dot, tmp_path / "a.dot")
    assert (tmp_path / "a.dot").read_text(encoding="utf-8") == dot


@needs_pygraphviz
def test_chinese_stands_in_the_svg_with_fonts_that_browsers_have(tmp_path: Path) -> None:
    draw(sharing_graph(*fund_usage()), tmp_path / "a.svg")
    svg = (tmp_path / "a.svg").read_text(encoding="utf-8")
    texts = [element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("}text")]
    for label in ("主搜", "理财TAB", "点击", "购买"):
        assert label in texts
    families = set(re.findall(r'font-family="([^"]+)"', svg))
    assert len(families) == 1
    assert {"PingFang SC", "Microsoft YaHei", "sans-serif"} <= set(families.pop().split(", "))


@needs_pygraphviz
@needs_chinese_font
def test_chinese_is_drawn_not_boxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the Chinese font, boxes stand for the characters; with it, the same text is another picture."""

    def png(label: str) -> bytes:
        draw(labelled(label), tmp_path / "a.png")
        return (tmp_path / "a.png").read_bytes()

    assert png("购购") != png("买买")
    assert png("购购") == png("购购")
    with_font = png("购买")
    poorer = tmp_path / "fonts.conf"
    settings = drawing._font_settings()
    assert settings.count("</fontconfig>") == 1
    reject = "<selectfont><rejectfont><glob>*CJK*</glob></rejectfont></selectfont></fontconfig>"
    poorer.write_text(settings.replace("</fontconfig>", reject))
    monkeypatch.setenv("FONTCONFIG_FILE", str(poorer))
    assert png("购买") != with_font


@needs_pygraphviz
def test_a_png_is_sharp(tmp_path: Path) -> None:
    draw(labelled("n"), tmp_path / "a.svg")
    draw(labelled("n"), tmp_path / "a.png")
    points = int(re.search(r'<svg width="(\d+)pt"', (tmp_path / "a.svg").read_text())[1])  # type: ignore[index]
    pixels = int.from_bytes((tmp_path / "a.png").read_bytes()[16:20], "big")
    assert pixels == pytest.approx(points * 144 / 72, rel=0.02)


HOSTILE = [
    'say "hi"',
    "\\N\\G\\l\\",
    "two\nlines",
    "<b>&amp;</b>",
    "a" * 5000,
    "]; } digraph",
    "\x00\x07",
    "-->",
    "x" * 9,
]


@needs_pygraphviz
def test_hostile_labels_and_names_are_drawn_as_text(tmp_path: Path) -> None:
    levels = {"entry": dict(zip(HOSTILE, [*HOSTILE[1:], HOSTILE[0]], strict=True))}
    draw(structure_graph(make_hierarchy(levels, [], title='"<\\')), tmp_path / "a.svg")
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    texts = {element.text for element in root.iter() if element.tag.endswith("}text")}
    assert {'say "hi"', "\\N\\G\\l\\", "two lines", "<b>&amp;</b>", "]; } digraph", "-->", '"<\\'} <= texts
    assert sum("…" in text for text in texts if text) == 2
    assert not any(text.startswith("entry/") for text in texts if text)
    boxes = [element for element in root.iter() if element.get("class") == "node"]
    assert len(boxes) == len(HOSTILE) + 2


def test_an_unknown_ending_names_the_endings(tmp_path: Path) -> None:
    for name in ("a.jpeg", "a"):
        with pytest.raises(DrawingError, match=re.escape(".svg, .png, .pdf, .dot")):
            draw("digraph {}", tmp_path / name)
    assert not os.listdir(tmp_path)


def test_without_an_engine_the_sentence_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing.shutil, "which", lambda name: None)
    monkeypatch.setattr(drawing.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DrawingError, match=re.escape("pip install 'aesm-dsl[draw]'")) as caught:
        draw("digraph {}", tmp_path / "a.svg")
    assert ".dot" in str(caught.value)
    draw("digraph {}", tmp_path / "a.dot")
    assert os.listdir(tmp_path) == ["a.dot"]


@needs_pygraphviz
def test_a_failure_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.svg"
    path.write_text("old")
    with pytest.raises(DrawingError, match="Graphviz could not draw"):
        draw("this is not DOT {}", path)

    def refuse(source: Path, target: Path) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(drawing.os, "replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        draw("digraph {}", path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.svg"]


@pytest.fixture
def installed_dot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for `dot` on PATH that answers with its arguments and its font settings."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "dot"
    script.write_text(
        f"#!{sys.executable}\nimport os, sys\ntext = sys.stdin.read()\n"
        "if 'broken' in text: sys.exit('Error: <stdin>: syntax error in line 1')\n"
        "print(sys.argv[1:], open(os.environ['FONTCONFIG_FILE']).read())\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))
    return script


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a script")
@pytest.mark.usefixtures("installed_dot")
def test_an_installed_dot_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FONTCONFIG_FILE", raising=False)
    draw("digraph {}", tmp_path / "a.svg")
    said = (tmp_path / "a.svg").read_text()
    assert "-Tsvg" in said
    assert "<fontconfig>" in said
    assert "FONTCONFIG_FILE" not in os.environ
    with pytest.raises(DrawingError, match="syntax error in line 1"):
        draw("broken {}", tmp_path / "b.svg")


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a script")
@pytest.mark.usefixtures("installed_dot")
def test_the_users_own_font_settings_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "mine.conf"
    mine.write_text("my fonts")
    monkeypatch.setenv("FONTCONFIG_FILE", str(mine))
    draw("digraph {}", tmp_path / "a.svg")
    assert "my fonts" in (tmp_path / "a.svg").read_text()
    assert os.environ["FONTCONFIG_FILE"] == str(mine)


def test_loading_loads_no_engine_and_no_torch() -> None:
    code = (
        "import sys\n"
        "from aesm_dsl.report import draw, flow_graph, heat_map, sharing_graph, structure_graph\n"
        "print({'torch', 'graphviz', 'pygraphviz'} & set(sys.modules))"
    )
    found = drawing.subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
