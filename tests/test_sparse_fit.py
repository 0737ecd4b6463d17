"""A fit on known labels that are kept sparse is the fit on all of the table, and never makes all of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import latentlabels as ll
from latentlabels.checks import even_count_check, linked_label_check
from latentlabels.checks.prevalence_baseline import chance_of_ranking, known_log_likelihood
from latentlabels.errors import AnchorWarning, DataWarning
from latentlabels.fitting.identity import identity_of
from latentlabels.inputs import Wanted, read_inputs
from latentlabels.kind import Kind
from latentlabels.observed import Observed, known_table, sparse
from latentlabels.observed.known_table import DenseKnown
from latentlabels.observed.sparse import SparseKnown
from latentlabels.program.starting_point import derive_prior
from latentlabels.show.notebook.known import observed_html

FREE = ll.LabelSpace.free(f"label {k}" for k in range(40))
GROUPED = ll.LabelSpace(
    [ll.OneOf("colour", ["red", "green", "blue"]), ll.OneOf("kind", ["car", "bike"], optional=True),
     ll.OneOf("doors", ["two", "four"], requires="car"), *(ll.Free(f"label {k}") for k in range(33))]
)  # fmt: skip
RNG = np.random.default_rng(0)
ROWS = 120
VECTORS = RNG.normal(size=(ROWS, 5)).astype(np.float32)

pytestmark = [
    pytest.mark.filterwarnings(f"ignore::latentlabels.errors.{kind.__name__}") for kind in (DataWarning, AnchorWarning)
]  # of so few images there is much to warn of


def one_each(space: ll.LabelSpace) -> NDArray[np.int8]:
    """One known label on each image."""
    values = np.full((ROWS, space.num_labels), -1, np.int8)
    values[np.arange(ROWS), RNG.permutation(np.arange(ROWS) % space.num_labels)] = 1
    return values


def some(space: ll.LabelSpace) -> NDArray[np.int8]:
    """A few known labels, present and absent, on some images; none contradict each other."""
    values = np.full((ROWS, space.num_labels), -1, np.int8)
    free = np.arange(7, space.num_labels)
    for row in range(0, ROWS, 2):
        values[row, RNG.choice(free, 2, replace=False)] = (1, row % 4 // 2)
    return values


def both(values: NDArray[np.int8], space: ll.LabelSpace, monkeypatch: pytest.MonkeyPatch) -> tuple[Observed, Observed]:
    """The same table dense and sparse; blocks are a few rows."""
    monkeypatch.setattr(sparse, "SPARSE_FROM", 0)
    monkeypatch.setattr(known_table, "BLOCK", 11 * space.num_labels)
    monkeypatch.setattr("latentlabels.inputs.known_rows.BLOCK", 11 * space.num_labels)
    names = tuple(f"{row}.png" for row in range(ROWS))
    row, column = np.nonzero(values >= 0)
    few = Observed.from_entries(row, column, values[row, column], ROWS, space, images=names)
    assert isinstance(few.known, SparseKnown)
    return Observed(values, space, names), few


CASES = [
    ("collapsed", ll.annotation.UniformPositive(), one_each),
    ("collapsed", ll.annotation.Scar(0.3), some),
    ("collapsed", ll.annotation.Ignorable(), some),
    *(
        (name, ll.annotation.UniformPositive(), one_each)
        for name in ("role", "em-apl", "nnpu", "ll-cp", "splc", "assume-negative")
    ),
]


@pytest.mark.parametrize(
    "objective, how, draw", CASES, ids=lambda one: str(getattr(one, "kind", getattr(one, "__name__", one)))
)
@pytest.mark.parametrize("space", [FREE, GROUPED], ids=["free", "grouped"])
def test_a_fit_does_not_depend_on_how_known_labels_are_kept(
    space: ll.LabelSpace, objective: str, how: Any, draw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits = []
    for table in both(draw(space), space, monkeypatch):
        torch.manual_seed(0)
        model = ll.LatentLabels(
            space, how, "embedding", objective=objective, epochs=2, batch_size=16, held_out=0.2, seed=3, accelerator="cpu"
        )  # fmt: skip
        model.fit(VECTORS, table, watch=["known-map"])
        fits.append((table, model))
    (_, whole), (few, model) = fits
    assert "values" not in vars(few)
    assert np.array_equal(model.predict_proba(VECTORS), whole.predict_proba(VECTORS))
    for key in ("train_log_likelihood", "held_out_log_likelihood", "score"):
        assert [row.get(key) for row in model.history_] == [row.get(key) for row in whole.history_], key
    assert model.fitted_.data_hash == whole.fitted_.data_hash
    one, other = model.diagnostics_, whole.diagnostics_
    assert one["without_image"] == pytest.approx(other["without_image"])
    assert {key: value for key, value in one.items() if key != "without_image" and "seconds" not in key} == {
        key: value for key, value in other.items() if key != "without_image" and "seconds" not in key
    }


@pytest.mark.parametrize("draw", [one_each, some])
@pytest.mark.parametrize("space", [FREE, GROUPED], ids=["free", "grouped"])
def test_what_goes_over_a_table_says_the_same(space: ll.LabelSpace, draw: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    values = draw(space)
    whole, few = both(values, space, monkeypatch)
    held = np.arange(0, ROWS, 3)
    for how in (ll.annotation.UniformPositive(), ll.annotation.UniformPositive(noise=0.1), ll.annotation.Scar(0.4)):
        anchors = [derive_prior(space, given, how) for given in (values, whole.known, few.known)]
        assert all(np.array_equal(anchor.prevalence, anchors[0].prevalence) for anchor in anchors)
        linked = [linked_label_check(given, space, how) for given in (values, few.known)]
        assert [one[:3] for one in linked[0]] == [one[:3] for one in linked[1]]
        assert np.array([one[3:] for one in linked[0]]) == pytest.approx(np.array([one[3:] for one in linked[1]]))
        scores = [known_log_likelihood(given, held, space, how, anchors[0]) for given in (values, few.known)]
        assert scores[0] == (None if scores[1] is None else pytest.approx(scores[1]))
    assert even_count_check(values) == even_count_check(few.known)
    assert chance_of_ranking(values) == chance_of_ranking(few.known)
    read = [read_inputs(VECTORS, table, space=space, wanted=Wanted(Kind.EMBEDDINGS)) for table in (whole, few)]
    begun = [identity_of(inputs, torch.arange(3), {}) for inputs in read]
    assert begun[0] == begun[1]
    assert observed_html(whole.known, space, whole.images) == observed_html(few.known, space, few.images)
    assert whole.counts() == few.counts()
    assert whole.never_present == few.never_present
    assert "values" not in vars(few)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_sparse_table_is_written_block_by_block(tmp_path: Any, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, few = both(some(FREE), FREE, monkeypatch)
    path = few.write(tmp_path / f"few.{ending}")
    assert "values" not in vars(few)
    read = Observed.from_table(path, FREE, unlisted="unknown")
    assert np.array_equal(read.values, whole.values)
    assert read.images == whole.images
    if ending != "parquet":  # whose row groups are the blocks
        assert path.read_bytes() == whole.write(tmp_path / f"whole.{ending}").read_bytes()


def test_a_dense_table_stays_what_it_is() -> None:
    values = one_each(FREE)
    assert isinstance(Observed(values, FREE).known, DenseKnown)
    assert Observed(values, FREE).values is values
