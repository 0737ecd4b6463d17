"""Planted mistakes among known labels, and how many of them a review finds, beside cleanlab on the same probabilities.

A share of the known labels is replaced by another label at random; one that the image shows after all is no mistake.
Precision is among as many labels as are wrong, the most probably wrong first. "Complete labels" is a ceiling: the same review
with fits to the complete labels of the other images. "In sample" is the fit to all images.

python benchmarks/mistakes.py DATA... [--free] [--scenes 3000] [--share 0.04] [--seeds 0 1 2] [--folds 2] [--no-ceiling]

cleanlab's figures need `pip install cleanlab` (2.9 or later; a folder of it is named by PYTHONPATH).
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any

import numpy as np
from common import command, load, machine, spread, table
from numpy.typing import NDArray

from latentlabels import LabelSpace, LatentLabels, Observed, render_scenes
from latentlabels.estimator.cross_fitting import cross_fitted
from latentlabels.review.mistakes import Mistakes, mistakes_of, predicted


def planted(
    observed: NDArray[np.int8], truth: NDArray[np.int8], share: float, seed: int
) -> tuple[NDArray[np.int8], NDArray[Any]]:
    """Known labels with a share replaced at random, and which images have a wrong one."""
    rng = np.random.default_rng(seed)
    out = observed.copy()
    rows = np.flatnonzero((observed == 1).sum(1) == 1)
    for row in rng.choice(rows, round(share * len(rows)), replace=False):
        before = int(np.flatnonzero(out[row] == 1)[0])
        out[row, before] = -1
        out[row, rng.choice(np.delete(np.arange(out.shape[1]), before))] = 1
    return out, ((out == 1) & (truth == 0)).any(1)


def precision(order: NDArray[Any], wrong: NDArray[np.bool_]) -> float:
    """In percent, among as many images as are wrong."""
    return 100 * float(wrong[order[: int(wrong.sum())]].mean())


def by_cleanlab(observed: NDArray[np.int8], p: NDArray[Any], wrong: NDArray[np.bool_]) -> dict[str, float]:
    """cleanlab's multi-label filter and its ranking; NaN where it is not installed."""
    names = ("cleanlab filter", "cleanlab flags", "cleanlab ranks")
    try:
        from cleanlab.multilabel_classification import filter as filtering
        from cleanlab.multilabel_classification import rank
    except ImportError:
        return dict.fromkeys(names, float("nan"))
    labels = [np.flatnonzero(row == 1).tolist() for row in observed]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flagged = filtering.find_label_issues(labels, p, return_indices_ranked_by="self_confidence", n_jobs=1)
        scores = rank.get_label_quality_scores(labels, p)
    first = flagged[: int(wrong.sum())]
    found = 100 * float(wrong[first].mean()) if len(first) else float("nan")
    return dict(zip(names, (found, float(len(flagged)), precision(np.argsort(scores, kind="stable"), wrong)), strict=True))


def figures(
    images: Any, truth: NDArray[np.int8], space: LabelSpace, observed: NDArray[np.int8], wrong: NDArray[np.bool_], args: Any,
    **settings: Any,
) -> dict[str, float]:  # fmt: skip
    """One row of the table."""
    known = Observed.from_array(observed, space)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LatentLabels(space, **settings).fit(images, known)
        started = time.perf_counter()
        crossed = predicted(model, images, known, folds=args.folds)
        found = mistakes_of(crossed, 0.0)
        seconds = time.perf_counter() - started
        ceiling = float("nan")
        if args.ceiling:
            whole = LatentLabels(space, **(settings | {"objective": "full-labels"})).fit(images, known, truth)
            best = cross_fitted(whole.fitted_, images, known, truth=truth, folds=args.folds, noise=0.0)
            ceiling = precision(_order(mistakes_of(best, 0.0)), wrong)
    column = observed.argmax(1)
    inside = model.predict_proba(images)[np.arange(len(observed)), column]
    row = {
        "wrong": float(wrong.sum()),
        "precision": precision(_order(found), wrong),
        "in sample": precision(np.argsort(inside, kind="stable"), wrong),
        "ceiling": ceiling,
        "expected": found.expected,
        "inside": 100.0 * (found.low <= wrong.sum() <= found.high),
        "low": float(found.low),
        "high": float(found.high),
        "seconds": seconds,
    }
    return row | by_cleanlab(observed, crossed.posterior.marginals, wrong)


def _order(found: Mistakes) -> NDArray[np.int64]:
    return np.array([one.row for one in found.rows], np.int64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*")
    parser.add_argument("--free", action="store_true", help="leave the groups out")
    parser.add_argument("--scenes", type=int, default=0, help="rendered scenes as well, this many, by a small network")
    parser.add_argument("--share", type=float, default=0.04)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--no-ceiling", dest="ceiling", action="store_false")
    args = parser.parse_args()
    print(f"`{command()}`  \n{machine()}\n")
    rows = []
    keys = ("wrong", "precision", "in sample", "cleanlab filter", "cleanlab flags", "cleanlab ranks", "ceiling", "expected")
    for name in [*args.data, *(["scenes"] if args.scenes else [])]:
        found = []
        for seed in args.seeds:
            settings: dict[str, Any] = {"encoder": "embedding", "seed": seed}
            if name == "scenes":
                scenes = render_scenes(args.scenes, seed, size=32)
                images, truth, space = scenes.images, scenes.truth, scenes.space
                observed = scenes.observed
                settings = {"encoder": "tiny", "seed": seed, "epochs": 20, "learning_rate": 3e-3}
            else:
                data = load(name, args.free)
                images, truth, space, observed = data.train, data.truth, data.space, data.observed
            observed, wrong = planted(np.asarray(observed), np.asarray(truth), args.share, seed)
            found.append(figures(images, np.asarray(truth), space, observed, wrong, args, **settings))
            print(name, seed, {key: round(value, 1) for key, value in found[-1].items()}, flush=True)
        bounds = "; ".join(f"{row['low']:.0f} to {row['high']:.0f}" for row in found)
        rows.append([name.rstrip("/").split("/")[-1], *(spread(found, key) for key in keys), bounds, spread(found, "seconds")])
    head = [
        "data",
        "wrong",
        "precision",
        "in sample",
        "cleanlab filter",
        "flags",
        "cleanlab ranks",
        "complete labels",
        "expected",
    ]
    print("\n" + table(rows, [*head, "95 % intervals", "seconds"]))


if __name__ == "__main__":
    main()
