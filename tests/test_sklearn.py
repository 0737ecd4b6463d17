"""scikit-learn's manners: its own checks as far as they apply, and what they do not ask."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from conftest import MIXED, Drawn, draw
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import latentlabels as ll
from latentlabels.errors import DataError

EXCEPTIONS = {
    "check_dtype_object": "a cell that is no number is a DataError (a ValueError), not the TypeError of numpy",
    "check_estimators_empty_data_messages": "embeddings without columns are refused, in words of our own",
    "check_fit2d_1sample": "one image is too few to fit, and the message speaks of images, not of samples",
    "check_fit2d_predict1d": "a single embedding is refused with the shape that is expected, not with the advice to reshape",
    "check_n_features_in_after_fitting": "embeddings of another size are refused, both sizes named, in words of our own",
    "check_requires_y_none": "without known labels it is said that nothing can be learned: y is called observed here",
}
"""Checks of scikit-learn that do not apply, each with its reason."""


def known(y: Any) -> NDArray[np.int64]:
    """Classes or numbers as one label, present where they are above the least one."""
    values = np.asarray(y).reshape(len(y), -1)[:, :1]
    return np.where(values == values.min(), 0, 1)


class OneLabel(ll.LatentLabels):
    """The checks give classes or numbers for a target."""

    def fit(self, X: Any, y: Any = None, **more: Any) -> OneLabel:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            super().fit(X, None if y is None else known(y), **more)
        return self

    def score(self, X: Any, y: Any = None) -> float:
        return super().score(X, known(y))


@parametrize_with_checks(
    [OneLabel(ll.LabelSpace.free(["x"]), ll.annotation.Ignorable(), "embedding", epochs=1)],
    expected_failed_checks=lambda estimator: EXCEPTIONS,
)
def test_checks_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


# --- what they do not ask -------------------------------------------------------------------------------------------------

SETTINGS: dict[str, Any] = {"encoder": "embedding", "epochs": 2, "learning_rate": 0.02}


@pytest.fixture(scope="module")
def fitted(mixed: Drawn) -> ll.LatentLabels:
    return ll.LatentLabels(MIXED, **SETTINGS).fit(mixed.inputs, mixed.observed)


@pytest.mark.parametrize("space", [MIXED, None])
def test_fit_changes_no_argument(mixed: Drawn, space: Any) -> None:
    m = ll.LatentLabels(space, ll.annotation.UniformPositive(), **SETTINGS)
    before, digest = m.get_params(), joblib.hash(m.get_params())
    m.fit(mixed.inputs, ll.Observed.from_array(mixed.observed, MIXED))
    after = m.get_params()
    assert all(after[key] is before[key] for key in before)
    assert joblib.hash(after) == digest
    assert set(vars(m)) - set(before) == {"fitted_"}
    assert (m.space, m.space_) == (space, MIXED)


def test_a_second_fit_starts_afresh(mixed: Drawn) -> None:
    """Other labels, another number of features: nothing of the first fit is left."""
    m = ll.LatentLabels(**SETTINGS)
    m.fit(mixed.inputs, ll.Observed.from_array(mixed.observed, MIXED))
    other = draw(ll.LabelSpace.free("abc"), 100, num_features=7)
    table = ll.Observed.from_array(other.observed, other.space)
    again = m.fit(other.inputs, table).predict_proba(other.inputs)
    assert again.shape == (100, 3)
    np.testing.assert_array_equal(again, ll.LatentLabels(**SETTINGS).fit(other.inputs, table).predict_proba(other.inputs))


def test_a_fit_that_fails_leaves_the_one_before(fitted: ll.LatentLabels, mixed: Drawn) -> None:
    m = copy.deepcopy(fitted)
    before = m.predict_proba(mixed.inputs)
    with pytest.raises(DataError):
        m.fit(mixed.inputs[:3], mixed.observed)
    np.testing.assert_array_equal(m.predict_proba(mixed.inputs), before)


@pytest.mark.parametrize("make", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_copies_answer_alike_and_are_their_own(fitted: ll.LatentLabels, mixed: Drawn, make: Any) -> None:
    before = fitted.predict_proba(mixed.inputs)
    other = make(fitted)
    np.testing.assert_array_equal(other.predict_proba(mixed.inputs), before)
    other.model.amortizer.head.bias.data += 1
    np.testing.assert_array_equal(fitted.predict_proba(mixed.inputs), before)


def test_a_clone_is_not_fitted(fitted: ll.LatentLabels, mixed: Drawn) -> None:
    other = clone(fitted)
    for name in ("fitted_", "model", "guide", "elbo", "space_", "history_", "diagnostics_", "kept_", "names_", "thresholds_"):
        assert hasattr(fitted, name)
        assert not hasattr(other, name)
    for ask in (other.posterior, other.predict, other.predict_proba, other.score, other.read):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            ask(mixed.inputs)


def test_hard_labels_are_those_of_the_thresholds(fitted: ll.LatentLabels, mixed: Drawn) -> None:
    p = fitted.predict_proba(mixed.inputs)
    found = fitted.predict(mixed.inputs)
    assert found.dtype == np.int8
    assert len(set(fitted.thresholds_.tolist())) == 1  # one for all labels: the F1 of all together
    np.testing.assert_array_equal(found, p >= fitted.thresholds_)
    assert 0 < found.mean() < 1


def test_the_score_is_the_mean_log_likelihood(fitted: ll.LatentLabels, mixed: Drawn) -> None:
    expected = fitted.posterior(mixed.inputs).log_prob(mixed.truth).mean()
    assert fitted.score(mixed.inputs, mixed.truth) == pytest.approx(expected)
    assert fitted.score(fitted.read(mixed.inputs, truth=mixed.truth)) == pytest.approx(expected)
    names = [f"{row}.png" for row in range(len(mixed.truth))]
    vectors = pd.DataFrame(mixed.inputs, index=names)
    truth = pd.DataFrame(mixed.truth, index=names, columns=[*MIXED.labels]).sample(frac=1, random_state=0)
    assert fitted.score(vectors, truth[sorted(MIXED.labels)]) == pytest.approx(expected)
    impossible = mixed.truth.copy()
    impossible[0, :2] = 1  # two colours
    with pytest.raises(ll.ObservationError, match="truth: .*row 0: .* exclude each other"):
        fitted.score(mixed.inputs, impossible)
    with pytest.raises(DataError, match='truth is not complete: label "blue" of row 2'):
        fitted.score(mixed.inputs, np.where(np.arange(len(mixed.truth))[:, None] == 2, -1, mixed.truth))
    with pytest.raises(DataError, match="score needs complete labels"):
        fitted.score(mixed.inputs)


def test_it_works_in_pipelines_and_searches(mixed: Drawn) -> None:
    m = ll.LatentLabels(MIXED, **SETTINGS)
    whole = make_pipeline(StandardScaler(), m).fit(mixed.inputs, mixed.observed)
    assert whole.predict_proba(mixed.inputs).shape == mixed.truth.shape
    # complete labels are known labels, too: what is searched for is judged on them
    found = GridSearchCV(m, {"learning_rate": [1e-5, 0.02]}, cv=2).fit(mixed.inputs, mixed.truth)
    assert found.best_params_ == {"learning_rate": 0.02}
    assert cross_val_score(m, mixed.inputs, mixed.truth, cv=2).shape == (2,)


def test_columns_are_names_in_a_loaded_run_too(mixed: Drawn, tmp_path: Any) -> None:
    frame = pd.DataFrame(mixed.inputs, columns=[f"f{number}" for number in range(mixed.inputs.shape[1])])
    m = ll.LatentLabels(MIXED, **SETTINGS).fit(frame, mixed.observed)
    assert [*m.feature_names_in_] == [*frame.columns]
    loaded = ll.LatentLabels.load(m.save(tmp_path / "run"))
    for each in (m, loaded):
        np.testing.assert_array_equal(each.predict_proba(frame[frame.columns[::-1]]), m.predict_proba(mixed.inputs))
    assert not hasattr(ll.LatentLabels(MIXED, **SETTINGS).fit(mixed.inputs, mixed.observed), "feature_names_in_")


def test_settings_that_change_after_a_fit_wait_for_the_next_one(mixed: Drawn, tmp_path: Any) -> None:
    m = ll.LatentLabels(MIXED, **SETTINGS).fit(mixed.inputs, mixed.observed)
    before = m.posterior(mixed.inputs[:5], mixed.observed[:5]).marginals
    m.set_params(encoder="tiny", mixture=3, beta=0.5, objective="assume-negative", seed=9)
    np.testing.assert_array_equal(m.posterior(mixed.inputs[:5], mixed.observed[:5]).marginals, before)
    loaded = ll.LatentLabels.load(m.save(tmp_path / "run"))
    np.testing.assert_array_equal(loaded.posterior(mixed.inputs[:5], mixed.observed[:5]).marginals, before)
    assert (loaded.mixture, loaded.objective, loaded.seed) == (1, "collapsed", 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"epochs": 2.5},
        {"batch_size": 0},
        {"learning_rate": -1.0},
        {"held_out": 1.0},
        {"held_out": -0.1},
        {"seed": -1},
        {"beta": 2.0},
        {"mixture": np.int64(0)},
        {"annotation": "scar"},
    ],
    ids=str,
)
def test_settings_out_of_range_are_named(mixed: Drawn, wrong: dict[str, Any]) -> None:
    m = ll.LatentLabels(MIXED, **{**SETTINGS, **wrong})
    with pytest.raises(ll.ConfigError, match=f"{next(iter(wrong))} is "):
        m.fit(mixed.inputs, mixed.observed)


def test_numbers_of_numpy_are_numbers(mixed: Drawn, tmp_path: Any) -> None:
    numbers = {"epochs": np.int64(1), "learning_rate": np.float32(0.02), "seed": np.int32(3), "beta": np.float64(0.5)}
    m = ll.LatentLabels(MIXED, encoder="embedding", **numbers).fit(mixed.inputs, mixed.observed)
    assert len(m.history_) == 1
    loaded = ll.LatentLabels.load(m.save(tmp_path / "run"))
    assert (loaded.epochs, loaded.seed, loaded.beta) == (1, 3, 0.5)
