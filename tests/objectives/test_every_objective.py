"""What holds for every registered objective: limits, signs, scale, a whole fit, and a fit that is resumed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import MIXED, Drawn, draw
from torch import Tensor

from latentlabels.estimator import LatentLabels
from latentlabels.objectives import OBJECTIVES, Objective

pytestmark = pytest.mark.filterwarnings("ignore:.*fewer than 5 training images")  # 60 scenes of 21 labels

NAMES = sorted(OBJECTIVES)
OF_THE_BATCH = {"expected-positive", "role", "nnpu", "gpr", "pu-mlc", "crisp"}  # a penalty, maximum or mean sees the batch
OBSERVED = torch.tensor([[1, -1, -1, 0], [-1, 1, -1, -1], [-1, -1, -1, -1], [0, -1, 1, -1]], dtype=torch.int8)
TRUTH = torch.tensor([[1, 1, 0, 0], [0, 1, 0, 1], [1, 0, 0, 0], [0, 0, 1, 1]], dtype=torch.int8)
INPUTS = torch.tensor([[1.0, 0.5, -1.0], [0.0, 2.0, 1.0], [-1.0, 0.3, 0.1], [0.2, 0.2, -0.4]])
SLOPE = torch.tensor([[1.0, -0.5, 0.2, 0.1], [0.3, 0.4, -1.0, 0.7], [0.5, 0.1, 0.6, -0.9]])


def begin(objective: Objective, epoch: int) -> None:
    """An epoch begins, as a fit begins it."""
    if objective.looks_at_all(epoch):
        objective.look(torch.tensor([[0.3, 0.6, 0.2, 0.1], [0.1, 0.7, 0.5, 0.4], [0.2, 0.3, 0.8, 0.6], [0.9, 0.5, 0.4, 0.3]]))
    objective.on_epoch(epoch)


def value(objective: Objective, logits: Tensor, rows: slice = slice(None)) -> Tensor:
    slope = SLOPE.to(logits.dtype)
    return objective(
        logits[rows],
        OBSERVED[rows],
        TRUTH[rows] if objective.needs_truth else None,
        torch.arange(4)[rows],
        INPUTS[rows].to(logits.dtype),
        lambda x: x @ slope,
    )


def logits_for(objective: Objective, dtype: torch.dtype = torch.float64) -> Tensor:
    """Those of `SLOPE`, with further ones of groups at 0."""
    logits = torch.zeros(4, objective.space.num_logits, dtype=dtype)
    logits[:, :4] = (INPUTS @ SLOPE).to(dtype)
    return logits


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("epoch", [0, 7])
def test_extreme_logits_are_finite(name: str, training: bool, dtype: torch.dtype, epoch: int, ready) -> None:
    objective = ready(name, OBSERVED, inputs=INPUTS).train(training)
    logits = torch.tensor([[1e4, -1e4, 1e4, -1e4], [-1e4, 1e4, 0, 0], [-1e4] * 4, [1e4] * 4], dtype=dtype).requires_grad_()
    for _ in range(2):  # what is kept of the first time counts in the second
        begin(objective, epoch)
        loss = value(objective, logits)
    loss.backward()
    assert loss.isfinite() and loss.dtype == (dtype if dtype.itemsize >= 4 else torch.float32)
    assert logits.grad is not None and logits.grad.isfinite().all()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in objective.parameters())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_no_image_has_no_loss_but_a_gradient(name: str, training: bool, ready) -> None:
    objective = ready(name, OBSERVED, inputs=INPUTS).train(training)
    begin(objective, 3)
    logits = logits_for(objective).requires_grad_()
    none = value(objective, logits, slice(0, 0))
    none.backward()
    assert none.item() == 0 and none.shape == ()
    assert logits.grad is not None and (logits.grad == 0).all()


@pytest.mark.parametrize("name", [name for name in NAMES if not OBJECTIVES[name].needs_truth])
@pytest.mark.parametrize("epoch", [0, 7])
def test_what_is_known_is_taught(name: str, epoch: int, ready) -> None:
    """Descent raises logits of known positives and lowers those of known absences."""
    objective = ready(name, OBSERVED, inputs=INPUTS)
    begin(objective, epoch)
    logits = logits_for(objective).requires_grad_()
    value(objective, logits).backward()
    assert logits.grad is not None
    assert (logits.grad[OBSERVED == 1] < 0).all()
    # where nnpu's maximum holds, nothing is taught of the negatives of a label; to crisp they are unlabelled
    if name not in {"nnpu", "crisp"}:
        assert (logits.grad[OBSERVED == 0] > 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_which_are_a_mean_over_images(name: str, ready) -> None:
    objective = ready(name, OBSERVED, inputs=INPUTS).eval()
    logits = logits_for(objective)
    whole = value(objective, logits).item()
    parts = [value(objective, logits, rows).item() for rows in (slice(0, 2), slice(2, 4))]
    if name in OF_THE_BATCH:
        assert sum(parts) / 2 != pytest.approx(whole, abs=1e-7)
    else:
        assert sum(parts) / 2 == pytest.approx(
            whole, abs=1e-6 if name == "smile-soft-labels" else 1e-10
        )  # its network is float32


# --- whole fits -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def few() -> Drawn:
    return draw(MIXED, 80)


@pytest.mark.parametrize("name", NAMES)
def test_a_fit_runs_and_learns_something(name: str, few: Drawn) -> None:
    model = LatentLabels(MIXED, encoder="embedding", objective=name, epochs=2, batch_size=16, stop="none")
    truth = few.truth if OBJECTIVES[name].needs_truth else None
    start = LatentLabels(MIXED, encoder="embedding", objective=name).prepare(few.inputs, few.observed).predict_proba(few.inputs)
    found = model.fit(few.inputs, few.observed, truth).predict_proba(few.inputs)
    assert found.shape == few.truth.shape and np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1
    assert np.abs(found - start).max() > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_a_resumed_fit_keeps_what_the_objective_had_learnt(name: str, few: Drawn, tmp_path: Path) -> None:
    settings = {"objective": name, "encoder": "embedding", "batch_size": 16, "learning_rate": 0.02, "stop": "none"}
    truth = few.truth if OBJECTIVES[name].needs_truth else None
    whole = LatentLabels(MIXED, epochs=9, **settings).fit(few.inputs, few.observed, truth)
    for epochs in (1, 7):  # interrupted twice: in the first round of pseudo-labels' warm-up, and while they are given
        part = LatentLabels(MIXED, epochs=epochs, **settings)
        part.fit(few.inputs, few.observed, truth, checkpoints=tmp_path, resume=epochs > 1)
        torch.rand(5)  # what a user draws in between is not the fit's
    rest = LatentLabels(MIXED, epochs=9, **settings).fit(few.inputs, few.observed, truth, checkpoints=tmp_path, resume=True)
    for mine, theirs in ((rest.model, whole.model), (rest.fitted_.program.objective, whole.fitted_.program.objective)):
        one, other = theirs.state_dict(), mine.state_dict()
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one)  # bit for bit
    assert [row | {"seconds": 0} for row in rest.history_] == [row | {"seconds": 0} for row in whole.history_]
    learnt = whole.fitted_.program.objective.state_dict()
    assert bool(learnt) == (name in {"em-apl", "ll-cp", "role", "smile-soft-labels", "nnpu", "crisp"})
    if name in {"em-apl", "ll-cp"}:
        assert learnt["chosen" if name == "em-apl" else "corrected"].any()
