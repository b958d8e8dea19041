"""docs/spec.schema.json says of a spec's JSON what aesm says of it, as far as one block at a time goes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from aesm_dsl.api.compile import compile_spec
from aesm_dsl.findings.render import render
from aesm_dsl.spec.json_schema import schema, text
from aesm_dsl.spec.model import Spec
from tests.conftest import PROJECT, examples
from tests.invented import Invent
from tests.spec.mutated import mutate
from tests.spec.test_json import CORPUS, told

VALIDATOR = Draft202012Validator(schema())
SPECS = sorted((PROJECT / "specs").glob("*.aesm"))
WITHIN_A_BLOCK = {"E202", "E206", "E210", "E211", "E301", "E302", "E303", "E306", "E307", "E310"}
"""Codes of what can be seen in one block: words, types, ranges, units, what is missing."""

AMONG_SETTINGS = ("a split says which rows it takes", "the column that decides")
"""Ends of the sentences about settings of one block that do not go together."""
IN_TEXT = re.compile("is no sign for|is the decimal sign, too|would take a part of|is no format of|have no order")
"""Matches sentences about what a text says: a schema takes any text."""


def wrong(data: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(data)]


def test_the_document(golden: Callable[[Path, str], None]) -> None:
    golden(PROJECT / "docs" / "spec.schema.json", text())


def test_it_is_a_schema_that_names_every_word() -> None:
    Draft202012Validator.check_schema(schema())
    objects = [schema(), *schema()["$defs"].values()]
    assert len(objects) > 20
    for one in objects:
        assert one["additionalProperties"] is False
        assert one["description"]
        for key, property in one["properties"].items():
            assert key == "call" or property["description"], key


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_the_specs_fit(path: Path) -> None:
    assert not wrong(compile_spec(path).spec.model_dump(mode="json", by_alias=True))


@given(st.randoms(use_true_random=False))
@settings(max_examples=examples(40))
def test_any_spec_fits(random: Random) -> None:
    spec = Spec.parse("\n".join(Invent(random).lines))
    assert not wrong(spec.model_dump(mode="json", by_alias=True))
    assert not wrong(spec.model_dump(mode="json", by_alias=True, exclude_defaults=True))


def _among(message: str) -> bool:
    return message.endswith(AMONG_SETTINGS) or IN_TEXT.search(message) is not None


def agree(text: str) -> None:
    """What does not fit is told by aesm; what fits has no mistake that can be seen in one block."""
    findings = told(text)[1]
    misfits = wrong(json.loads(text))
    seen = [one for one in findings.errors if one.code in WITHIN_A_BLOCK and not _among(one.message)]
    assert bool(seen) == bool(misfits), f"{misfits}\n{render(findings)}\n{text}"


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_it_agrees_about_the_corpus(path: Path) -> None:
    if path.stem.startswith(("E111", "E205", "E109", "E302_huge")):
        return  # a JSON library does not show these, nor a number that no float can hold
    agree(path.read_text(encoding="utf-8"))


@given(st.randoms(use_true_random=False))
@settings(max_examples=examples(120))
def test_it_agrees_about_any_change(random: Random) -> None:
    data = Spec.parse("\n".join(Invent(random).lines)).model_dump(mode="json", by_alias=True)
    mutate(data, random)
    agree(json.dumps(data, ensure_ascii=False, indent=1))
