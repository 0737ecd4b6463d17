"""Is the verdict honest? What it says of fits that are known to be good or spoilt, beside what complete test labels say.

Each data set is spoilt in several ways. The verdict is taken without complete images, with 100 of them, and with all.

python benchmarks/verdict.py DATA/photos:8:5000 DATA/products:0:2000 [--scenes N ...] [--mosaics N --source DIR] [--seed 1]

DATA:K:N is N images with K of the labels, as free ones; K = 0 keeps all labels and their groups.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from common import Data, command, load, machine, table
from numpy.typing import NDArray

from latentlabels import LabelSpace, LatentLabels, Observed, hide, mosaic_scenes, render_scenes
from latentlabels.checks import verdict_of
from latentlabels.checks.prevalence_baseline import evaluation_document

SPOILT = {
    "complete labels for training": "full",
    "known labels as they are": "good",
    "25 % of the known labels shuffled": "25",
    "50 % shuffled": "50",
    "75 % shuffled": "75",
    "all shuffled": "100",
    "features replaced by noise": "noise",
    "the same features for every image": "blind",
    "known labels that the image does not show": "inverted",
    "the most frequent label picked wherever it is present": "dominant",
    "one epoch": "epoch",
    "test images unlike the training ones": "shift",
    "unknown labels taken as absent": "absent",
}
SIZES = (0, 100, 10**9)  # complete images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*")
    parser.add_argument("--scenes", nargs="*", type=int, default=[], help="numbers of rendered scenes")
    parser.add_argument("--mosaics", nargs="*", type=int, default=[], help="numbers of mosaic scenes")
    parser.add_argument("--source", help="where the objects of the mosaics are, if not Debian's Fashion-MNIST")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    found: dict[str, list[tuple[list[str], dict[str, Any]]]] = defaultdict(list)
    for name, data in sets(args):
        for what, how in SPOILT.items():
            levels, figures = judged(data, how, args.seed)
            found[what].append((levels, figures))
            print(name, what, *levels, flush=True)
    print(f"\n`{command()}`  \n{machine()}\n")
    head = ["fit", "without complete images", "with 100", "with all", "mAP skill", "Brier skill", "macro-F1"]
    print(table([row(what, rows) for what, rows in found.items()], head))


def sets(args: argparse.Namespace) -> Iterator[tuple[str, Data]]:
    """The data sets, with one known label per image, drawn uniformly."""
    for given in args.data:
        folder, labels, number = given.rsplit(":", 2)
        yield given, some_of(load(folder), int(labels), int(number), args.seed)
    for number in args.scenes:
        train, test = (render_scenes(n, seed=seed, size=64) for n, seed in ((number, 11), (600, 12)))
        yield f"scenes {number}", embedded(train.images, train.truth, test.images, test.truth, train.space, args.seed)
    for number in args.mosaics:
        first = mosaic_scenes(args.source, number, seed=3, size=40)
        second = mosaic_scenes(args.source, 600, seed=3, size=40, split="test")
        space = first.space
        yield f"mosaics {number}", embedded(first.images, first.truth, second.images, second.truth, space, args.seed)


def some_of(data: Data, labels: int, number: int, seed: int) -> Data:
    """Some images that show one of some labels, hidden again."""
    rng = np.random.default_rng(100 + seed)
    space = data.space
    if labels:
        space = LabelSpace.free([space.labels[k] for k in rng.permutation(space.num_labels)[:labels]])
    columns = [data.space.labels.index(label) for label in space.labels]
    truth = data.truth[:, columns]
    rows = np.sort(rng.permutation(np.flatnonzero(truth.any(1)))[:number])
    observed = hide(truth[rows], "uniform", space, seed).observed
    return Data(data.train[rows], observed, truth[rows], data.test, data.test_truth[:, columns], space)


def embedded(
    images: NDArray[np.uint8], truth: NDArray[np.int8], test: NDArray[np.uint8], test_truth: NDArray[np.int8],
    space: LabelSpace, seed: int,
) -> Data:  # fmt: skip
    """Pictures as features of the encoder lite0."""
    observed = hide(truth, "uniform", space, seed).observed
    model = LatentLabels(space, encoder="lite0", epochs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(images, Observed.from_array(observed, space))
    return Data(model.features(images), observed, truth, model.features(test), test_truth, space)


def judged(data: Data, how: str, seed: int) -> tuple[list[str], dict[str, Any]]:
    """The verdict's level for each number of complete images, and the figures on all of them."""
    x, observed, test, settings = spoil(data, how, np.random.default_rng(1000 + seed))
    model = LatentLabels(data.space, encoder="embedding", seed=seed, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x, Observed.from_array(observed, data.space), truth=data.truth if how == "full" else None)
    order, levels, figures = np.random.default_rng(seed).permutation(len(test)), [], {}
    for size in SIZES:
        rows = order[:size]
        if len(rows):
            metrics = model.posterior(test[rows]).evaluate(data.test_truth[rows], data.space)
            document = evaluation_document(metrics, model.diagnostics_, data.space, data.test_truth[rows])
            figures = json.loads(json.dumps(document, default=float))
        levels.append(verdict_of(model.diagnostics_, figures or None, model.history_).level.value)
    return levels, figures


def spoil(data: Data, how: str, rng: np.random.Generator) -> tuple[Any, NDArray[np.int8], Any, dict[str, Any]]:
    """Training features, known labels, test features and settings of a fit."""
    x, test, observed = data.train, data.test, data.observed.copy()
    settings: dict[str, Any] = {}
    if how.isdigit():
        rows = np.flatnonzero(rng.random(len(observed)) < int(how) / 100)
        observed[rows] = observed[rng.permutation(rows)]
    elif how in ("noise", "blind"):
        start, width = (0.0, float(x.std())) if how == "noise" else (1.0, 1e-3)
        x, test = ((start + width * rng.standard_normal(one.shape)).astype(np.float32) for one in (x, test))
    elif how == "dominant":
        label = data.truth.mean(0).argmax()
        shown = data.truth[:, label] == 1
        observed[shown] = -1
        observed[shown, label] = 1
    elif how == "inverted":
        observed[:] = -1
        observed[np.arange(len(observed)), np.where(data.truth == 0, rng.random(observed.shape), -1).argmax(1)] = 1
    elif how == "shift":
        test = (0.5 * test + 0.7 * test.std(0) * rng.standard_normal(test.shape)).astype(np.float32)
    settings |= {"epoch": {"epochs": 1}, "full": {"objective": "full-labels"}}.get(how, {})
    settings |= {"objective": "assume-negative"} if how == "absent" else {}
    return x, observed, test, settings


def row(what: str, found: Sequence[tuple[list[str], dict[str, Any]]]) -> list[str]:
    """A line of the table: how many fits have each level, and the range of the figures."""
    said = []
    for place in range(len(SIZES)):
        counts = Counter(levels[place] for levels, _ in found)
        said.append(", ".join(f"{counts[one]} {one}" for one in ("strong", "fair", "weak", "unknown") if counts[one]))
    for key in ("ranking_skill", "brier_skill", "macro_f1"):
        values = [figures[key] for _, figures in found]
        said.append(f"{min(values):.2f} to {max(values):.2f}".replace("-", "−"))
    return [what, *said]


if __name__ == "__main__":
    main()
