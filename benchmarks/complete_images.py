"""What complete images tell: known labels picked with unequal weights, and how much of the way to knowing the weights is made.

    python benchmarks/complete_images.py FOLDER [--draws 5] [--complete 100,300] [--pick unequal|uniform] [--free]

FOLDER has ``embeddings_train.npz`` and ``embeddings_val.npz`` as in `common.load`. Each draw has weights exp(1.5 z), z normal,
picks of its own, a random sample of complete images, and a seed. Oracles are told the weights.
"""

from __future__ import annotations

import argparse
import warnings
from typing import Any

import numpy as np
from common import Data, command, load, machine, measure, table
from numpy.typing import NDArray

from latentlabels import LatentLabels, Observed, annotation

SHOWN = ("mAP", "nll", "F1", "ECE", "count")


def picked(truth: NDArray[np.int8], weights: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int8]:
    """One present label of each image, in proportion to the weights; nothing of an image without labels."""
    share = truth * weights
    total = share.sum(1, keepdims=True)
    column = (share.cumsum(1) > rng.random((len(truth), 1)) * total).argmax(1)
    known = np.full(truth.shape, -1, np.int8)
    known[np.arange(len(truth)), column] = np.where(total[:, 0] > 0, 1, -1)
    return known


def figures(data: Data, known: NDArray[np.int8], how: annotation.Annotation, seed: int, **settings: Any) -> dict[str, float]:
    """Of one fit, on the test part."""
    model = LatentLabels(data.space, how, "embedding", learning_rate=3e-4, seed=seed, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(data.train, Observed.from_array(known, data.space))
    return measure(model.posterior(data.test), data.test_truth, data.space)


def main() -> None:
    """Print a line for each fit, and a table of means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="number of the first draw")
    parser.add_argument("--complete", default="100,300")
    parser.add_argument("--pick", choices=("unequal", "uniform"), default="unequal")
    parser.add_argument("--free", action="store_true", help="leave the groups out")
    given = parser.parse_args()
    data, sizes = load(given.folder, free=given.free), [int(one) for one in given.complete.split(",")]
    found: dict[str, list[dict[str, float]]] = {}
    for draw in range(given.first, given.first + given.draws):
        rng = np.random.default_rng(100 + draw)
        spread = 1.5 if given.pick == "unequal" else 0.0
        weights = np.exp(spread * rng.standard_normal(data.space.num_labels))
        known, order = picked(data.truth, weights, rng), rng.permutation(len(data.truth))
        uniform, true = annotation.UniformPositive(), annotation.WeightedPositive(weights)
        runs: list[tuple[str, annotation.Annotation, int]] = [("uniform assumed", uniform, 0), ("weights given", true, 0)]
        for size in sizes:
            runs += [("uniform assumed", uniform, size), ("weights learned", annotation.WeightedPositive("learn"), size)]
        for name, how, size in runs:
            rows = known.copy()
            rows[order[:size]] = data.truth[order[:size]]
            one = figures(data, rows, how, draw)
            found.setdefault(f"{name}, {size} complete" if size else name, []).append(one)
            print(draw, name, size, {key: round(one[key], 3) for key in SHOWN}, flush=True)
    means = {name: {key: float(np.mean([one[key] for one in rows])) for key in SHOWN} for name, rows in found.items()}
    start, goal = means["uniform assumed"], means["weights given"]
    print(f"\n`{command()}`, {machine()}, {given.draws} draws\n")
    rows_ = []
    for name, row in means.items():
        gaps = [(start[key] - row[key], start[key] - goal[key]) for key in ("nll", "mAP")]
        made = [f"{100 * made / whole:.0f}" if whole else "-" for made, whole in gaps]
        rows_.append((name, *(f"{row[key]:.3f}" if key == "nll" else f"{row[key]:.1f}" for key in SHOWN), *made))
    print(table(rows_, ("", *SHOWN, "way made, nll %", "way made, mAP %")))


if __name__ == "__main__":
    main()
