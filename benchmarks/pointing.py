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
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from common import command, machine, table
from numpy.typing import NDArray
from torch import Tensor, nn

from latentlabels import LatentLabels, Observed
from latentlabels.datasets.street_scenes import ToyScenes, render_scenes
from latentlabels.encoders import Frozen, RegionFeatures

OBJECTS = ("car", "bike", "bus", "truck", "ball", "box", "cone")
KINDS = {
    "vehicle or shape": OBJECTS,
    "its colour, doors, stripes": ("red", "yellow", "green", "blue", "purple", "white", "2-doors", "4-doors", "striped"),
    "tree": ("tree",),
    "smoke": ("smoke",),
}


def grad_cam(model: LatentLabels, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Grad-CAM of every label: (N, K, h, w), not negative. Each image passes through the network once."""
    amortizer = deepcopy(model.model.amortizer).eval().requires_grad_(False)
    encoder, head = amortizer.encoder, amortizer.head
    network = encoder.module if isinstance(encoder, Frozen) else encoder
    scale = encoder.standardize if isinstance(encoder, Frozen) else nn.Identity()
    plain = not isinstance(network, RegionFeatures)
    if plain:
        network = RegionFeatures(network, head.in_features, images.shape[2:], str(model.encoder))

    def begin(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        return output.detach().requires_grad_()  # what follows depends on it, what came before is no matter

    network.network.get_submodule(network.tap.part).register_forward_hook(begin, prepend=True)
    found = []
    for part in torch.from_numpy(images).split(32):
        pooled, maps = network.both(part.float() / 255)
        logits = head(scale(pooled if plain else network.row(pooled, maps)))
        each = []
        for label in amortizer.space.labels:
            own = logits[:, amortizer.space.logit_index(label)].sum()
            (gradient,) = torch.autograd.grad(own, maps, retain_graph=True)
            each.append((gradient.mean((-2, -1), keepdim=True) * maps).sum(1).relu().detach())
        found.append(torch.stack(each, 1).numpy())
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
            cams, column = grad_cam(model, images), model.space_.index
            found.setdefault(name, []).append(pointing(test, lambda rows, label, c=cams, k=column: c[rows, k(label)]))
    rows = []
    for name, runs in found.items():
        values = {kind: 100 * np.array([run[kind][0] for run in runs]) for kind in KINDS}
        rows.append([name, *(f"{v.mean():.1f} ± {v.std(ddof=min(1, len(v) - 1)):.1f}" for v in values.values())])
    chance = [f"{100 * np.mean([run[kind][1] for run in found['where']]):.1f}" for kind in KINDS]
    print(table([*rows, ["chance", *chance]], ["points at, %", *KINDS]))


if __name__ == "__main__":
    main()
