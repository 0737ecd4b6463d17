"""Answers beside picked labels: p(o, a | y) = p(o | y) [y agrees with a], against sums over all label sets."""

import pytest
import torch
from oracle import vectors

from latentlabels import Free, LabelSpace, LabelVector, NonEmptyLabelVector, OneOf
from latentlabels import annotation as ann
from latentlabels.annotation.asked import ASKED, with_answers, without_asking

SPACE = LabelSpace(
    [
        OneOf("colour", ["blue", "red"], optional=True),
        OneOf("vehicle", ["car", "bike"], optional=True),
        OneOf("doors", ["two", "four"], requires="car"),
        Free("striped"),
        Free("night"),
    ]
)
K = SPACE.num_labels
W = [0.5, 1.0, 2.0, 1.5, 1.0, 0.7, 1.2, 3.0]
ANNOTATIONS = [
    ann.Ignorable(),
    ann.UniformPositive(),
    ann.UniformPositive(noise=0.1),
    ann.WeightedPositive(W),
    ann.WeightedPositive(W, noise=0.05),
    ann.Scar([0.2, 0.5, 0.9, 0.3, 0.4, 0.6, 0.7, 0.1]),
    ann.PerLabelSearch(W),
    ann.PerLabelSearch(W, noise=0.1),
]
ROWS = [  # picked, asked and present, asked and absent
    ({"blue"}, {"striped"}, set()),
    ({"blue"}, {"car"}, {"night"}),
    ({"striped"}, {"night", "two"}, {"red"}),
    (set(), {"night"}, {"blue"}),
    ({"car"}, set(), {"striped", "four"}),
]


def rows() -> tuple[torch.Tensor, torch.Tensor]:
    picked, answers = torch.full((2, len(ROWS), K), -1, dtype=torch.int8)
    for row, (known, yes, no) in enumerate(ROWS):
        for labels, table, value in ((known, picked, 1), (yes, answers, 1), (no, answers, 0)):
            for label in labels:
                table[row, SPACE.index(label)] = value
    return picked, answers


def agrees(answers: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(S, N) whether label sets (S, K) agree with answers (N, K)."""
    return ((answers == -1) | (answers == y.unsqueeze(1))).all(-1)


@pytest.mark.parametrize("kind", [LabelVector, NonEmptyLabelVector])
@pytest.mark.parametrize("how", ANNOTATIONS, ids=str)
def test_evidence_is_that_of_the_pick_times_the_answers(how: ann.Annotation, kind: type[LabelVector]):
    picked, answers = rows()
    torch.manual_seed(0)
    logits = torch.randn(len(ROWS), SPACE.num_logits, dtype=torch.float64)
    q = kind(SPACE, logits)
    y = vectors(K)
    prior = q.log_prob(y.unsqueeze(1)).exp()  # (S, N)
    absent = torch.where(answers == 0, 0, picked).to(torch.int8)  # of mistakes, a label known to be absent is none
    joint = prior * how.log_prob(absent, y.unsqueeze(1)).exp() * agrees(answers, y)
    total = joint.sum(0)
    told = with_answers(picked, answers)
    assert (told == ASKED).any()
    assert torch.allclose(how.log_prob(told, y.unsqueeze(1)).exp() * prior, joint, atol=1e-12)
    found = q.log_marginal(told, how)
    weights = how.selection_weights(K, torch.float64, torch.device("cpu"))
    if weights is not None:  # given that the image was found, where it was
        chance = (prior * (y @ weights).unsqueeze(1)).sum(0)
        assert torch.allclose(found, torch.where((picked == 1).any(-1), total / chance, total).log(), atol=1e-5)
    else:
        assert torch.allclose(found, total.log(), atol=1e-5)
    posterior = q.condition(told, how)
    assert torch.allclose(posterior.marginals, (joint.unsqueeze(-1) * y.unsqueeze(1)).sum(0) / total.unsqueeze(-1), atol=1e-5)
    counts = torch.stack([(joint * (y.sum(-1) == n).unsqueeze(1)).sum(0) / total for n in range(K + 1)], -1)
    size = posterior.count_probs().shape[-1]
    assert torch.allclose(posterior.count_probs(), counts[:, :size], atol=1e-5)


def test_an_answer_is_other_evidence_than_a_second_pick():
    picked, answers = rows()
    q = SPACE.distribution(torch.zeros(len(ROWS), SPACE.num_logits, dtype=torch.float64))
    told, how = with_answers(picked, answers), ann.UniformPositive()
    asked, both = q.condition(told, how).marginals, q.condition(without_asking(told), how).marginals
    row, night = 0, SPACE.index("night")
    assert abs(float(asked[row, night] - both[row, night])) > 0.01


def test_many_labels_need_as_many_nodes_as_answers_ask_for():
    size, yes = 60, 40
    space, how = LabelSpace.free([f"l{k}" for k in range(size)]), ann.UniformPositive()
    q = space.distribution(torch.full((1, size), -6.0, dtype=torch.float64))
    told = torch.full((1, size), -1, dtype=torch.int8)
    told[0, 0], told[0, 1 : 1 + yes] = 1, ASKED
    p = torch.tensor(-6.0, dtype=torch.float64).sigmoid()
    rest = size - 1 - yes
    from scipy import stats

    mean = sum(stats.binom.pmf(n, rest, float(p)) / (1 + yes + n) for n in range(rest + 1))
    expected = (1 + yes) * p.log() + torch.tensor(mean, dtype=torch.float64).log()
    assert float(q.log_marginal(told, how)[0]) == pytest.approx(float(expected), abs=1e-6)


def test_an_answer_takes_the_place_of_a_pick_that_it_denies():
    picked = torch.tensor([[1, -1, 0], [1, -1, -1], [-1, 1, -1]], dtype=torch.int8)
    answers = torch.tensor([[0, 1, -1], [1, -1, 0], [-1, -1, 1]], dtype=torch.int8)
    assert with_answers(picked, answers).tolist() == [[0, ASKED, 0], [1, -1, 0], [-1, 1, ASKED]]


def test_a_row_of_all_labels_is_complete_however_they_became_known():
    how, y = ann.UniformPositive(), torch.tensor([1.0, 1.0, 0.0])
    told = torch.tensor([1, ASKED, 0], dtype=torch.int8)
    assert bool(how.complete(told))
    assert float(how.log_prob(told, y)) == 0.0
    assert float(how.log_prob(told, 1 - y)) == -torch.inf
