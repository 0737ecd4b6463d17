"""Thresholds, calibration and sets: F1 at 0.5, at the threshold of the highest expected F1 and at the best possible one.

And what complete images that the fit did not use add.

python benchmarks/decisions.py DATA [--free] [--unequal] [--complete 100] [--seeds 0 1]
"""

from __future__ import annotations

import argparse
import dataclasses
import time

import numpy as np
from common import Data, command, fit, load, machine, measure, spread, table

from latentlabels import LatentLabels
from latentlabels.decisions import empirical_thresholds


def picked(data: Data, seed: int) -> Data:
    """One known label for each image, picked from its true ones with weights between 0.08 and 28."""
    rng = np.random.default_rng(1000 + seed)
    weights = np.exp(rng.uniform(np.log(0.08), np.log(28), data.truth.shape[1]))
    keys = np.where(data.truth == 1, rng.exponential(size=data.truth.shape) / weights, np.inf)
    observed = np.full_like(data.observed, -1)
    rows = np.flatnonzero(data.truth.any(1))
    observed[rows, keys[rows].argmin(1)] = 1
    return dataclasses.replace(data, observed=observed)


def f1(decided: np.ndarray, truth: np.ndarray) -> float:
    return 100 * 2 * float((decided * truth).sum()) / float(decided.sum() + truth.sum())


def figures(model: LatentLabels, data: Data) -> dict[str, float]:
    posterior = model.posterior(data.test)
    found = measure(posterior, data.test_truth, data.space)
    y, p = data.test_truth, posterior.marginals
    found["F1 expected"] = f1(model.predict(data.test), y)
    found["F1 best"] = 100 * empirical_thresholds(p, y).overall
    found["macro 0.5"] = 100 * float(np.nanmean(_by_label(p >= 0.5, y)))
    found["macro expected"] = 100 * float(np.nanmean(_by_label(model.predict(data.test, "macro-f1"), y)))
    found["threshold"] = float(model.thresholds_[0])
    return found


def _by_label(decided: np.ndarray, truth: np.ndarray) -> np.ndarray:
    shown = truth.any(0)
    return (2 * (decided * truth).sum(0) / np.maximum(decided.sum(0) + truth.sum(0), 1))[shown]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--free", action="store_true", help="leave the groups out")
    parser.add_argument("--unequal", action="store_true", help="known labels picked with unequal weights")
    parser.add_argument("--complete", type=int, default=100)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--objectives", nargs="+", default=["collapsed"])
    args = parser.parse_args()
    whole = load(args.data, args.free)
    print(f"`{command()}`  \n{machine()}\n")
    rows, sets = [], []
    for objective in args.objectives:
        before, after, found = [], [], []
        for seed in args.seeds:
            data = picked(whole, seed) if args.unequal else whole
            order = np.random.default_rng(seed).permutation(len(data.train))
            chosen, kept = order[: args.complete], np.sort(order[args.complete :])
            part = dataclasses.replace(data, train=data.train[kept], observed=data.observed[kept], truth=data.truth[kept])
            model, _ = fit(part, seed=seed, objective=objective)
            before.append(figures(model, data))
            started = time.perf_counter()
            model.calibrate(data.train[chosen], data.truth[chosen])
            seconds = time.perf_counter() - started
            after.append(figures(model, data))
            posterior = model.posterior(data.test)
            joint = posterior.sets(0.9)
            covered = (joint >= data.test_truth).all(1).mean()
            calibration = model.decisions_.calibration
            assert calibration is not None
            found.append(
                {
                    "covered": 100 * float(covered),
                    "size": float(joint.sum(1).mean()),
                    "seconds": seconds,
                    "T": calibration.temperature,
                    "said": calibration.before - calibration.after,
                    "is": before[-1]["nll"] - after[-1]["nll"],
                }
            )
        keys = ("nll", "ECE", "F1", "F1 expected", "F1 best", "macro 0.5", "macro expected", "threshold", "count")
        rows += [
            [f"{objective}{name}", *(spread(part, key) for key in keys)]
            for name, part in (("", before), (f", {args.complete} complete", after))
        ]
        sets.append([objective, *(spread(found, key) for key in ("T", "said", "is", "covered", "size", "seconds"))])
    count = f"labels (true {whole.test_truth.sum(1).mean():.2f})"
    header = ["fit", "NLL", "ECE %", "F1 at 0.5", "expected", "best", "macro F1 at 0.5", "expected", "threshold", count]
    print(table(rows, header) + "\n")
    print(table(sets, ["fit", "T", "gain left out", "gain on test", "covered by joint sets of 90 %", "set size", "seconds"]))


if __name__ == "__main__":
    main()
