"""From pixels: a small network trained on rendered street scenes, objectives x settings x seeds, with the same epochs for all.

python benchmarks/pixels.py [--scenes 1500] [--size 48] [--epochs 12] [--seeds 0 1] [--methods collapsed collapsed:free em gr
    assume-negative] [--settings plain average average+cosine all] [--rate 3e-3] [--curve 500 1500 4500]

"collapsed:free" is ours without the declared groups, which no published loss reads: every label is free.

Each row is the mean over seeds; beside it, for every pair of objectives of one setting, and for every setting against "plain",
the mean difference of paired seeds with its standard error and the p of a paired t test. A seed draws other scenes, other
known labels, another split, another start. Every fit runs all its epochs and keeps the best by its own rule, which reads no
complete label: the likelihood of held-out known labels, or for losses that are none the mAP against them.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch
from common import command, machine, table
from scipy import stats

from latentlabels import LabelSpace, LatentLabels, render_scenes
from latentlabels.datasets.street_scenes import ToyScenes
from latentlabels.metrics import evaluate
from latentlabels.objectives import find

SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "average": {"average": 1.0},
    "cosine": {"schedule": "cosine"},
    "average+cosine": {"average": 1.0, "schedule": "cosine"},
    "strong": {"augment": "strong"},
    "consistency": {"consistency": 0.3},
    "all": {"average": 1.0, "schedule": "cosine", "augment": "strong", "consistency": 0.3},
    "all but strong": {"average": 1.0, "schedule": "cosine", "consistency": 0.3},
}
FIGURES = {"mAP": 2, "NLL": 3, "Brier x 100": 2, "ECE %": 2, "F1": 1}
Row = dict[str, float]


def objective_of(method: str) -> str:
    """The name of its objective."""
    return method.partition(":")[0]


def settings_of(name: str, method: str) -> dict[str, Any]:
    """A setting, without what the objective does not take."""
    chosen = dict(SETTINGS[name])
    if not find(objective_of(method)).takes_views:
        chosen.pop("consistency", None)
    return chosen


def fit(train: ToyScenes, test: ToyScenes, method: str, setting: str, args: Any, seed: int) -> Row:
    """One fit and its figures on new scenes."""
    started = time.process_time()
    objective = objective_of(method)
    space = LabelSpace.free(train.space.labels) if method.endswith(":free") else train.space
    model = LatentLabels(
        space,
        encoder="tiny",
        objective=objective,
        epochs=args.epochs,
        patience=args.epochs,
        learning_rate=args.rate,
        seed=seed,
        accelerator="cpu",
        image_size=args.size,
        **settings_of(setting, method),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(train.images, train.observed, train.truth if find(objective).needs_truth else None)
    seconds = time.process_time() - started
    q = model.posterior(test.images)
    found = evaluate(test.truth, q.marginals, q.log_prob(test.truth), q.count_probs(), train.space, predicted_by=q.space)
    return {
        "mAP": 100 * (found.map or 0.0),
        "NLL": np.nan if found.nll is None else found.nll,
        "Brier x 100": 100 * found.brier,
        "ECE %": 100 * found.calibration_error,
        "F1": 100 * found.f1,
        "epoch": float(model.diagnostics_["best_epoch"]),
        "seconds": seconds,
    }


def spread(rows: Sequence[Row], key: str, digits: int) -> str:
    """Mean and standard deviation over seeds."""
    values = np.array([row[key] for row in rows])
    return f"{values.mean():.{digits}f}" + (f" ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else "")


def difference(one: Sequence[Row], other: Sequence[Row], key: str, digits: int) -> str:
    """Mean and standard error of the difference of paired seeds, and p of a paired t test."""
    apart = np.array([a[key] - b[key] for a, b in zip(one, other, strict=True)])
    if len(apart) < 2 or apart.std() == 0:
        return f"{apart.mean():+.{digits}f}"
    error = apart.std(ddof=1) / len(apart) ** 0.5
    return f"{apart.mean():+.{digits}f} ± {error:.{digits}f} (p {stats.ttest_1samp(apart, 0).pvalue:.2g})"


def compared(found: dict[tuple[str, str], list[Row]], pairs: Sequence[tuple[tuple[str, str], tuple[str, str]]]) -> str:
    """A table of paired differences."""
    rows = [
        [" ".join(one), " ".join(other), *(difference(found[one], found[other], key, n) for key, n in FIGURES.items())]
        for one, other in pairs
    ]
    return table(rows, ["", "less", *FIGURES])


def run(args: Any, scenes: int, show: Callable[[str], None]) -> dict[tuple[str, str], list[Row]]:
    """All fits with a number of scenes, by method and setting; each in the order of the seeds."""
    found: dict[tuple[str, str], list[Row]] = {}
    for seed in args.seeds:
        train, test = (render_scenes(n, s, args.size) for n, s in ((scenes, 2 * seed), (args.test, 2 * seed + 1)))
        for method in args.methods:
            chosen = [settings_of(setting, method) for setting in args.settings]
            for number, setting in enumerate(args.settings):
                if chosen[number] in chosen[:number]:
                    continue  # what it adds does not go with this objective
                row = fit(train, test, method, setting, args, seed)
                found.setdefault((method, setting), []).append(row)
                show(f"{scenes} {seed} {method} {setting}: " + ", ".join(f"{key} {value:.3f}" for key, value in row.items()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=1500)
    parser.add_argument("--test", type=int, default=1000, help="scenes to measure on")
    parser.add_argument("--size", type=int, default=48, help="pixels")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--rate", type=float, default=3e-3, help="learning rate")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--methods", nargs="+", default=["collapsed", "collapsed:free", "em", "gr", "assume-negative"])
    parser.add_argument("--settings", nargs="+", default=["plain", "average", "average+cosine", "all"], choices=SETTINGS)
    parser.add_argument("--curve", nargs="+", type=int, help="numbers of scenes: how the figures change with them")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"`{command()}`  \n{machine()}\n", flush=True)
    for scenes in args.curve or [args.scenes]:
        found = run(args, scenes, lambda line: print(f"<!-- {line} -->", flush=True))
        print(f"\n{scenes} scenes of {args.size} px, {args.epochs} epochs, seeds {', '.join(map(str, args.seeds))}\n")
        rows = [
            [*key, *(spread(some, figure, digits) for figure, digits in FIGURES.items()), spread(some, "epoch", 1),
             f"{np.mean([row['seconds'] for row in some]):.0f}"]
            for key, some in found.items()
        ]  # fmt: skip
        print(table(rows, ["objective", "setting", *FIGURES, "best epoch", "s of CPU"]) + "\n")
        pairs = [
            ((one, setting), (other, setting))
            for setting in args.settings
            for one, other in combinations(args.methods, 2)
            if {(one, setting), (other, setting)} <= found.keys()
        ]
        pairs += [(key, (key[0], "plain")) for key in found if key[1] != "plain" and (key[0], "plain") in found]
        print(compared(found, pairs) + "\n", flush=True)


if __name__ == "__main__":
    main()
