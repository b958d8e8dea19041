"""What is handed out works without the project: `make wheel`, which the other tests do not run.

The source archive and, from it, the wheel are built, and the wheel is installed into an environment of its own. That
sees the packages which the wheel asks for, and what these ask for, and no other: they are linked from the environment
of the tests, which saves downloading torch. The tutorial is then walked in an empty folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from email.message import Message
from email.parser import Parser
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.conftest import PROJECT
from tests.documents import blocks, write_spec

PACKAGE = PROJECT / "aesm_dsl"
ADDED = {
    f"aesm_dsl/api/{world}.aesm": PROJECT / "specs" / f"{world}.aesm" for world in ("fund_search", "groups", "many_ids")
}
"""Files that the wheel has in another place than the project."""

EXTRAS = ("draw",)
"""What the tutorial needs where no `dot` is installed."""

TUTORIAL = PROJECT / "docs" / "tutorial.md"


def done(*command: str | Path, at: Path, env: dict[str, str] | None = None) -> str:
    """What a process prints on standard output; it succeeds."""
    got = subprocess.run(
        [str(one) for one in command], cwd=at, env=env, capture_output=True, text=True, check=False, timeout=600
    )
    assert got.returncode == 0, f"{' '.join(map(str, command))}\n{got.stdout}{got.stderr}"
    return got.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source archive, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("made")
    done(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, PROJECT, at=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(made: Path) -> Path:
    (found,) = made.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel in it."""
    home = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(home, symlinks=True)
    interpreter = home / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", interpreter]
    done(*pip, "install", "--no-deps", "--no-index", wheel, at=home)
    packages = Path(done(interpreter, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", at=home).strip())
    for one in needed([Requirement(text) for text in metadata(wheel).get_all("Requires-Dist", [])], EXTRAS):
        link(one, packages)
    return interpreter


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def needed(asked: list[Requirement], extras: tuple[str, ...]) -> list[Distribution]:
    """The installed packages that are asked for, those they ask for in turn, and so on."""
    found: dict[str, Distribution] = {}
    left = [(one, extras) for one in asked]
    seen: set[tuple[str, tuple[str, ...]]] = set()
    while left:
        requirement, of = left.pop()
        marker = requirement.marker
        if marker is not None and not any(marker.evaluate({"extra": extra}) for extra in ("", *of)):
            continue
        asks = (requirement.name.lower(), tuple(sorted(requirement.extras)))
        if asks in seen:
            continue
        seen.add(asks)
        one = found[asks[0]] = distribution(requirement.name)
        assert requirement.specifier.contains(one.version, prereleases=True), f"{requirement}: {one.version} is here"
        left += [(Requirement(text), asks[1]) for text in one.requires or []]
    return list(found.values())


def link(one: Distribution, packages: Path) -> None:
    """Makes an installed package importable from another folder too."""
    for top in {file.parts[0] for file in one.files or [] if file.parts[0] not in ("..", "__pycache__")}:
        if not (packages / top).exists():
            (packages / top).symlink_to(Path(str(one.locate_file(top))).resolve())


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        ours = {
            path.relative_to(PROJECT).as_posix(): path
            for path in PACKAGE.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert {"aesm_dsl/py.typed", "aesm_dsl/syntax/grammar.lark", "aesm_dsl/report/page/page.js"} <= set(ours)
        assert held == set(ours | ADDED)
        for name, path in (ours | ADDED).items():
            assert archive.read(name) == path.read_bytes(), name
        beside = {name.partition(".dist-info/")[2] for name in archive.namelist()} - {""}
        assert {"METADATA", "entry_points.txt", "licenses/LICENSE"} <= beside


def test_it_says_what_it_is(wheel: Path) -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    told = metadata(wheel)
    assert (told["Name"], told["Version"]) == (project["name"], project["version"])
    assert told["License-Expression"] == project["license"]
    assert told.get_payload() == (PROJECT / "README.md").read_text(encoding="utf-8")
    assert set(told.get_all("Provides-Extra")) == set(project["optional-dependencies"])


def test_the_source_archive_has_what_make_needs(made: Path) -> None:
    (archive,) = made.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    for path in ("Makefile", "constraints.txt", "pyproject.toml", "specs/hotel.aesm", "tests/wheel.py", "docs/conf.py"):
        assert path in names
    assert not [name for name in names if name.startswith((".venv", "runs/", "build/", ".git/"))]


def test_nothing_of_the_project_is_seen(python: Path, tmp_path: Path) -> None:
    place = done(python, "-c", "import aesm_dsl; print(aesm_dsl.__file__)", at=tmp_path, env=alone(python)).strip()
    assert Path(place).is_relative_to(python.parents[1])
    program = "import importlib.util as u; print([name for name in ('pytest', 'pygls', 'onnx') if u.find_spec(name)])"
    assert done(python, "-c", program, at=tmp_path, env=alone(python)).strip() == "[]"


def test_the_tutorial_is_walked(python: Path, tmp_path: Path) -> None:
    walked = 0
    for block in blocks(TUTORIAL):
        if not block.is_run:
            continue
        if block.language == "aesm":
            write_spec(block, tmp_path)
        elif block.language == "python":
            done(python, "-c", block.text, at=tmp_path, env=alone(python))
        elif block.language == "sh":
            for line in block.commands:
                done("sh", "-c", line, at=tmp_path, env=alone(python))
                walked += 1
    assert walked > 10
    assert (tmp_path / "fund" / "report.html").stat().st_size > 100_000


def test_what_the_tutorial_leaves_out(python: Path, tmp_path: Path) -> None:
    """Pages about codes, the other world, colours, and extras that are not there, each with what to install."""
    env = alone(python)
    assert done("aesm", "explain", "E203", at=tmp_path, env=env).startswith("E203")
    done("aesm", "simulate", "--world", "groups", "-o", "groups", "--rows", "2k", at=tmp_path, env=env)
    done("aesm", "check", "groups/groups.aesm", "--data", at=tmp_path, env=env)
    program = "from pygments.lexers import get_lexer_by_name; print(type(get_lexer_by_name('aesm')).__name__)"
    assert done(python, "-c", program, at=tmp_path, env=env).strip() == "AesmLexer"
    missing = subprocess.run(["aesm", "lsp"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert missing.returncode == 1
    assert 'pip install "aesm-dsl[editor]"' in missing.stderr


def alone(python: Path) -> dict[str, str]:
    """The variables of a user who has this environment alone."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AESM", "VIRTUAL"))}
    return kept | {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
