"""Planted mistakes among known labels, and how many of them a review finds, beside cleanlab on the same probabilities.

A share of the images gets one mistake; a label that the image shows after all is no mistake. Kinds of mistakes:

- any: the one known label is replaced by another one, at random.
- group: the one known label is replaced by another one of its group.
- flip: all labels are known, and one of them, at random, is stated wrongly. For free labels: groups refuse such rows.
- swap: all labels are known, and a present label is exchanged for another one of its group, or of all, if it is free.

Precision is among as many images as have a mistake, the most probably wrong first. "Complete labels" is a ceiling: the same
review with fits to the complete labels of the other images. "In sample" is the fit to all images.

python benchmarks/mistakes.py DATA... [--kinds any group] [--size 3000] [--scenes 3000] [--share 0.04] [--seeds 0 1 2]
    [--folds 2] [--repeats 1 4] [--ceiling] [--in-sample]

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
    observed: NDArray[np.int8], truth: NDArray[np.int8], space: LabelSpace, kind: str, share: float, seed: int
) -> tuple[NDArray[np.int8], NDArray[Any]]:
    """Known labels with mistakes, and which images have a wrong one."""
    rng = np.random.default_rng(seed)
    out = (truth if kind in ("flip", "swap") else observed).copy()
    group = {column: space.columns(one) for one in space.groups for column in space.columns(one)}
    single = (out == 1).sum(1) == 1
    if kind == "group":
        single &= np.array([len(group[column]) > 1 for column in out.argmax(1)])
    rows = np.flatnonzero({"flip": np.ones(len(out), bool), "swap": (out == 1).any(1)}.get(kind, single))
    wanted = round(share * (len(rows) if kind != "group" else int((out == 1).any(1).sum())))
    for row in rng.choice(rows, wanted, replace=False):
        if kind == "flip":
            out[row, rng.integers(out.shape[1])] ^= 1
            continue
        before = int(rng.choice(np.flatnonzero(out[row] == 1)))
        own = group[before] if kind in ("group", "swap") and len(group[before]) > 1 else range(out.shape[1])
        others = [column for column in own if column != before and out[row, column] != 1]
        out[row, before] = 0 if kind == "swap" else -1
        out[row, rng.choice(others)] = 1
    return out, (((out == 1) & (truth == 0)) | ((out == 0) & (truth == 1))).any(1)


def precision(order: NDArray[Any], wrong: NDArray[np.bool_]) -> float:
    """In percent, among as many images as are wrong; NaN where none is."""
    if not wrong.any():
        return float("nan")
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
) -> list[dict[str, float]]:  # fmt: skip
    """A row of the table for each number of repeats."""
    known, rows = Observed.from_array(observed, space), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LatentLabels(space, **(settings if args.in_sample else settings | {"epochs": 1})).fit(images, known)
        model.fitted_.params["epochs"] = settings.get("epochs", LatentLabels().epochs)
        ceiling = _ceiling(images, truth, space, known, wrong, args, settings) if args.ceiling else float("nan")
        for repeats in args.repeats:
            started = time.process_time()
            crossed = predicted(model, images, known, folds=args.folds, repeats=repeats)
            found = mistakes_of(crossed, 0.0)
            row = {
                "repeats": repeats,
                "wrong": float(((observed != -1) & (observed != truth)).sum()),
                "images": float(wrong.sum()),
                "precision": precision(_order(found), wrong),
                "ceiling": ceiling,
                "expected": found.expected,
                "low": float(found.low),
                "high": float(found.high),
                "seconds": time.process_time() - started,
            }
            rows.append(row | by_cleanlab(observed, crossed.posterior.marginals, wrong))
    inside = model.predict_proba(images)
    unlikely = np.where(observed == 1, 1 - inside, np.where(observed == 0, inside, 0)).max(1)
    own = precision(np.argsort(-unlikely, kind="stable"), wrong) if args.in_sample else float("nan")
    return [row | {"in sample": own} for row in rows]


def _ceiling(
    images: Any, truth: NDArray[np.int8], space: LabelSpace, known: Observed, wrong: NDArray[np.bool_], args: Any,
    settings: dict[str, Any],
) -> float:  # fmt: skip
    whole = LatentLabels(space, **(settings | {"objective": "full-labels"})).fit(images, known, truth)
    best = cross_fitted(whole.fitted_, images, known, truth=truth, folds=args.folds, repeats=max(args.repeats), noise=0.0)
    return precision(_order(mistakes_of(best, 0.0)), wrong)


def _order(found: Mistakes) -> NDArray[np.int64]:
    """Images, that of the most probably wrong label first."""
    return np.array(list(dict.fromkeys(one.row for one in found.rows)), np.int64)


def _world(name: str, seed: int, args: Any) -> tuple[Any, NDArray[np.int8], LabelSpace, NDArray[np.int8], dict[str, Any]]:
    """Images, truth, space, known labels and settings."""
    if name == "scenes":
        scenes = render_scenes(args.scenes, seed, size=32)
        settings = {"encoder": "tiny", "seed": seed, "epochs": 20, "learning_rate": 3e-3}
        return scenes.images, np.asarray(scenes.truth), scenes.space, np.asarray(scenes.observed), settings
    data = load(name, args.free)
    size = len(data.train) if args.size is None else args.size
    rows = np.sort(np.random.default_rng(1000 + seed).permutation(len(data.train))[:size])
    return data.train[rows], data.truth[rows], data.space, data.observed[rows], {"encoder": "embedding", "seed": seed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*")
    parser.add_argument("--free", action="store_true", help="leave the groups out")
    parser.add_argument("--kinds", nargs="+", default=["any"], choices=["any", "group", "flip", "swap"])
    parser.add_argument("--size", type=int, default=None, help="this many images of the data, at random")
    parser.add_argument("--scenes", type=int, default=0, help="rendered scenes as well, this many, by a small network")
    parser.add_argument("--share", type=float, default=0.04)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--repeats", nargs="+", type=int, default=[1, 4])
    parser.add_argument("--ceiling", action="store_true")
    parser.add_argument("--in-sample", action="store_true")
    args = parser.parse_args()
    print(f"`{command()}`  \n{machine()}\n")
    rows = []
    keys = ("wrong", "precision", "in sample", "cleanlab filter", "cleanlab flags", "cleanlab ranks", "ceiling", "expected")
    for name in [*args.data, *(["scenes"] if args.scenes else [])]:
        for kind in args.kinds:
            found = []
            for seed in args.seeds:
                images, truth, space, observed, settings = _world(name, seed, args)
                observed, wrong = planted(np.asarray(observed), truth, space, kind, args.share, seed)
                found.append(figures(images, truth, space, observed, wrong, args, **settings))
                for row in found[-1]:
                    print(name, kind, seed, {key: round(value, 1) for key, value in row.items()}, flush=True)
            for each in zip(*found, strict=True):
                bounds = "; ".join(f"{row['low']:.0f} to {row['high']:.0f}" for row in each)
                data = f"{name.rstrip('/').split('/')[-1]}, {kind}, {each[0]['repeats']}"
                rows.append([data, *(spread(list(each), key) for key in keys), bounds, spread(list(each), "seconds")])
    head = ["data, mistakes, repeats", "wrong", "precision", "in sample", "cleanlab filter", "flags", "cleanlab ranks"]
    print("\n" + table(rows, [*head, "complete labels", "expected", "95 % intervals", "CPU seconds"]))


if __name__ == "__main__":
    main()
