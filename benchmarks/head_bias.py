"""How fast the head's bias should learn: figures by its learning rate, in units of that of the weights.

python benchmarks/head_bias.py DATA [--rates 1 3 10 30] [--seeds 0 1 2]
"""

from __future__ import annotations

import argparse

import torch
from common import command, fit, load, machine, spread, table

from latentlabels.fitting import LabelModule


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--rates", nargs="+", type=float, default=[1, 3, 10, 30])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = load(args.data)
    print(f"`{command()}`  \n{machine()}\n")
    rows = []
    for rate in args.rates:
        LabelModule.bias_rate = rate
        found = [fit(data, seed=seed)[1] for seed in args.seeds]
        rows.append([f"{rate:g}", *(spread(found, key) for key in ("mAP", "nll", "F1", "ECE", "count"))])
    print(table(rows, ["bias rate", "mAP", "NLL", "F1", "ECE %", f"count (true {data.test_truth.sum(1).mean():.2f})"]))


if __name__ == "__main__":
    main()
