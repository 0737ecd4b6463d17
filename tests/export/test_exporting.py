"""Exported graphs, run by their own libraries, against the model's posterior; what is refused leaves nothing behind."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exported import CASES, FEATURES, FOREST, FREE, Case, described, embeddings, known_rows, prepared
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError
from torch import Tensor, nn

from latentlabels import ConfigError, ExportError, LatentLabels, export_model
from latentlabels import annotation as ann
from latentlabels.export import FORMATS
from latentlabels.export.exporting import _Graph, _traced
from latentlabels.export.formats import Format, Onnx, Run
from latentlabels.export.graphs import KnownGraph, LabelGraph
from latentlabels.objectives.registry import NAMES
from latentlabels.space import LabelSpace

SIZES = 1, 2, 7
EXPORTS = [(name, form) for name, case in CASES.items() for form in case.formats]


@pytest.mark.parametrize(("name", "form"), EXPORTS)
def test_an_exported_model_says_what_the_model_says(name: str, form: str, tmp_path: Path) -> None:
    case = CASES[name]
    model = prepared(case)
    done = export_model(model, tmp_path / f"model{FORMATS[form].ending}", form)
    labels, given = FORMATS[form].open(done.labels), FORMATS[form].open(done.known)
    for size in SIZES:
        inputs = embeddings(size, size)
        found = labels([inputs])
        assert found.shape == (size, case.space.num_labels) and found.dtype == np.float32
        np.testing.assert_allclose(found, model.posterior(inputs).marginals, atol=2e-6)
        known = described(model, known_rows(case.space, size, size))
        wanted = model.posterior(inputs, known).marginals
        np.testing.assert_allclose(given([inputs, known]), wanted, atol=2e-6)
    assert max(done.differences.values()) < 2e-6
    impossible = np.full((3, case.space.num_labels), -1, np.int8)
    impossible[1] = 2
    out = given([embeddings(3), impossible])
    assert np.isnan(out).all(1).tolist() == [False, True, False] and not np.isnan(out[::2]).any()


def test_the_cases_differ_in_head_and_groups() -> None:
    """So that the equality above is not that of one model many times."""
    heads = [model.model.amortizer for model in map(prepared, CASES.values())]
    assert {head.nonempty for head in heads} == {True, False} and {head.mixture for head in heads} == {1, 3}
    assert len({str(head.space.to_config()) for head in heads}) == 5  # FOREST as declared and by three objectives, and FREE
    assert {case.how.kind for case in CASES.values()} == set(ann.NAMES)


@pytest.mark.parametrize("objective", NAMES)
def test_every_objective_predicts_the_same_in_a_graph(objective: str) -> None:
    case = Case(FOREST, ann.UniformPositive(), {"objective": objective}, ())
    model = prepared(case)
    inputs, known = embeddings(20), described(model, known_rows(FOREST, 20))
    assert (known != -1).any(1).sum() > 10
    amortizer = model.model.amortizer.eval()
    with torch.no_grad():
        found = LabelGraph(amortizer)(torch.from_numpy(inputs)).numpy()
        given = KnownGraph(amortizer, model.conditions_by)(torch.from_numpy(inputs), torch.from_numpy(known)).numpy()
    np.testing.assert_allclose(found, model.posterior(inputs).marginals, atol=1e-6)
    np.testing.assert_allclose(given, model.posterior(inputs, known).marginals, atol=3e-6)


@pytest.mark.parametrize(("form", "number"), [("openvino", 150), ("onnx", 600)])
def test_many_labels(form: str, number: int, tmp_path: Path) -> None:
    """OpenVINO computes in 32 bits, where the model's sums have 64; onnxruntime's threads share the work on large tensors."""
    case = Case(LabelSpace.free([f"label {k}" for k in range(number)]), ann.UniformPositive(), {}, ())
    model = prepared_many(case)
    done = export_model(model, tmp_path / f"many{FORMATS[form].ending}", form)
    given = FORMATS[form].open(done.known)
    inputs = embeddings(5)
    for share in (0.02, 0.5):
        rng = np.random.default_rng(0)
        known = np.where(rng.random((5, number)) < share, rng.integers(0, 2, (5, number)), -1).astype(np.int8)
        np.testing.assert_allclose(given([inputs, known]), model.posterior(inputs, known).marginals, atol=1e-5)


@pytest.mark.parametrize("name", ["a forest of groups", "found by label", "unknown class"])
def test_no_place_is_added_to_twice_at_once(name: str) -> None:
    """Which threads of a runtime would do at the same time, and lose a value; but for what padding adds, zeros."""
    case = CASES[name]
    model = prepared(case)
    graph = KnownGraph(model.model.amortizer.eval(), model.conditions_by)
    inputs = torch.randn(3, FEATURES), torch.full((3, case.space.num_labels), -1, dtype=torch.int8)
    program = _traced(_Graph(graph, {}), inputs)
    named = program.graph_signature.inputs_to_lifted_tensor_constants
    constants = {name: program.constants[target] for name, target in named.items()}
    added = [node for node in program.graph.nodes if "index_add" in str(node.target)]
    padding = case.space.num_labels + 1
    assert added
    for node in added:
        index = node.args[2]
        while index.op == "call_function":  # which flattens a constant
            index = index.args[0]
        places = [place for place in constants[index.name].flatten().tolist() if place != padding]
        assert len(places) == len({*places}), node
    assert not [node for node in program.graph.nodes if "index_put" in str(node.target) or "scatter" in str(node.target)]


def prepared_many(case: Case) -> LatentLabels:
    """A model on labels that are too many to enumerate."""
    size = case.space.num_labels
    observed = np.full((2 * size, size), -1, np.int8)
    observed[np.arange(2 * size), np.arange(2 * size) % size] = 1
    model = LatentLabels(case.space, case.how, encoder="embedding").prepare(embeddings(2 * size), observed)
    with torch.no_grad():
        model.model.amortizer.head.weight.normal_(std=0.7)
    return model


# --- what is refused --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small() -> LatentLabels:
    return prepared(Case(FREE, ann.Ignorable(), {}, ()))


class Fake(Onnx):
    """A format that writes a line instead of a graph, and says `wrong` more than the model."""

    def __init__(self, wrong: float = 0.0, error: Exception | None = None):
        self.wrong, self.error = wrong, error

    def write(self, program: Any, inputs: Any, path: Path, about: Any) -> None:
        if self.error is not None:
            path.write_text("half")
            raise self.error
        print("loud")
        warnings.warn("loud", stacklevel=1)
        path.write_text("graph")
        self.module = program.module()

    def open(self, path: Path) -> Run:
        def run(values: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
            out: NDArray[np.float32] = self.module(*map(torch.from_numpy, values)).numpy() + self.wrong
            return out

        return run


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def use(**how: Any) -> None:
        monkeypatch.setitem(FORMATS, "onnx", Fake(**how))

    return use  # type: ignore[return-value]


def test_a_graph_that_differs_is_not_written(small: LatentLabels, fake: Any, tmp_path: Path) -> None:
    fake(wrong=3e-4)
    with pytest.raises(ExportError, match=r"model\.onnx: the onnx graph differs from the model by 0\.0003 in a probability"):
        export_model(small, tmp_path / "model.onnx")
    assert not [*tmp_path.iterdir()]
    fake(wrong=float("nan"))
    with pytest.raises(ExportError, match="differs from the model by inf"):
        export_model(small, tmp_path / "model.onnx")
    fake(wrong=0.5e-4)
    assert max(export_model(small, tmp_path / "model.onnx").differences.values()) == pytest.approx(0.5e-4, rel=0.02)


def test_an_exporter_that_fails_is_one_error(small: LatentLabels, fake: Any, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_text("before")
    fake(error=RuntimeError("\nFailed.\nSummary:\n-- no rule for aten::odd\n"))
    with pytest.raises(ExportError, match=r"exported to onnx \(RuntimeError: Failed. Summary: -- no rule for aten::odd\); try"):
        export_model(small, tmp_path / "model.onnx", overwrite=True)
    fake(error=OSError(28, "No space left on device", "somewhere"))
    with pytest.raises(OSError, match="No space left"):
        export_model(small, tmp_path / "model.onnx", overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_text() == "before"


class Fickle(nn.Module):
    """An encoder that takes other steps for other inputs, as no graph can."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs if float(inputs.sum()) > 0 else -inputs


def test_an_encoder_that_no_graph_can_hold_is_named(tmp_path: Path) -> None:
    model = prepared(Case(FREE, ann.Ignorable(), {}, ()))
    model.model.amortizer.encoder = Fickle()
    with pytest.raises(ExportError, match="cannot be exported to torch-export"):
        export_model(model, tmp_path / "model.pt2", "torch-export")
    assert not [*tmp_path.iterdir()]


def test_nothing_is_said_and_nothing_is_changed(small: LatentLabels, fake: Any, tmp_path: Path, capfd: Any) -> None:
    fake()
    before = {key: value.clone() for key, value in small.model.state_dict().items()}
    small.model.train()
    torch.manual_seed(3)
    draw = torch.rand(())
    torch.manual_seed(3)
    export_model(small, tmp_path / "model.onnx")
    assert torch.rand(()) == draw
    assert small.model.training and all(one.requires_grad for one in small.model.amortizer.head.parameters())
    assert all(torch.equal(value, before[key]) for key, value in small.model.state_dict().items())
    assert capfd.readouterr() == ("", "")


def test_files_that_are_there_stay(small: LatentLabels, fake: Any, tmp_path: Path) -> None:
    fake()
    (tmp_path / "model.onnx.json").write_text("mine")
    with pytest.raises(ConfigError, match=r"model\.onnx\.json: is there already; .*overwrite=True \(--overwrite\)"):
        export_model(small, tmp_path / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx.json"]
    export_model(small, tmp_path / "model.onnx", overwrite=True)
    assert json.loads((tmp_path / "model.onnx.json").read_text())["labels"] == list(FREE.labels)
    names = ["model.known.onnx", "model.onnx", "model.onnx.json", "model.onnx.md"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


@pytest.mark.parametrize(
    ("file", "to", "message"),
    [
        ("model.onnx", "onxx", r'there is no export format "onxx"; did you mean "onnx"\?'),
        ("model.pt", "torch-export", r"model\.pt: a file of torch-export ends in \.pt2; name it model\.pt2"),
        ("nowhere/model.onnx", "onnx", "folder .*nowhere not found; create it first"),
    ],
)
def test_wrong_use_is_refused_first(small: LatentLabels, tmp_path: Path, file: str, to: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        export_model(small, tmp_path / file, to)


def test_a_model_that_is_not_fitted_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        export_model(LatentLabels(FREE), tmp_path / "model.onnx")


@pytest.mark.parametrize("form", [one for one in FORMATS.values() if one.needs])
def test_a_library_that_is_missing_is_named(
    small: LatentLabels, form: Format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=rf'{form.needs[0]}.*pip install "latentlabels\[{form.extra}\]"'):
        export_model(small, tmp_path / f"model{form.ending}", form.name)
