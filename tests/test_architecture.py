"""The house as docs/architecture.md draws it: rooms, the direction of imports, the place of libraries, and names."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest

import aesm_dsl
from aesm_dsl.cli.main import app
from tests.conftest import PROJECT

PACKAGE = PROJECT / "aesm_dsl"
MODULES = sorted(PACKAGE.rglob("*.py"))

AT_THE_TOP = {"__init__.py", "__main__.py", "version.py", "py.typed"}
"""What may stand in the package itself, beside the rooms."""

ROOMS = (
    ("version",),
    ("findings",),
    ("files",),
    ("syntax",),
    ("spec",),
    ("plan",),
    ("data",),
    ("layers",),
    ("training",),
    ("report", "serving"),
    ("api",),
    ("cli", "editor", "__init__", "__main__"),
)
"""From the text to the picture: a room may import itself and what stands above it."""

INNER_ROOMS = {
    "data": ("reading", "checks", "encoding", "store", "draft", "simulate"),
    "training": ("distributed", "sharing", "metrics", "run", "fit", "outside"),
}
"""Rooms within a room, in the order in which they may import each other. The modules beside them import all of them."""

SHARED = {"data.batch", "data.rank_auc", "data.cache_eviction"}
"""Modules beside the inner rooms that the inner rooms import: they import none of them."""

RANK = {room: rank for rank, rooms in enumerate(ROOMS) for room in rooms}

LIBRARIES = {
    "lark": ("syntax",),
    "pygments": ("syntax", "report"),
    "pydantic": ("spec", "plan"),
    "networkx": ("plan", "report"),
    "torch": ("data", "layers", "training", "serving", "api"),
    "torchjd": ("training",),
    "torchrec": ("layers",),
    "filelock": ("data", "training"),
    "fsspec": ("data",),
    "safetensors": ("training",),
    "scipy": ("training",),
    "sklearn": ("training",),
    "lightgbm": ("training",),
    "polars": ("data", "training", "report", "serving", "api"),
    "jinja2": ("report",),
    "markupsafe": ("report",),
    "numpy": ("data", "layers", "training", "report", "serving"),
    "graphviz": ("report",),
    "onnx": ("serving",),
    "optuna": ("api",),
    "onnxscript": ("serving",),
    "onnxruntime": ("serving",),
    "starlette": ("serving",),
    "uvicorn": ("serving",),
    "prometheus_client": ("serving",),
    "mlflow": ("training",),
    "typer": ("cli",),
    "pygls": ("editor",),
    "lsprotocol": ("editor",),
}
"""The rooms where a library may be imported."""

OTHER_VERB = {"experts": "usage", "explain": None, "fmt": None, "lsp": None, "show": None}
"""Commands whose module in api/ has another name, or that need none: they call a room directly."""

TORCHS_OWN = {("layers/sparse_experts.py", "forward")}
"""Functions that take more than five positional parameters because torch calls them so (torch.autograd.Function)."""


def room_of(module: str) -> str:
    """The room of `aesm_dsl.spec.read`: `spec`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def inner_rank(module: str) -> int | None:
    """The rank of `aesm_dsl.data.checks.leaks` within `data`; None for a module that all inner rooms may import."""
    _, room, *rest = module.split(".")
    inner = INNER_ROOMS[room]
    if len(rest) > 1:
        return inner.index(rest[0])
    return None if f"{room}.{'.'.join(rest)}" in SHARED else len(inner)


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
    assert {room_of(name_of(path)) for path in MODULES} == set(RANK), "a room without a place on the line"


def test_nothing_lies_loose() -> None:
    """Every module has a room; a folder with inner rooms holds few modules beside them."""
    files = {path.name for path in PACKAGE.iterdir() if path.is_file()}
    assert files <= AT_THE_TOP
    for room, inner in INNER_ROOMS.items():
        folders = {path.name for path in (PACKAGE / room).iterdir() if path.is_dir() and path.name != "__pycache__"}
        assert folders == set(inner)
        assert len(list((PACKAGE / room).glob("*.py"))) <= 9, f"{room}/ fills up: its modules belong into inner rooms"


def test_imports_go_one_way() -> None:
    wrong = [
        f"{path.relative_to(PROJECT)}:{line} imports {module}, a later room"
        for path in MODULES
        for module, line in imports(path)
        if module.split(".")[0] == "aesm_dsl" and RANK[room_of(module)] > RANK[room_of(name_of(path))]
    ]
    assert not wrong, "\n".join(wrong)


def test_inner_rooms_import_one_way() -> None:
    wrong = []
    for path in MODULES:
        name = name_of(path)
        room = room_of(name)
        if room not in INNER_ROOMS or path.name == "__init__.py":
            continue
        for module, line in imports(path):
            if not module.startswith(f"aesm_dsl.{room}."):
                continue
            own, other = inner_rank(name), inner_rank(module)
            if other is not None and (own is None or other > own):
                wrong.append(f"{path.relative_to(PROJECT)}:{line} imports {module}, a later room")
    assert not wrong, "\n".join(wrong)


def test_no_modules_import_each_other_in_a_circle() -> None:
    """But within `spec`, where `Spec.parse` loads, when it is called, what reads a spec."""
    names = {name_of(path) for path in MODULES}
    graph = nx.DiGraph()
    for path in MODULES:
        for module, _ in imports(path):
            if module in names and module != name_of(path):
                graph.add_edge(name_of(path), module)
    circles = [sorted(ring) for ring in nx.strongly_connected_components(graph) if len(ring) > 1]
    assert [ring for ring in circles if any(room_of(name) != "spec" for name in ring)] == []


def test_the_document_lists_the_rooms_in_this_order() -> None:
    text = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = [re.findall(r"`([\w.]+)/?`", line.split("|")[1]) for line in text.splitlines() if line.startswith("| `")]
    named = [[name.removesuffix(".py") for name in row] for row in rows]
    known = [row for row in named if set(row) <= set(RANK)]
    assert sorted(name for row in known for name in row) == sorted(set(RANK) - {"__init__", "__main__"})
    ranks = [{RANK[name] for name in row} for row in known]
    assert all(len(row) == 1 for row in ranks), "a line of the table has rooms of several ranks"
    assert sorted(ranks, key=min) == ranks
    inner = [name for row in named if not set(row) <= set(RANK) for name in row]
    assert inner == [f"{room}.{name}" for room, rooms in INNER_ROOMS.items() for name in rooms]


def test_every_module_that_the_documents_name_exists() -> None:
    documents = [PROJECT / "CONTRIBUTING.md", *(PROJECT / "docs").rglob("*.md")]
    named = {
        (document.name, name)
        for document in documents
        for name in re.findall(r"`(?:aesm_dsl/)?((?:[a-z_]+/)+[a-z_]+\.(?:py|md|lark))`", document.read_text("utf-8"))
    }
    homes = (PACKAGE, PROJECT)
    assert len(named) > 20
    assert [name for name in sorted(named) if not any((home / name[1]).exists() for home in homes)] == []


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


def public_classes() -> dict[str, list[str]]:
    """Name of every public class -> the modules that define one."""
    homes = defaultdict(list)
    for path in MODULES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(name_of(path))
    return homes


def test_a_name_means_one_thing() -> None:
    """No two rooms have a public class of the same name."""
    homes = public_classes()
    assert len(homes) > 200
    assert {name: modules for name, modules in homes.items() if len(modules) > 1} == {}


def test_nothing_takes_more_than_five_positional_parameters() -> None:
    many = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                name = getattr(node, "name", "lambda")
                parameters = [one.arg for one in (*node.args.posonlyargs, *node.args.args)]
                own = [one for one in parameters if one not in ("self", "cls")]
                place = str(path.relative_to(PACKAGE)), name
                if len(own) > 5 and place not in TORCHS_OWN:
                    many.append(f"{place[0]}:{node.lineno} {name}({', '.join(own)})")
    assert not many, "\n".join(many)


def test_a_verb_has_one_name_all_the_way_down() -> None:
    """`aesm predict` is cli/predict.py, which calls api/predict.py."""
    commands = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    assert commands == {path.stem for path in (PACKAGE / "cli").glob("*.py")} - {
        "__init__",
        "arguments",
        "completion",
        "main",
        "output",
        "interrupt",
        "progress",
    }
    verbs = {path.stem for path in (PACKAGE / "api").glob("*.py")}
    assert {command: OTHER_VERB.get(command, command) for command in sorted(commands)} == {
        command: name if (name := OTHER_VERB.get(command, command)) in verbs else None for command in sorted(commands)
    }


def test_tests_mirror_the_house() -> None:
    rooms = {path.parent.relative_to(PACKAGE) for path in MODULES}
    mirrored = {path.parent.relative_to(PROJECT / "tests") for path in (PROJECT / "tests").rglob("test_*.py")}
    assert sorted(map(str, mirrored - rooms - {Path("fuzz"), Path("kills")})) == []


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
