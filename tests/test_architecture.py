"""The rooms and their borders, as docs/architecture.md draws them: imports go one way, each library has its room."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import aesm_dsl
from tests.conftest import PROJECT

PACKAGE = PROJECT / "aesm_dsl"
MODULES = sorted(PACKAGE.rglob("*.py"))

ROOMS = (
    ("version", "memory", "typed", "lookalike", "source", "fix"),
    ("diagnostic", "codes"),
    ("render", "error"),
    ("syntax",),
    ("spec",),
    ("hierarchy",),
    (
        "baseline",
        "training_plan",
        "data_plan",
        "feature_plan",
        "plan",
        "embedding_tables",
        "feature_plans",
        "cost",
        "compile",
        "allocate",
        "sizing",
        "compiled",
        "changes",
        "anatomy",
        "evolution",
    ),
    ("data",),
    ("layers",),
    ("training",),
    ("report", "serving"),
    ("pipeline", "drafting", "spec_file"),
    ("trials",),
    ("comparing", "tuning", "exporting", "predicting", "drawing", "evolving", "hosting", "preparing"),
    ("cli", "editor", "__init__", "__main__"),
)
"""From the text to the picture: a room may import itself, its neighbours on the line, and what stands above."""

RANK = {room: rank for rank, rooms in enumerate(ROOMS) for room in rooms}

LIBRARIES = {
    "lark": ("syntax",),
    "pygments": ("syntax", "report"),
    "pydantic": ("spec",),
    "networkx": ("hierarchy", "report"),
    "torch": ("data", "layers", "training", "report", "serving", "preparing"),
    "torchjd": ("training",),
    "torchrec": ("layers",),
    "filelock": ("data", "training"),
    "fsspec": ("data",),
    "safetensors": ("training", "serving"),
    "polars": ("data", "training", "report", "serving", "pipeline", "predicting"),
    "jinja2": ("report",),
    "markupsafe": ("report",),
    "numpy": ("data", "layers", "training", "report", "serving"),
    "graphviz": ("report",),
    "onnx": ("serving",),
    "optuna": ("tuning",),
    "onnxscript": ("serving",),
    "onnxruntime": ("serving",),
    "starlette": ("serving",),
    "uvicorn": ("serving",),
    "prometheus_client": ("serving",),
    "typer": ("cli",),
    "pygls": ("editor",),
    "lsprotocol": ("editor",),
}
"""Where a library may be imported."""


def room_of(module: str) -> str:
    """The room of `aesm_dsl.spec.read`: `spec`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def name_of(path: Path) -> str:
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every module that a file imports, wherever in it, and the line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            assert node.module is not None
            yield node.module, node.lineno


def test_the_modules_are_found() -> None:
    assert len(MODULES) > 80
    assert {room_of(name_of(path)) for path in MODULES} <= set(RANK), "a room without a place on the line"


def test_imports_go_one_way() -> None:
    wrong = [
        f"{path.relative_to(PROJECT)}:{line} imports {module}, a later room"
        for path in MODULES
        for module, line in imports(path)
        if module.split(".")[0] == "aesm_dsl" and RANK[room_of(module)] > RANK[room_of(name_of(path))]
    ]
    assert not wrong, "\n".join(wrong)


def test_the_document_lists_the_rooms_in_this_order() -> None:
    text = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = [re.findall(r"`([\w./]+)`", line.split("|")[1]) for line in text.splitlines() if line.startswith("| `")]
    named = [[name.removesuffix(".py").removesuffix("/") for name in row] for row in rows]
    assert sorted(name for row in named for name in row) == sorted(set(RANK) - {"__init__", "__main__"})
    ranks = [{RANK[name] for name in row} for row in named]
    assert all(len(row) == 1 for row in ranks), "a line of the table has rooms of several ranks"
    assert sorted(ranks, key=min) == ranks


def test_libraries_stay_in_their_rooms() -> None:
    wrong = [
        f"{path.relative_to(PROJECT)}:{line} imports {module}; its rooms are {', '.join(LIBRARIES[library])}"
        for path in MODULES
        for module, line in imports(path)
        if (library := module.split(".")[0]) in LIBRARIES and room_of(name_of(path)) not in LIBRARIES[library]
    ]
    assert not wrong, "\n".join(wrong)


def test_every_door_has_a_sign() -> None:
    for path in MODULES:
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{path} has no docstring"


def test_no_module_is_long() -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {path.name: count for path, count in lines.items() if count > 300} == {}, "split by noun"


def test_the_public_names() -> None:
    assert aesm_dsl.__all__ == [
        "AesmError",
        "Spec",
        "build_from_spec",
        "check",
        "compare",
        "compile_spec",
        "diff",
        "evaluate",
        "export",
        "load_run",
        "predict",
        "prepare",
        "train",
        "tune",
        "usage",
        "visualize",
    ]
    assert all(getattr(aesm_dsl, name).__doc__ for name in aesm_dsl.__all__)
    assert set(aesm_dsl.__all__) <= set(dir(aesm_dsl))
    with pytest.raises(AttributeError, match="'aesm_dsl' has no attribute 'trian'"):
        aesm_dsl.__getattr__("trian")


def test_type_checkers_see_every_public_name() -> None:
    """What they read of `__init__.py`, and what it does when it runs, say the same homes."""
    homes = {name: f"aesm_dsl.{home}" for name, home in aesm_dsl._HOMES.items()}
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    typed = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name: line.module for line in typed.body if isinstance(line, ast.ImportFrom) for alias in line.names}
    assert homes == seen
    assert sorted(homes) == aesm_dsl.__all__


@pytest.mark.parametrize("command", [["check"], ["fmt", "--check"], ["show"], ["compile"]], ids=lambda one: one[0])
def test_commands_about_the_language_need_no_data_libraries(command: list[str]) -> None:
    code = (
        "import sys\n"
        "from aesm_dsl.cli.main import app\n"
        "app(sys.argv[1:], standalone_mode=False)\n"
        "heavy = {'torch', 'numpy', 'polars', 'pandas', 'graphviz', 'pygraphviz'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    spec = str(PROJECT / "specs" / "fund_search.aesm")
    done = subprocess.run([sys.executable, "-c", code, *command, spec], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_reads_tables_or_draws_a_spec_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "from aesm_dsl.cli.main import app\n"
        "os.chdir(sys.argv[1])\n"
        "for command in sys.argv[2:]:\n"
        "    app(command.split(), standalone_mode=False)\n"
        "    assert 'torch' not in sys.modules, command\n"
    )
    commands = (
        "simulate -o . --rows 500",
        "check --data fund_search.aesm",
        "check --profile fund_search.aesm",
        "init train.parquet -o drafted.aesm",
        "visualize fund_search.aesm -o structure.dot",
    )
    words = [sys.executable, "-c", code, str(tmp_path), *commands]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "热门基金" in (tmp_path / "structure.dot").read_text(encoding="utf-8")


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["compare", "--help"], ["fmt", "--nonsense"]])
def test_help_loads_nothing_but_the_command_lines_own(words: list[str]) -> None:
    own = {"typer", "pygments"} if words == ["--help"] else {"typer", "pygments", "pydantic"}
    code = (
        "import sys\n"
        "from aesm_dsl.cli.main import app\n"
        "try:\n"
        "    app(sys.argv[1:])\n"
        "except SystemExit:\n"
        "    pass\n"
        f"heavy = {set(LIBRARIES) - own!r} & set(sys.modules)\n"
        "assert 'typer' in sys.modules and not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout + done.stderr
