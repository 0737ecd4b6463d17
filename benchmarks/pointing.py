"""Does the heat map point at the object? On toy scenes, whose boxes are known, beside Grad-CAM and chance.

    python benchmarks/pointing.py [--encoder lite0] [--size 224] [--seeds 3] [--train 2000] [--test 300]

A heat map points at a label if the middle of its most probable place lies in the label's box (the pointing game of Zhang et
al., "Top-down neural attention by excitation backprop", IJCV 2018, without its tolerance). Only labels that are present and
have a box count. Chance is the share of the places whose middle lies in the box. One label of each training scene is known.

Grad-CAM (Selvaraju et al., ICCV 2017): the maps of the last layer, weighted by the mean gradient of the label's logit, what is
negative left out; on the network with regions, and on one without.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from common import command, machine, table
from numpy.typing import NDArray

from latentlabels import LatentLabels, Observed
from latentlabels.datasets.street_scenes import ToyScenes, render_scenes
from latentlabels.encoders import Frozen, RegionFeatures, Standardize

OBJECTS = ("car", "bike", "bus", "truck", "ball", "box", "cone")
KINDS = {
    "vehicle or shape": OBJECTS,
    "its colour, doors, stripes": ("red", "yellow", "green", "blue", "purple", "white", "2-doors", "4-doors", "striped"),
    "tree": ("tree",),
    "smoke": ("smoke",),
}


def grad_cam(model: LatentLabels, images: NDArray[np.uint8], label: str) -> NDArray[np.float32]:
    """Grad-CAM of a label: (N, h, w), not negative."""
    amortizer = model.model.amortizer.eval()
    encoder, row = amortizer.encoder, amortizer.space.logit_index(label)
    network = encoder.module if isinstance(encoder, Frozen) else encoder
    scale = encoder.standardize if isinstance(encoder, Frozen) else torch.nn.Identity()
    assert not isinstance(scale, Standardize) or scale.mean.numel() == amortizer.head.in_features
    if not isinstance(network, RegionFeatures):
        network = RegionFeatures(network, amortizer.head.in_features, images.shape[2:], str(model.encoder))
        plain = True
    else:
        plain = False
    found = []
    for part in torch.from_numpy(images).split(32):
        pixels = (part.float() / 255).requires_grad_()
        pooled, maps = network.both(pixels)
        logits = amortizer.head(scale(pooled if plain else network.row(pooled, maps)))
        (gradient,) = torch.autograd.grad(logits[:, row].sum(), maps)
        weights = gradient.mean((-2, -1), keepdim=True)
        found.append((weights * maps).sum(1).relu().detach().numpy())
    return np.concatenate(found)


def middles(shape: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """x and y of the middles of all places, as shares of the picture: (h * w,) each."""
    y, x = np.meshgrid(*((np.arange(number) + 0.5) / number for number in shape), indexing="ij")
    return x.ravel(), y.ravel()


def points_at(heat: NDArray[Any], boxes: NDArray[Any]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Whether each heat map's largest place lies in its box, and the chance that a random place does: (N,) each."""
    x, y = middles(heat.shape[1:])
    left, top, right, bottom = (side[:, None] for side in boxes.T)
    inside = (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
    largest = heat.reshape(len(heat), -1).argmax(1)
    return inside[np.arange(len(heat)), largest], inside.mean(1)


def pointing(scenes: ToyScenes, heat_of: Callable[[NDArray[np.int64], str], NDArray[Any]]) -> dict[str, tuple[float, float]]:
    """For each kind of label the share of heat maps that point at it, and chance."""
    assert scenes.boxes is not None
    out = {}
    for kind, labels in KINDS.items():
        hits, chances = [], []
        for label in labels:
            boxes = scenes.boxes[:, scenes.space.index(label)]
            rows = np.flatnonzero(np.isfinite(boxes).all(1))
            if len(rows):
                hit, chance = points_at(heat_of(rows, label), boxes[rows])
                hits.append(hit)
                chances.append(chance)
        out[kind] = float(np.concatenate(hits).mean()), float(np.concatenate(chances).mean())
    return out


def fitted(scenes: ToyScenes, encoder: str, regions: bool, seed: int, epochs: int) -> LatentLabels:
    """A fit on one known label for each scene; an encoder with published weights stays frozen."""
    published = {"weights": "DEFAULT", "frozen": True} if encoder != "tiny" else {}
    model = LatentLabels(
        scenes.space, encoder=encoder, regions=regions, seed=seed, epochs=epochs, accelerator="cpu", cache="none", **published
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(scenes.images, Observed.from_array(scenes.observed, scenes.space))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="lite0")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--train", type=int, default=2000)
    parser.add_argument("--test", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=50)
    given = parser.parse_args()
    print(f"{command()}\n{machine()}\n")
    found: dict[str, list[dict[str, tuple[float, float]]]] = {}
    for seed in range(given.seeds):
        scenes = render_scenes(given.train, 2 * seed, given.size)
        test = render_scenes(given.test, 2 * seed + 1, given.size)
        for regions in (True, False):
            model = fitted(scenes, given.encoder, regions, seed, given.epochs)
            images = test.images
            quality = 100 * (model.posterior(images).evaluate(test.truth).map or 0)
            print(f"seed {seed}, regions {regions}: mAP {quality:.1f}, {len(model.history_)} epochs", flush=True)
            if regions:
                posterior = model.posterior(images)
                ours = pointing(test, lambda rows, label, p=posterior: p[rows].where(label))
                found.setdefault("where", []).append(ours)
            name = f"Grad-CAM, {'the same network' if regions else 'without regions'}"
            found.setdefault(name, []).append(
                pointing(test, lambda rows, label, m=model, x=images: grad_cam(m, x[rows], label))
            )
    rows = []
    for name, runs in found.items():
        values = {kind: 100 * np.array([run[kind][0] for run in runs]) for kind in KINDS}
        rows.append([name, *(f"{v.mean():.1f} ± {v.std(ddof=min(1, len(v) - 1)):.1f}" for v in values.values())])
    chance = [f"{100 * np.mean([run[kind][1] for run in found['where']]):.1f}" for kind in KINDS]
    print(table([*rows, ["chance", *chance]], ["points at, %", *KINDS]))


if __name__ == "__main__":
    main()
