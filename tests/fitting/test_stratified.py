"""The held-out part: no label loses its last training image, shares are near, and the seed decides the rest."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom

from latentlabels.fitting.stratified import lost_labels, split_rows, strata
from latentlabels.observed.known_table import DenseKnown
from latentlabels.observed.sparse import SparseKnown

Table = NDArray[np.int8]


def held(count: int, share: float, seed: int, known: Table | None = None, together: object = None) -> NDArray[np.bool_]:
    """(N,) whether a row is held out; the two parts are sorted and together all rows."""
    train, out = split_rows(count, share, seed, known, together)
    assert train.dtype == out.dtype == torch.int64
    assert train.tolist() == sorted(train.tolist()) and out.tolist() == sorted(out.tolist())
    assert sorted([*train.tolist(), *out.tolist()]) == list(range(count))
    mask = np.zeros(count, bool)
    mask[out.numpy()] = True
    return mask


def one_label_each(counts: list[int]) -> Table:
    known = np.full((sum(counts), len(counts)), -1, np.int8)
    known[np.arange(sum(counts)), np.repeat(np.arange(len(counts)), counts)] = 1
    return known


def long_tailed(size: int, labels: int, per_row: int, seed: int = 0) -> Table:
    rng = np.random.default_rng(seed)
    chances = 1 / np.arange(1, labels + 1)
    known = np.full((size, labels), -1, np.int8)
    for _ in range(per_row):
        known[np.arange(size), rng.choice(labels, size, p=chances / chances.sum())] = 1
    return known


def deviations(known: Table, out: NDArray[np.bool_], share: float) -> NDArray[np.float64]:
    """(K,) held-out images of each label, less its share."""
    deviation: NDArray[np.float64] = (known[out] == 1).sum(0) - share * (known == 1).sum(0)
    return deviation


# --- without labels -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "count, share, size", [(100, 0.1, 10), (100, 0.0, 0), (5, 0.1, 1), (2, 0.9, 1), (2, 0.01, 1), (1, 0.5, 0)]
)
@pytest.mark.parametrize("known", [False, True])
def test_split_has_the_exact_number_of_rows(count: int, share: float, size: int, known: bool) -> None:
    nothing = np.full((count, 3), -1, np.int8) if known else None
    assert held(count, share, 0, nothing).sum() == size


def test_a_split_without_labels_is_random_by_its_seed() -> None:
    splits = [tuple(held(50, 0.2, seed)) for seed in range(20)]
    torch.manual_seed(5)
    assert tuple(held(50, 0.2, 0)) == splits[0]
    assert len(set(splits)) == 20
    assert max(np.sum(splits, axis=0)) <= 11  # of 20, at 0.2 each: beyond with a probability of 1e-4 a row


# --- labels ---------------------------------------------------------------------------------------------------------


@st.composite
def tables(draw: st.DrawFn) -> tuple[Table, NDArray[np.int64] | None, float, int]:
    rows, labels = draw(st.integers(1, 30)), draw(st.integers(1, 6))
    cells = draw(st.lists(st.sampled_from([-1, -1, -1, 0, 1]), min_size=rows * labels, max_size=rows * labels))
    groups = draw(st.none() | st.lists(st.integers(0, rows // 2), min_size=rows, max_size=rows).map(np.array))
    return np.array(cells, np.int8).reshape(rows, labels), groups, draw(st.floats(0, 0.99)), draw(st.integers(0, 5))


def may_be_held_out(known: Table, together: NDArray[np.int64]) -> bool:
    """Whether some unit may leave the training part: by trying each one alone."""
    units = np.unique(together)
    values = [(k, 1 if (known[:, k] == 1).any() else 0) for k in range(known.shape[1])]
    needed = [(k, value) for k, value in values if (known[:, k] == value).any()]
    return len(units) > 1 and any(
        all((known[together != unit][:, k] == value).any() for k, value in needed) for unit in units
    )  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(tables())
def test_no_label_loses_its_last_training_image(case: tuple[Table, NDArray[np.int64] | None, float, int]) -> None:
    known, together, share, seed = case
    out = held(len(known), share, seed, known, together)
    for k in range(known.shape[1]):
        values = known[:, k]
        value = 1 if (values == 1).any() else 0
        assert (values[~out] == value).any() or not (values == value).any()
    groups = np.arange(len(known)) if together is None else together
    for group in np.unique(groups):
        assert len(set(out[groups == group].tolist())) == 1
    assert not out.all()
    if not share:
        assert not out.any()
    if out.any():
        assert may_be_held_out(known, groups)


@pytest.mark.parametrize("share, seed", list(product([0.05, 0.1, 0.25, 0.5, 0.8], range(4))))
def test_where_each_image_has_one_label_every_number_is_exact_to_less_than_one(share: float, seed: int) -> None:
    counts = np.random.default_rng(seed).integers(2, 90, 40).tolist()
    known = one_label_each(counts)
    out = held(len(known), share, seed, known)
    assert np.abs(deviations(known, out, share)).max() < 1
    assert abs(out.sum() - share * len(known)) <= 1


@pytest.mark.parametrize("seed", range(5))
def test_labels_of_three_images_have_their_share_as_a_whole(seed: int) -> None:
    """Rounded one by one, none of them would ever be held out."""
    known = one_label_each([3] * 200)
    out = held(600, 0.1, seed, known)
    assert out.sum() == 60
    assert set((known[out] == 1).sum(0).tolist()) == {0, 1}


def test_labels_of_one_image_are_trained_on_and_others_make_up_for_them() -> None:
    known = one_label_each([1] * 100 + [2] * 100 + [50] * 4)
    out = held(len(known), 0.1, 0, known)
    assert (known[out, :100] == 1).sum() == 0
    assert out.sum() == 50
    assert np.abs(deviations(known, out, 0.1)).max() < 1


def test_where_nothing_may_be_held_out_nothing_is() -> None:
    assert not held(6, 0.5, 0, np.where(np.eye(6) == 1, 1, -1).astype(np.int8)).any()
    assert not held(6, 0.5, 0, one_label_each([3, 3]), np.zeros(6)).any()


@pytest.mark.parametrize("size, labels, per_row", [(2000, 50, 3), (2000, 50, 10), (5000, 500, 3), (1000, 20, 1)])
@pytest.mark.parametrize("share", [0.1, 0.3])
def test_many_labels_at_once_have_nearly_their_shares(size: int, labels: int, per_row: int, share: float) -> None:
    """Within 4 images each, and 1.2 on average; drawn at random, a label of n images is off by sqrt(share (1 - share) n)."""
    known = long_tailed(size, labels, per_row)
    out = held(size, share, 1, known)
    off = deviations(known, out, share)
    assert np.abs(off).max() <= 4 and np.sqrt((off**2).mean()) <= 1.2
    assert abs(out.sum() - share * size) <= max(1, 0.011 * share * size)
    assert not len(lost_labels(DenseKnown(known), torch.from_numpy(np.flatnonzero(~out))))


def test_unlabelled_images_are_split_as_well() -> None:
    known = np.concatenate([one_label_each([40, 60]), np.full((300, 2), -1, np.int8)])
    out = held(400, 0.1, 0, known)
    assert (known[out] == 1).sum(0).tolist() == [4, 6]
    assert out[100:].sum() == 30
    some = np.concatenate([one_label_each([4]), np.full((3, 1), -1, np.int8)])
    assert all(held(7, 0.1, seed, some)[:4].sum() == 1 for seed in range(9))  # something to measure on


def test_labels_that_are_only_known_to_be_absent_count_as_well() -> None:
    known = one_label_each([30, 30])
    known = np.concatenate([known, np.full((60, 2), -1, np.int8)], axis=1)
    known[:40, 2] = 0
    known[5, 3] = 0
    row, label = strata(DenseKnown(known))
    assert np.bincount(label).tolist() == [30, 30, 40, 1]
    assert all(known[r, k] == (1 if k < 2 else 0) for r, k in zip(row, label, strict=True))
    for seed in range(20):
        out = held(60, 0.2, seed, known)
        assert not out[5]
        assert abs(out[:40].sum() - 8) <= 1
        assert (known[out] == 1).sum(0).tolist() == [6, 6, 0, 0]


def test_the_seed_decides_and_every_image_has_its_chance() -> None:
    known = long_tailed(300, 8, 2)
    splits = np.array([held(300, 0.2, seed, known) for seed in range(200)])
    assert (held(300, 0.2, 3, known) == splits[3]).all()
    assert len({tuple(split) for split in splits}) == 200
    rare = (known[:, (known == 1).sum(0) < 15] == 1).any(1)
    often = splits[:, ~rare].sum(0)
    low, high = binom.ppf([1e-5, 1 - 1e-5], 200, 0.2)
    assert low <= often.min() and often.max() <= high


# --- images that belong together --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_groups_stay_whole_and_labels_keep_their_share(seed: int) -> None:
    rng = np.random.default_rng(seed)
    known, patients = long_tailed(3000, 10, 2, seed), rng.integers(0, 600, 3000)
    out = held(3000, 0.2, seed, known, [f"patient {number}" for number in patients])
    assert not {*patients[out]} & {*patients[~out]}
    assert abs(out.sum() - 600) <= 12
    assert np.abs(deviations(known, out, 0.2)).max() <= 8  # a group has 5 images on average, and up to 15


def test_what_groups_are_called_makes_no_difference() -> None:
    known, rng = long_tailed(200, 10, 2), np.random.default_rng(0)
    alone = held(200, 0.2, 4, known)
    assert (held(200, 0.2, 4, known, rng.permutation(200)) == alone).all()
    patients = rng.integers(0, 60, 200)
    named = [f"{(7 * patient) % 61}-x" for patient in patients]
    assert (held(200, 0.2, 4, known, patients) == held(200, 0.2, 4, known, named)).all()


def test_a_label_within_one_group_is_trained_on() -> None:
    known = one_label_each([50, 7, 50])
    sites = np.concatenate([np.arange(50), np.full(7, 99), np.arange(50)])
    for seed in range(20):
        out = held(107, 0.3, seed, known, sites)
        assert not out[50:57].any() and 28 <= out.sum() <= 36


def test_three_large_groups_give_one() -> None:
    sites = np.repeat([0, 1, 2], 40)
    known = one_label_each([60, 60])[np.random.default_rng(0).permutation(120)]
    for seed in range(5):
        assert held(120, 0.1, seed, known, sites).sum() == 40


def test_lost_labels_are_named() -> None:
    known = one_label_each([2, 3])
    assert lost_labels(DenseKnown(known), torch.tensor([2, 3])).tolist() == [0]
    assert lost_labels(DenseKnown(known), torch.tensor([0, 4])).tolist() == []


@pytest.mark.parametrize("seed", range(3))
def test_a_sparse_table_is_split_as_a_dense_one(seed: int) -> None:
    known = long_tailed(400, 30, 2, seed)
    known[::7, 5] = 0
    known[:, 9] = np.where(known[:, 9] == 1, 0, known[:, 9])
    rows, columns = np.nonzero(known != -1)
    starts = np.concatenate([[0], np.cumsum((known != -1).sum(1))])
    sparse = SparseKnown(starts, columns.astype(np.int32), known[rows, columns], 30)
    one, other = (split_rows(400, 0.2, seed, table) for table in (known, sparse))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
