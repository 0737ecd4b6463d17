import numpy as np
from scipy import stats

from latentlabels import LabelSpace, Posterior
from latentlabels.questions.batch import choose, unit

ALPHA = 1e-4


def drawn(score, size, vectors=None, share=0.0, seed=0, **more):
    return choose(score, size, vectors, share, np.random.default_rng(seed), **more)


def test_a_copy_is_not_asked_the_same_again():
    generator = np.random.default_rng(0)
    score = np.repeat(np.array([[1.0, 0.2], [0.9, 0.1], [0.8, 0.3]]), 3, axis=0)  # each image three times
    vectors = np.repeat(unit(generator.normal(size=(3, 20))), 3, axis=0)
    asked = drawn(score, 6, vectors)
    assert {(row // 3, column) for row, column, _ in asked} == {(i, q) for i in range(3) for q in range(2)}
    assert [row // 3 for row, _, _ in drawn(score, 3)] == [0, 0, 0]  # without vectors, twins are
    assert len(drawn(score, 100, vectors)) == 18  # where nothing else is left, copies are asked after all


def test_images_that_are_not_alike_keep_their_order():
    generator = np.random.default_rng(1)
    score, vectors = generator.random((40, 3)), unit(generator.normal(size=(40, 60)))
    best = np.argsort(-score.ravel())[:25]
    assert [row * 3 + column for row, column, _ in drawn(score, 25, vectors, spread=0.0)] == best.tolist()


def test_a_question_that_the_batch_asks_often_counts_less():
    generator = np.random.default_rng(5)
    score, size, e = 1 - 0.05 * generator.random((60, 4)) - 0.02 * np.arange(4), 40, 0.3
    left, times, expected = score.copy(), np.zeros(4), []
    for _ in range(size):
        row, column = np.unravel_index((left * (1 + times / size) ** -e).argmax(), left.shape)
        expected.append((int(row), int(column)))
        left[row, column] = -np.inf
        times[column] += 1
    asked = [(row, column) for row, column, _ in drawn(score, size, spread=e)]
    assert asked == expected
    counts, without = (np.bincount([c for _, c, _ in drawn(score, size, spread=one)], minlength=4) for one in (e, 0.0))
    assert counts.min() > without.min()
    assert counts.max() < without.max()


def test_no_question_twice_and_no_closed_one():
    generator = np.random.default_rng(2)
    score = generator.random((30, 4))
    closed = generator.random((30, 4)) < 0.5
    score[closed] = -np.inf
    asked = [(row, column) for row, column, _ in drawn(score, 1000, unit(generator.normal(size=(30, 3))), 0.3)]
    assert len(asked) == len(set(asked)) == int((~closed).sum())
    assert not any(closed[row, column] for row, column in asked)


def test_most_per_image():
    generator = np.random.default_rng(3)
    asked = drawn(generator.random((10, 6)), 100, None, 0.4, most_per_image=2)
    assert np.bincount([row for row, _, _ in asked], minlength=10).max() <= 2
    asked = drawn(generator.random((10, 6)), 20, None, 0.0, most_per_image=2)
    assert (np.bincount([row for row, _, _ in asked]) == 2).all()


def test_the_random_share_is_uniform_over_open_questions():
    score = np.array([[5.0, 1.0], [0.1, -np.inf], [0.3, 0.2]])
    counts = np.zeros_like(score)
    for seed in range(2000):
        chosen = [(row, column) for row, column, random in drawn(score, 2, None, 0.5, seed) if random]
        assert len(chosen) == 1
        counts[chosen[0]] += 1
    assert counts[1, 1] == 0
    assert stats.chisquare(counts[np.isfinite(score)]).pvalue > ALPHA


def test_a_small_batch_has_a_random_question_as_well():
    score = np.random.default_rng(6).random((50, 4))
    for size, share, number in (
        (3, 0.05, 0),
        (4, 0.05, 1),
        (20, 0.05, 1),
        (21, 0.05, 2),
        (10, 0.3, 3),
        (8, 0.0, 0),
        (5, 1.0, 5),
    ):
        assert sum(random for *_, random in drawn(score, size, share=share)) == number


def test_a_batch_is_seeded_and_says_what_is_random():
    p = np.random.default_rng(4).random((20, 5)).astype(np.float32)
    import torch

    found = Posterior(LabelSpace.free(list("abcde")).distribution(torch.from_numpy(p).logit()))
    first, again, other = (found.next_questions(10, random_share=0.3, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert [one.random for one in first] == [False] * 7 + [True] * 3
    assert all(one.random for one in found.next_questions(10, random_share=1.0))
