"""Naturally biased single labels: picks of the known label, assumptions about the pick, and methods, all against all.

python benchmarks/realism.py DATA [--picks uniform rarest first] [--assume uniform weights] [--methods ours gr]
python benchmarks/realism.py --scenes 2000 [--objects FOLDER] [--picks uniform largest rarest first]

DATA is a folder with embeddings and complete labels; see `common.load`. With --scenes, pictures of several objects are made,
and a small network is trained from scratch; without --objects the objects are the handwritten digits of scikit-learn.

Picks of the one label that is known of an image, from its present ones:
  uniform   any of them
  largest   that of the largest object (scenes alone)
  rarest    that of the lowest prevalence: people name what is special
  first     the first in the alphabet: a list is read from its top
Assumptions, for our objective alone:
  uniform   any present label, as if nothing were known of the pick
  weights   weights fitted to the picks and the complete labels of all training images: the best that weights can do
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import command, load, machine, measure, spread, table
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from latentlabels import LabelSpace, LatentLabels, Observed, mosaic_scenes
from latentlabels.annotation import Annotation, UniformPositive, WeightedPositive
from latentlabels.metrics import expected_f1_threshold, f1_at

METHODS = {"ours": "collapsed", "assume-negative": "assume-negative", "gr": "gr", "em": "em"}
CAP = 1e4  # ratio of the largest fitted weight to the smallest: a pick that never wanders would have an infinite one
CELL = 16  # pixels a side of a cell of a scene


@dataclass(frozen=True)
class Set:
    """Images with complete labels, to train and to measure on, and how large their objects are."""

    train: Any
    truth: NDArray[np.int8]
    areas: NDArray[np.float32] | None
    test: Any
    test_truth: NDArray[np.int8]
    space: LabelSpace
    settings: dict[str, Any]


def embeddings(folder: str) -> Set:
    """Of a folder, with all labels free."""
    data = load(folder, free=True)
    return Set(data.train, data.truth, None, data.test, data.test_truth, data.space, {"encoder": "embedding"})


def scenes(count: int, objects: str | None, folder: Path) -> Set:
    """Scenes with objects of very different sizes, and half as many to measure on."""
    source: str | Path = objects or digits(folder)
    names = {} if objects else {"names": [f"digit {k}" for k in range(10)]}
    parts = [
        mosaic_scenes(source, size, 0, split=split, size=CELL, resize=(0.6, 1.2), **names)
        for split, size in (("train", count), ("test", count // 2))
    ]
    train, test = parts
    settings = {"encoder": "tiny", "epochs": 20, "learning_rate": 3e-3}
    return Set(train.images, train.truth, train.areas, test.images, test.truth, train.space, settings)


def digits(folder: Path) -> Path:
    """The digits of scikit-learn as files of pictures of single objects; every fifth is for the test."""
    found = load_digits()
    pictures = np.kron((found.images * 15.9).astype(np.uint8), np.ones((1, 2, 2), np.uint8))
    test = np.arange(len(pictures)) % 5 == 0
    for begin, rows in (("train", ~test), ("t10k", test)):
        for name, array in (("images-idx3", pictures[rows]), ("labels-idx1", found.target[rows].astype(np.uint8))):
            head = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes()
            (folder / f"{begin}-{name}-ubyte").write_bytes(head + array.tobytes())
    return folder


def scores(data: Set, pick: str, seed: int) -> NDArray[np.float64]:
    """(N, K): the present label with the highest score is the known one."""
    shape = data.truth.shape
    if pick == "uniform":
        return np.random.default_rng(seed).random(shape)
    if pick == "largest":
        if data.areas is None:
            raise SystemExit('"largest" needs the sizes of objects: give --scenes')
        return data.areas.astype(np.float64)
    if pick == "rarest":
        return np.broadcast_to(-data.truth.mean(0), shape)
    return np.broadcast_to(-np.argsort(np.argsort(data.space.labels)).astype(float), shape)


def known(truth: NDArray[np.int8], score: NDArray[np.float64]) -> NDArray[np.int8]:
    """One present label of each image, that of the highest score; none of an image without a label."""
    best = np.where(truth == 1, score, -np.inf).argmax(1)
    observed = np.full(truth.shape, -1, np.int8)
    rows = truth.any(1)
    observed[rows, best[rows]] = 1
    return observed


def fitted_weights(truth: NDArray[np.int8], observed: NDArray[np.int8], steps: int = 500) -> NDArray[np.float64]:
    """The most likely weights of a weighted pick, from complete labels; at most `CAP` apart.

    By minorising and maximising, as for other models of choice (Hunter, "MM algorithms for generalized Bradley-Terry
    models", Annals of Statistics, 2004).
    """
    present, wins = truth.astype(float), (observed == 1).sum(0) + 0.5
    weights = np.ones(truth.shape[1])
    for _ in range(steps):
        total = (present @ weights).clip(1e-12)
        weights = (wins / (present / total[:, None]).sum(0).clip(1e-12)).clip(1e-12)
        weights = (weights / weights.max()).clip(1 / CAP)
    return weights


ASSUMPTIONS: dict[str, Callable[[Set, NDArray[np.int8]], Annotation]] = {
    "uniform": lambda data, observed: UniformPositive(),
    "weights": lambda data, observed: WeightedPositive(fitted_weights(data.truth, observed).tolist()),
}
"""What may be assumed of a pick, given the complete labels of the training images for those that need them."""


def fit(data: Set, observed: NDArray[np.int8], method: str, annotation: Annotation, seed: int) -> dict[str, float]:
    """One fit and its figures on the test part; no complete label is read but by the annotation."""
    model = LatentLabels(data.space, annotation, objective=METHODS[method], seed=seed, **data.settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(data.train, Observed.from_array(observed, data.space))
    posterior = model.posterior(data.test)
    own = expected_f1_threshold(posterior.marginals)
    return measure(posterior, data.test_truth, data.space) | {"F1 own": 100 * f1_at(data.test_truth, posterior.marginals, own)}


def rows_of(data: Set, picks: Sequence[str], methods: Sequence[str], assume: Sequence[str], seeds: Sequence[int]) -> None:
    """A table, a row at a time as it is measured."""
    columns = ("mAP", "nll", "ECE", "F1", "F1 own", "count")
    print(table([], ["known label", "method", "assumed", *columns]), flush=True)
    for pick in picks:
        drawn = {seed: known(data.truth, scores(data, pick, seed)) for seed in seeds}
        for method in methods:
            for name in assume if method == "ours" else ["-"]:
                how = ASSUMPTIONS["uniform" if name == "-" else name]
                found = [fit(data, drawn[seed], method, how(data, drawn[seed]), seed) for seed in seeds]
                cells = [pick, method, name, *(spread(found, key) for key in columns)]
                print("| " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?")
    parser.add_argument("--scenes", type=int, default=0)
    parser.add_argument("--objects", help="a folder of pictures of single objects, or of idx files")
    parser.add_argument("--picks", nargs="+", choices=["uniform", "largest", "rarest", "first"], default=["rarest", "first"])
    parser.add_argument("--assume", nargs="+", choices=list(ASSUMPTIONS), default=list(ASSUMPTIONS))
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    args = parser.parse_args()
    if bool(args.data) == bool(args.scenes):
        parser.error("give DATA, or --scenes COUNT")
    torch.set_num_threads(1)
    print(f"`{command()}`  \n{machine()}\n")
    with tempfile.TemporaryDirectory() as folder:
        data = embeddings(args.data) if args.data else scenes(args.scenes, args.objects, Path(folder))
    rows_of(data, args.picks, args.methods, args.assume, args.seeds)


if __name__ == "__main__":
    main()
