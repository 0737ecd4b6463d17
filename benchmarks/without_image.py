"""What a prediction is worth that never looks at the image: each label's prevalence, worked out from known labels alone.

python benchmarks/without_image.py DATA [DATA ...] [--free]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import command, load, machine, table
from numpy.typing import NDArray

from latentlabels import LabelSpace, derive_prior
from latentlabels.annotation import UniformPositive
from latentlabels.metrics import Metrics, evaluate


def without_image(space: LabelSpace, observed: NDArray[np.int8], truth: NDArray[np.int8]) -> Metrics:
    """The same distribution for every image: the one at which the head of a fit starts.

    Args:
        space: the label space.
        observed: (N, K) known labels of the training images, 1, 0 and -1.
        truth: (M, K) complete labels of the test images.
    """
    q = space.distribution(derive_prior(space, observed, UniformPositive()).logits.double())

    def for_each(value: torch.Tensor) -> NDArray[Any]:
        return np.broadcast_to(value.numpy(), (len(truth), *value.shape))

    log_prob = q.expand([len(truth)]).log_prob(torch.from_numpy(truth).double()).numpy()
    return evaluate(truth, for_each(q.marginals), log_prob, for_each(q.count_probs()), space)


def row(name: str, found: Metrics) -> list[str]:
    """A line of the table, percentages but for nll and the count error; Brier scores times 100."""
    share = "-" if found.group_accuracy is None else f"{100 * found.group_accuracy:.1f}"
    assert found.map is not None
    assert found.nll is not None
    return [
        name, f"{100 * found.map:.1f}", f"{found.nll:.2f}", f"{100 * found.brier:.2f}",
        f"{100 * found.calibration_error:.1f}", f"{100 * found.f1:.1f}", f"{found.count_error:.2f}", share,
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--free", action="store_true", help="leave the groups out")
    args = parser.parse_args()
    print(f"`{command()}`  \n{machine()}\n")
    rows = []
    for folder in args.data:
        data = load(folder, args.free)
        rows.append(row(Path(folder).name, without_image(data.space, data.observed, data.test_truth)))
    print(table(rows, ["data", "mAP", "NLL", "Brier", "ECE", "F1", "count error", "groups"]))


if __name__ == "__main__":
    main()
