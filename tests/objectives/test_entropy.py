"""Entropy maximisation and asymmetric pseudo-labels: values by hand, and which labels get a pseudo-label when."""

from __future__ import annotations

import math

import pytest
import torch
from conftest import MIXED, draw
from torch import Tensor

from latentlabels.errors import ConfigError
from latentlabels.estimator import LatentLabels
from latentlabels.objectives import OBJECTIVES, AsymmetricPseudoLabels, make
from latentlabels.space import LabelSpace

SPACE = LabelSpace.free(["a", "b", "c", "d"])
# probabilities 1/2, 4/5, 1/5, 1/2: o = present, unknown, unknown, known absent
LOGITS = torch.tensor([[0.0, math.log(4), -math.log(4), 0.0]], dtype=torch.float64)
OBSERVED = torch.tensor([[1, -1, -1, 0]], dtype=torch.int8)
COIN = -0.8 * math.log(0.8) - 0.2 * math.log(0.2)  # entropy of 4/5, and of 1/5


def logit(p: float) -> float:
    return math.log(p / (1 - p))


@pytest.mark.parametrize("alpha", [0.1, 0.7])
def test_entropy_maximisation_by_hand(alpha: float) -> None:
    expected = math.log(2) + math.log(2) - 2 * alpha * COIN
    assert make("em", SPACE, alpha=alpha)(LOGITS, OBSERVED).item() == pytest.approx(expected, abs=1e-12)
    assert make("em", SPACE).alpha == 0.1


def test_unknown_labels_are_drawn_to_one_half() -> None:
    logits = torch.tensor([[0.0, 3.0, -3.0, 0.0]], dtype=torch.float64, requires_grad=True)
    make("em", SPACE)(logits, OBSERVED).backward()
    assert logits.grad is not None
    assert logits.grad[0, 1] > 0 > logits.grad[0, 2]
    assert logits.grad[0, 1] == pytest.approx(0.1 * 3 / (1 + math.exp(3)) / (1 + math.exp(-3)))  # alpha l p (1 - p)


def test_gradients(ready) -> None:
    torch.manual_seed(0)
    logits = torch.randn(3, 4, dtype=torch.float64).requires_grad_()
    observed = torch.tensor([[1, -1, -1, 0], [-1, -1, 1, -1], [-1, -1, -1, -1]], dtype=torch.int8)
    objective = ready("em-apl", observed, warmup=1, rounds=1, share=0.5)
    index = torch.arange(3)
    objective.look(torch.sigmoid(logits.detach()))
    assert isinstance(objective, AsymmetricPseudoLabels) and objective.chosen.any()
    for one in (make("em", SPACE), objective):
        assert torch.autograd.gradcheck(lambda x, one=one: one(x, observed, index=index), logits)


def pseudo(target: float, p: float) -> float:
    return -target * math.log(p) - (1 - target) * math.log(1 - p)


def entropy(p: float) -> float:
    return pseudo(p, p)


def test_pseudo_labels_go_to_the_lowest_of_each_label_and_stay(ready) -> None:
    observed = torch.full((6, 2), -1, dtype=torch.int8)
    observed[0, 0], observed[5, 1] = 1, 0
    seen = torch.tensor([[0.05, 0.9], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6], [0.5, 0.5], [0.6, 0.1]])
    # five unknown values of each label: floor(0.8 * 5 / 2) = 2 in each of two rounds, after two epochs
    objective = ready("em-apl", observed, warmup=2, rounds=2, share=0.8)
    assert [objective.looks_at_all(epoch) for epoch in range(6)] == [False, False, True, True, False, False]
    assert not objective.chosen.any()
    objective.look(seen)
    assert objective.chosen.nonzero().tolist() == [[1, 0], [2, 0], [3, 1], [4, 1]]  # known labels are none of them

    # the target is what was seen then, whatever the network says since
    later = torch.full((1, 2), logit(0.25), dtype=torch.float64)
    for _ in range(2):
        value = objective(later, observed[1:2], index=torch.tensor([1])).item()
        assert value == pytest.approx(0.9 * pseudo(0.2, 0.25) - 0.1 * entropy(0.25), abs=1e-6)

    now = seen.clone()
    now[1, 1] = 0.25  # the lowest that is left
    objective.look(now)
    assert objective.chosen.nonzero().tolist() == [[1, 0], [1, 1], [2, 0], [2, 1], [3, 0], [3, 1], [4, 0], [4, 1]]
    assert objective.target[1].tolist() == pytest.approx([0.2, 0.25])


def test_a_round_of_a_resumed_fit_needs_the_buffers_alone(ready) -> None:
    observed = torch.full((4, 1), -1, dtype=torch.int8)
    seen = torch.tensor([[0.1], [0.2], [0.3], [0.4]])
    one = ready("em-apl", observed, warmup=1, rounds=2, share=1.0)
    one.look(seen)
    other = ready("em-apl", observed, warmup=1, rounds=2, share=1.0)
    other.load_state_dict(one.state_dict())
    for objective in (one, other):
        assert objective.chosen.flatten().tolist() == [True, True, False, False]
        objective.look(1 - seen)
        assert objective.chosen.all()
        assert objective.target.flatten().tolist() == pytest.approx([0.1, 0.2, 0.7, 0.6])


def test_only_rows_trained_on_count_and_evaluation_is_em(ready) -> None:
    observed = torch.full((10, 1), -1, dtype=torch.int8)
    objective = ready("em-apl", observed, rows=torch.tensor([0, 3, 4, 8]), warmup=0, rounds=1, share=0.5)
    assert objective.quota.tolist() == [2]
    objective.look(torch.tensor([[0.9], [0.2], [0.8], [0.1]]))
    assert objective.chosen.flatten().nonzero().flatten().tolist() == [3, 8]
    logits = torch.linspace(1, 2, 10, dtype=torch.float64).unsqueeze(1)
    plain: Tensor = make("em", LabelSpace.free(["l0"]))(logits, observed)
    objective.eval()
    assert objective(logits, observed, index=torch.arange(10)).item() == pytest.approx(plain.item(), abs=1e-12)
    objective.train()
    assert objective(logits, observed, index=torch.arange(10)).item() != pytest.approx(plain.item(), abs=1e-3)


@pytest.mark.filterwarnings("ignore:.*fewer than 5 training images")  # 40 scenes of few labels
def test_a_fit_looks_at_all_images_after_the_epoch_in_evaluation_mode() -> None:
    """What pseudo-labels are made of is what the weights of that moment predict, for every image trained on."""
    drawn = draw(MIXED, 40)
    seen = []

    class Recording(AsymmetricPseudoLabels):
        name = "recording"

        def look(self, marginals: Tensor) -> None:
            seen.append((len(self.rows), marginals))
            super().look(marginals)

    OBJECTIVES[Recording.name] = Recording
    try:
        model = LatentLabels(MIXED, encoder="embedding", objective="recording", epochs=5, stop="none", held_out=0.2)
        model.fit(drawn.inputs, drawn.observed)
        assert seen == []  # within the warm-up
        longer = LatentLabels(MIXED, encoder="embedding", objective="recording", epochs=6, stop="none", held_out=0.2)
        longer.fit(drawn.inputs, drawn.observed)
    finally:
        del OBJECTIVES[Recording.name]
    [(size, marginals)] = seen
    rows = longer.fitted_.program.objective.rows
    assert size == len(rows) < 40
    torch.testing.assert_close(marginals, torch.from_numpy(model.predict_proba(drawn.inputs)[rows.numpy()]))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("em", {"alpha": 0.0}),
        ("em-apl", {"beta": -0.1}),
        ("em-apl", {"warmup": -1}),
        ("em-apl", {"rounds": 0}),
        ("em-apl", {"share": 1.1}),
    ],
)
def test_hyperparameters_out_of_range_are_refused(name: str, options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="at least|above 0"):
        make(name, SPACE, **options)
