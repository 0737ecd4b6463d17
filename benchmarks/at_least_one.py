"""What it is worth that an image has a label: figures with and without, by the weight of the scale prior and of the empty set.

python benchmarks/at_least_one.py DATA [--weights 0 0.25 0.5] [--odds 0 0.05 0.2] [--seeds 0 1 2 3 4] [--free]
"""

from __future__ import annotations

import argparse

import torch
from common import command, fit, load, machine, spread, table

from latentlabels.fitting import build
from latentlabels.program import model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--weights", nargs="+", type=float, default=[0, 0.25, 0.5])
    parser.add_argument("--odds", nargs="+", type=float, default=[0, 0.05, 0.2])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--free", action="store_true", help="leave the groups out")
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = load(args.data, args.free)
    print(f"`{command()}`  \n{machine()}\n")
    weight, odds = build.SCALE_PRIOR, model.EMPTY_ODDS
    settings = [(None, odds)] + [(value, odds) for value in args.weights] + [(weight, value) for value in args.odds]
    rows = []
    for scale, empty in dict.fromkeys(settings):
        build.SCALE_PRIOR, model.EMPTY_ODDS = scale or 0.0, empty
        found = [fit(data, seed=seed, at_least_one=None if scale is not None else False)[1] for seed in args.seeds]
        name = ["no", "-", "-"] if scale is None else ["yes", f"{scale:g}", f"{empty:g}"]
        rows.append([*name, *(spread(found, key) for key in ("mAP", "nll", "F1", "ECE", "count"))])
    count = f"count (true {data.test_truth.sum(1).mean():.2f})"
    print(table(rows, ["at least one", "scale prior", "empty set", "mAP", "NLL", "F1", "ECE %", count]))


if __name__ == "__main__":
    main()
