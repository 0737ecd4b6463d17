"""What a prediction is worth that never looks at the image: each label's prevalence, worked out from known labels alone.

python benchmarks/without_image.py [DATA ...] [--free] [--expected N] [--demo] [--mosaic N]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import command, load, machine, table
from numpy.typing import NDArray

from latentlabels import LabelSpace, derive_prior, hide, mosaic_scenes, render_scenes
from latentlabels.annotation import UniformPositive
from latentlabels.metrics import Metrics, evaluate


def without_image(
    space: LabelSpace, observed: NDArray[np.int8], truth: NDArray[np.int8], expected: float | None = None
) -> Metrics:
    """The same distribution for every image: the one at which the head of a fit starts.

    Args:
        space: the label space.
        observed: (N, K) known labels of the training images, 1, 0 and -1.
        truth: (M, K) complete labels of the test images.
        expected: the stated number of present labels per image.
    """
    q = space.distribution(derive_prior(space, observed, UniformPositive(), expected).logits.double())

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
    parser.add_argument("data", nargs="*")
    parser.add_argument("--free", action="store_true", help="leave the groups out")
    parser.add_argument("--expected", type=float, help="state the number of labels per image")
    parser.add_argument("--demo", action="store_true", help="the scenes of the demo as well")
    parser.add_argument("--mosaic", type=int, metavar="N", help="N scenes of `bench --make mosaic` as well")
    parser.add_argument("--source", help="where the objects of the mosaics are, if not Debian's Fashion-MNIST")
    args = parser.parse_args()
    print(f"`{command()}`  \n{machine()}\n")
    rows = []
    for folder in args.data:
        data = load(folder, args.free)
        found = without_image(data.space, data.observed, data.test_truth, args.expected)
        rows.append(row(Path(folder).name, found))
    if args.demo:
        scenes, new = render_scenes(3000, seed=1, size=48), render_scenes(1000, seed=2, size=48)
        rows.append(row("demo", without_image(scenes.space, scenes.observed, new.truth)))
    if args.mosaic:
        train = mosaic_scenes(args.source, args.mosaic)
        test = mosaic_scenes(args.source, args.mosaic // 3, split="test")
        known = hide(train.truth, "uniform", train.space, seed=0).observed
        rows.append(row("mosaic", without_image(train.space, known, test.truth)))
    print(table(rows, ["data", "mAP", "NLL", "Brier", "ECE", "F1", "count error", "groups"]))


if __name__ == "__main__":
    main()
