"""A model too large for one message of protobuf: its constants lie in a file beside it. Here a few KB are too large."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from aesm_dsl import AesmError, export
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.serving import export as export_module
from aesm_dsl.serving.engine import onnx_engine
from aesm_dsl.serving.onnx_weights import ALIGNMENT
from aesm_dsl.training.run.folder import Run
from tests.serving.conftest import table_of

LARGEST = 20_000


@pytest.fixture(scope="module")
def large(kinds: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export_module, "LARGEST_MESSAGE", LARGEST)
        return export(kinds, tmp_path_factory.mktemp("large") / "model.onnx")


def references(graph: onnx.GraphProto) -> Iterator[dict[str, str]]:
    for node in graph.node:
        for attribute in node.attribute:
            yield from references(attribute.g)
    for one in graph.initializer:
        if one.external_data:
            yield {entry.key: entry.value for entry in one.external_data}


def test_it_scores_as_the_model_of_one_file(large: Path, exported: Path) -> None:
    data = large.with_name("model.onnx.data")
    assert exported.stat().st_size > LARGEST, "one file would have done"
    assert sorted(large.parent.iterdir()) == sorted([large, data, large.with_suffix(".json")])
    onnx.checker.check_model(str(large), full_check=True)
    found = list(references(onnx.load(large, load_external_data=False).graph))
    assert len(found) > 10
    assert {one["location"] for one in found} == {data.name}
    assert all(int(one["offset"]) % ALIGNMENT == 0 for one in found)
    last = max(found, key=lambda one: int(one["offset"]))
    assert int(last["offset"]) + int(last["length"]) == data.stat().st_size
    sessions = [onnxruntime.InferenceSession(str(path)) for path in (large, exported)]
    chance = np.random.default_rng(1)
    for rows in (0, 1, 300):
        inputs = {
            one.name: chance.integers(0, 2, (rows, *one.shape[1:]))
            if one.type == "tensor(int64)"
            else chance.normal(size=(rows, *one.shape[1:])).astype(np.float32)
            for one in sessions[0].get_inputs()
        }
        inputs["level.entry"], inputs["level.card"] = np.ones(rows, dtype=np.int64), chance.integers(0, 2, rows)
        scores = [session.run(None, inputs) for session in sessions]
        assert all(np.array_equal(*pair) for pair in zip(*scores, strict=True))


def test_the_server_and_the_scorer_take_it(kinds: Run, large: Path, scorer_class: Any) -> None:
    findings, table = Findings(), table_of(40, 5)
    engine = onnx_engine(kinds, large, findings)
    assert engine is not None, findings
    batch = engine.encode(table, findings)
    assert batch is not None, findings
    scored = scorer_class(large).score(table.to_dicts())
    np.testing.assert_allclose(engine.score(batch), [list(row.values()) for row in scored], atol=1e-5)


def test_a_damaged_file_of_constants_is_refused(kinds: Run, large: Path, scorer_class: Any, tmp_path: Path) -> None:
    for path in large.parent.iterdir():
        shutil.copy(path, tmp_path)
    data = tmp_path / "model.onnx.data"
    content = bytearray(data.read_bytes())
    content[-1] ^= 1
    data.write_bytes(content)
    findings = Findings()
    assert onnx_engine(kinds, tmp_path / "model.onnx", findings) is None
    assert [one.code for one in findings] == ["E632"]
    assert "`" + str(data) + "` is not the file that `model.json` describes" in findings.items[0].message
    with pytest.raises(ValueError, match="is not the model"):
        scorer_class(tmp_path / "model.onnx")
    data.unlink()
    assert onnx_engine(kinds, tmp_path / "model.onnx", Findings()) is None
    description = tmp_path / "model.json"
    said = json.loads(description.read_text(encoding="utf-8"))
    description.write_text(
        json.dumps({**said, "data": {"file": "../model.onnx.data", "sha256": "0"}}), encoding="utf-8"
    )
    assert onnx_engine(kinds, tmp_path / "model.onnx", Findings()) is None


def test_it_is_replaced_as_a_whole(kinds: Run, large: Path, tmp_path: Path) -> None:
    for path in large.parent.iterdir():
        shutil.copy(path, tmp_path)
    (tmp_path / "model.onnx").unlink()
    (tmp_path / "model.json").unlink()
    with pytest.raises(AesmError, match=r"E601.*model\.onnx\.data"):
        export(kinds, tmp_path / "model.onnx")
    export(kinds, tmp_path / "model.onnx", overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.onnx"]
