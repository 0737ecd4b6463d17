"""What labels' names are worth: 1, 5 and 50 images of each label, without names, with names, and zero-shot.

python benchmarks/names.py TRAIN TEST TRUTH [--encoder open_clip:ViT-B-32] [--weights DEFAULT] [--per-label 1 5 50]
                           [--seeds 0 1 2] [--prompt "a photo of {}" ...]

TRAIN has one folder of images for each label, TEST is a folder of images, TRUTH a table of all their labels. Zero-shot is the
model before its first step: names, a scale, and a bias by the number of known labels; no image is learned from.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import torch
from common import command, machine, measure, spread, table

from latentlabels import LabelSpace, LatentLabels, Observed


def few(train: Path, labels: tuple[str, ...], per_label: int, seed: int) -> tuple[list[Path], np.ndarray]:
    """So many images of each label's folder, drawn at random, or all where there are fewer; and what is known of them."""
    rng = np.random.default_rng(seed)
    files, known = [], []
    for column, label in enumerate(labels):
        found = sorted(path for path in (train / label).iterdir() if path.is_file())
        drawn = rng.choice(len(found), min(per_label, len(found)), replace=False)
        files += [found[number] for number in drawn]
        known += [column] * len(drawn)
    observed = np.full((len(files), len(labels)), -1, np.int8)
    observed[np.arange(len(files)), known] = 1
    return files, observed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--encoder", default="open_clip:ViT-B-32")
    parser.add_argument("--weights", default="DEFAULT")
    parser.add_argument("--per-label", nargs="+", type=int, default=[1, 5, 50])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--prompt", nargs="+", help="texts with {} for the label")
    args = parser.parse_args()
    labels = tuple(sorted(path.name for path in args.train.iterdir() if path.is_dir()))
    space = LabelSpace.free(labels)
    truth = Observed.from_table(args.truth, unlisted="absent").in_space(space)
    print(f"`{command()}`  \n{machine()}\n")
    warnings.simplefilter("ignore")  # of labels with few images, which is what is measured
    test, rows = None, []
    for per_label in args.per_label:
        found: dict[str, list[dict[str, float]]] = {"without names": [], "with names": [], "zero-shot": []}
        for seed in args.seeds:
            files, observed = few(args.train, labels, per_label, seed)
            for name, figures in found.items():
                names = name != "without names"
                model = LatentLabels(
                    space, encoder=args.encoder, weights=args.weights, frozen=True, seed=seed, names=names,
                    prompts=args.prompt if names else None,
                )  # fmt: skip
                known = Observed.from_array(observed, space)
                model = model.prepare(files, known) if name == "zero-shot" else model.fit(files, known)
                test = model.read(args.test, truth=truth) if test is None else test
                with torch.no_grad():
                    figures.append(measure(model.posterior(test), test.truth, space))
        for key in ("mAP", "nll"):
            rows.append([f"{per_label}", "NLL" if key == "nll" else key, *(spread(figures, key) for figures in found.values())])
    print(table(rows, ["images of each label", "figure", *found]))


if __name__ == "__main__":
    main()
