"""Accuracy on embeddings, by objective, over seeds.

    python benchmarks/accuracy.py DATA [--objectives collapsed assume-negative ...] [--seeds 0 1 2 3 4]
        [--learning-rates 3e-4 1e-3 3e-3] [--free] [--log FILE]

DATA holds embeddings_train.npz and embeddings_val.npz, and labels.yaml if there are groups. Same embeddings,
same linear head, same prior initialisation for all. `collapsed` is fitted with the package's defaults; with
--learning-rates every other objective is fitted with each of them, and two choices are shown: by its own
stopping rule, mAP against held-out known labels (honest), and by mAP on the test part (generous to it).
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from common import command, fit, load, machine, record, spread, table

COLUMNS = ("mAP", "nll", "F1", "ECE", "groups", "count", "epochs", "seconds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--objectives", nargs="+", default=["assume-negative", "collapsed", "full-labels"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--learning-rates", nargs="+", type=float, default=None)
    parser.add_argument("--free", action="store_true", help="leave the groups out")
    parser.add_argument("--log", help="append every fit to this file of JSON lines")
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = load(args.data, args.free)
    print(f"`{command()}`  \n{machine()}; {len(data.train)} training images, {len(data.test)} test images, {data.space}\n")
    rows: list[list[str]] = []
    for objective in args.objectives:
        rates = [1e-3] if objective == "collapsed" or not args.learning_rates else args.learning_rates
        by_rate: dict[float, list[dict[str, float]]] = {}
        for rate in rates:
            for seed in args.seeds:
                model, figures = fit(data, objective=objective, learning_rate=rate, seed=seed)
                score = max(row["score"] for row in model.history_ if row["score"] is not None)
                figures["score"] = score
                record(args.log, {"objective": objective, "learning_rate": rate, "seed": seed, **figures})
                by_rate.setdefault(rate, []).append(figures)
        honest = max(by_rate, key=lambda rate: np.mean([row["score"] for row in by_rate[rate]]))
        generous = max(by_rate, key=lambda rate: np.mean([row["mAP"] for row in by_rate[rate]]))
        for rate, how in {honest: "own rule", generous: "best by test mAP"}.items() if len(rates) > 1 else [(rates[0], "")]:
            name = f"{objective}, learning rate {rate:g}" + (
                f" ({how if honest != generous else 'best by both'})" if how else ""
            )
            rows.append([name, *(spread(by_rate[rate], key) for key in COLUMNS)])
    true = float(data.test_truth.sum(1).mean())
    print(table(rows, ["objective", "mAP", "NLL", "F1", "ECE %", "groups %", f"count (true {true:.2f})", "epochs", "seconds"]))


if __name__ == "__main__":
    main()
