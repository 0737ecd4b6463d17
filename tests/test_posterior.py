"""How often labels are present at once, and what a posterior keeps for display, against enumeration of all label sets."""

from __future__ import annotations

import numpy as np
import oracle
import pytest
import torch
from conftest import MIXED
from numpy.typing import NDArray

from latentlabels.annotation import UniformPositive
from latentlabels.distributions import LabelVector
from latentlabels.distributions.nonempty import NonEmptyLabelVector
from latentlabels.errors import LabelSpaceError, ObservationError
from latentlabels.metrics import evaluate
from latentlabels.posterior import Posterior
from latentlabels.space import Free, LabelSpace, OneOf

SEEDS = range(12)
N = 4


def by_hand(tables: list[oracle.Table]) -> NDArray[np.float64]:
    """The mean over images of P(both), summed over all 2^K vectors."""
    return np.mean([(t.y.T @ (t.p.unsqueeze(1) * t.y)).numpy() for t in tables], 0)


def kept_nonempty(table: oracle.Table, empty_odds: float) -> oracle.Table:
    weight = torch.where((table.y == 0).all(1), empty_odds, 1.0).to(table.log_p).log()
    return table.given(weight)[1]


def tables_of(space: LabelSpace, kind: str, seed: int) -> tuple[LabelVector, list[oracle.Table]]:
    """A distribution of N images of some kind, and the same by enumeration."""
    if kind == "mixture":
        logits, weights = oracle.random_logits(space, seed, N, 3), torch.randn(N, 3, dtype=oracle.DTYPE)
        return LabelVector(space, logits, weights), [oracle.table(space, logits[i], weights[i]) for i in range(N)]
    logits = oracle.random_logits(space, seed, N, impossible=0.2 if kind == "impossible" else 0.0)
    tables = [oracle.table(space, row) for row in logits]
    if kind == "nonempty":
        return NonEmptyLabelVector(space, logits, 0.05), [kept_nonempty(t, 0.05) for t in tables]
    if kind == "conditioned":
        observed = torch.stack([oracle.random_observed(t, seed + i, 1, 0.2) for i, t in enumerate(tables)])
        given = [oracle.condition(t, o, UniformPositive())[1] for t, o in zip(tables, observed, strict=True)]
        return LabelVector(space, logits).condition(observed, UniformPositive()), given
    return LabelVector(space, logits), tables


@pytest.mark.parametrize("kind", ["forest", "impossible", "mixture", "nonempty", "conditioned"])
@pytest.mark.parametrize("seed", SEEDS)
def test_co_occurrence_is_what_enumeration_gives(kind: str, seed: int):
    space = oracle.random_space(seed)
    q, tables = tables_of(space, kind, seed)
    posterior = Posterior(q)
    together = posterior.co_occurrence()
    expected = by_hand(tables)
    np.testing.assert_allclose(together, expected, atol=2e-6)
    np.testing.assert_array_equal(together, together.T)
    np.testing.assert_allclose(together.diagonal(), posterior.marginals.mean(0), atol=2e-6)
    assert (together[expected == 0] == 0).all()  # what cannot be at once is zero, not nearly so
    assert (together <= np.minimum(*np.meshgrid(together.diagonal(), together.diagonal())) + 1e-6).all()


def test_labels_are_chosen_by_name_and_keep_their_order():
    posterior = Posterior(LabelVector(MIXED, oracle.random_logits(MIXED, 3, N)))
    whole, names = posterior.co_occurrence(), ["striped", "blue", "car"]
    columns = [MIXED.index(name) for name in names]
    np.testing.assert_allclose(posterior.co_occurrence(names), whole[np.ix_(columns, columns)], atol=1e-6)
    assert posterior.co_occurrence([]).shape == (0, 0)
    with pytest.raises(LabelSpaceError, match='no label "blu"'):
        posterior.co_occurrence(["blu"])


def test_exclusive_labels_and_required_ones():
    together = Posterior(LabelVector(MIXED, oracle.random_logits(MIXED, 4, N))).co_occurrence()
    blue, red, car, bike, two = (MIXED.index(label) for label in ("blue", "red", "car", "bike", "2-doors"))
    assert together[blue, red] == together[car, bike] == together[bike, two] == 0
    assert together[car, two] == pytest.approx(together[two, two])  # doors are there on cars alone


def test_without_images_nothing_is_present_at_once():
    posterior = Posterior(LabelVector(MIXED, torch.zeros(0, MIXED.num_logits)))
    assert not posterior.co_occurrence().any() and posterior.co_occurrence().shape == (8, 8)
    assert posterior.marginals.shape == (0, 8) and posterior.given(present=["car"]).marginals.shape == (0, 8)


def test_co_occurrence_of_a_query_is_that_of_the_posterior_asked():
    posterior = Posterior(LabelVector(MIXED, oracle.random_logits(MIXED, 5, N))).given(present=["car"])
    together = posterior.co_occurrence()
    car = MIXED.index("car")
    np.testing.assert_allclose(together[car], posterior.marginals.mean(0), atol=2e-6)
    assert together[car, car] == pytest.approx(1.0, abs=1e-6)


# --- what it keeps for display ----------------------------------------------------------------------------


def test_what_is_given_is_kept_and_goes_on_to_the_next_query():
    pictures = object()
    posterior = Posterior(LabelVector(MIXED, oracle.random_logits(MIXED, 6, 2)), ["a", "b"], pictures)
    asked = posterior.given(present=["car"]).given(absent=["striped"])
    assert asked.pictures is pictures and asked.images == ("a", "b")
    known = np.full((2, 8), -1)
    known[:, MIXED.index("car")], known[:, MIXED.index("striped")] = 1, 0
    np.testing.assert_array_equal(asked.known, known)
    before = np.full((2, 8), -1, np.int8)
    before[1, 0] = 1
    kept = Posterior(posterior.distribution, None, None, before).given(absent=["striped"]).known
    assert kept is not None and kept[1, 0] == 1 and kept[0, 0] == -1 and (kept[:, 7] == 0).all()


def test_what_cannot_be_is_refused_before_anything_is_kept():
    posterior = Posterior(LabelVector(MIXED, oracle.random_logits(MIXED, 6, 2)))
    with pytest.raises(ObservationError, match="bike, 2-doors"):
        posterior.given(present=["bike", "2-doors"])


def test_a_group_of_one_label_is_always_together_with_itself():
    space = LabelSpace([OneOf("only", ["it"])])
    assert Posterior(LabelVector(space, torch.zeros(3, 1))).co_occurrence() == pytest.approx(np.ones((1, 1)))


def test_evaluate_is_the_evaluation_of_all_that_the_posterior_says() -> None:
    torch.manual_seed(0)
    posterior = Posterior(MIXED.distribution(torch.randn(40, MIXED.num_logits)))
    truth = posterior.sample(1)[0]
    found = posterior.evaluate(truth)
    wanted = evaluate(truth, posterior.marginals, posterior.log_prob(truth), posterior.count_probs(), MIXED)
    assert found == wanted
    assert found.group_accuracy is not None
    free = Posterior(LabelSpace.free(MIXED.labels).distribution(torch.randn(40, MIXED.num_labels)))
    assert free.evaluate(truth).group_accuracy is None
    assert free.evaluate(truth, MIXED).group_accuracy is not None


def _conditioned(q: LabelVector) -> LabelVector:
    observed = torch.full((q.batch_shape[0], q.space.num_labels), -1, dtype=torch.int8)
    observed[::2, 0] = 1
    return q.condition(observed, UniformPositive())


@pytest.mark.parametrize("kind", ["forest", "mixture", "nonempty", "conditioned", "conditioned nonempty"])
def test_some_rows_are_the_posteriors_of_these_images(kind: str) -> None:
    torch.manual_seed(3)
    if "nonempty" in kind:
        q: LabelVector = NonEmptyLabelVector(LabelSpace.free("abcd"), torch.randn(7, 4), 0.05)
    elif kind == "mixture":
        q = MIXED.distribution(torch.randn(7, 2, MIXED.num_logits), torch.randn(7, 2))
    else:
        q = MIXED.distribution(torch.randn(7, MIXED.num_logits))
    q = _conditioned(q) if "conditioned" in kind else q
    whole = Posterior(q, [f"{i}.png" for i in range(7)], pictures=list("ABCDEFG"), known=np.full((7, q.space.num_labels), -1))
    sets = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * q.space.num_labels).numpy()
    for rows in ([4, 1], slice(2, 5), np.array([True, False] * 3 + [True]), 3, -1):
        part, index = whole[rows], np.atleast_1d(np.arange(7)[rows])
        assert part.images == tuple(f"{i}.png" for i in index)
        assert [part.pictures[i] for i in range(len(part))] == ["ABCDEFG"[i] for i in index]
        np.testing.assert_allclose(part.marginals, whole.marginals[index], atol=1e-6)
        np.testing.assert_allclose(part.count_probs(), whole.count_probs()[index], atol=1e-6)
        for y in sets[:: max(1, len(sets) // 16)]:
            every, some = (p.log_prob(np.tile(y, (len(p), 1))) for p in (whole, part))
            np.testing.assert_allclose(some, every[index], atol=1e-5)
        label = q.space.labels[-1]
        np.testing.assert_allclose(part.given([label]).marginals, whole.given([label]).marginals[index], atol=1e-5)
    assert len(whole[[]]) == 0
    with pytest.raises(IndexError):
        whole[7]


def test_a_contradiction_says_why() -> None:
    posterior = Posterior(MIXED.distribution(torch.zeros(3, MIXED.num_logits)))
    with pytest.raises(ObservationError, match='car, bike: impossible together, because "car" and "bike"'):
        posterior.given(["car", "bike"])
    with pytest.raises(ObservationError, match='bike: impossible with the known labels of image 0, because "car" and "bike"'):
        posterior.given(["car"]).given(["bike"])


def test_the_empty_outcome_of_a_group_can_be_given() -> None:
    space = LabelSpace(
        [OneOf("vehicle", ["car", "bike"], True, none="no vehicle"), OneOf("hat", ["cap"], True), Free("alone", excludes="all")]
    )
    posterior = Posterior(space.distribution(torch.randn(3, space.num_logits, generator=torch.manual_seed(0))))
    known = posterior.given(present=["no vehicle"])
    np.testing.assert_array_equal(known.marginals, posterior.given(absent=["car", "bike"]).marginals)
    np.testing.assert_array_equal(posterior.given(["hat/none"]).marginals[:, 2], 0)
    assert (posterior.given(["alone"]).marginals == [0, 0, 0, 1]).all()
    with pytest.raises(LabelSpaceError, match='write one of "no vehicle", "hat/none"'):
        posterior.given(present=["none"])
    with pytest.raises(LabelSpaceError, match='no label "no vehicle"'):
        posterior.given(absent=["no vehicle"])
    with pytest.raises(ObservationError, match='"no vehicle" is given together with'):
        posterior.given(present=["car", "no vehicle"])
    with pytest.raises(ObservationError, match='"alone" and "car" exclude each other'):
        posterior.given(present=["car", "alone"])


def test_what_was_reported_by_mistake_may_be_contradicted() -> None:
    noisy = UniformPositive(noise=0.2)
    observed = np.full((2, MIXED.num_labels), -1, np.int8)
    observed[:, MIXED.index("car")] = 1
    posterior = Posterior(MIXED.distribution(torch.zeros(2, MIXED.num_logits))).observing(observed, noisy)
    assert posterior.given(["bike"]).marginals[0, MIXED.index("bike")] == pytest.approx(1.0)
