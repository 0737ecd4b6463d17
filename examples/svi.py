"""Fit a folder of photos by SVI, one folder for each label, and label new photos.

    python svi.py photos new-photos labels.yaml

photos/blue/1.jpg is known to show "blue"; its other labels are unknown, not absent.
A labels.yaml says which labels exclude each other; without one, none do.
"""

import copy
import sys
from pathlib import Path

import pyro
import torch
from PIL import Image, ImageOps
from torchvision.transforms.functional import resize, to_tensor

import latentlabels as ll


def read(files, size):
    photos = (ImageOps.exif_transpose(Image.open(f)).convert("RGB") for f in files)
    return torch.stack([to_tensor(resize(photo, [size, size])) for photo in photos])


def main(photos, new, labels=None, size=64, epochs=30):
    torch.manual_seed(0)
    space = None if labels is None else ll.LabelSpace.read(labels)
    table = ll.Observed.from_folder(photos, space)
    images = read([Path(photos, name) for name in table.images], size)
    known, how = table.to_tensor(), ll.annotation.UniformPositive()

    net = ll.Amortizer(table.space, ll.TinyCNN(), ll.TinyCNN.num_features)
    net.start_at(ll.derive_prior(table.space, table.values, how).logits)
    model, guide = ll.LabelModel(net, how), ll.LabelGuide(net, how)
    adam = pyro.optim.Adam({"lr": 1e-3})
    svi = pyro.infer.SVI(model, guide, adam, loss=ll.CollapsedELBO())
    held, rows = torch.randperm(len(images)).tensor_split([1 + len(images) // 10])
    losses, weights = [], []
    for epoch in range(epochs):
        net.train()
        for batch in rows[torch.randperm(len(rows))].split(32):
            svi.step(images[batch], known[batch])
        net.eval()
        losses.append(svi.evaluate_loss(images[held], known[held]) / len(held))
        weights.append(copy.deepcopy(net.state_dict()))
        print(f"epoch {epoch + 1}: -log p(known) = {losses[-1]:.3f}, held out")
    net.load_state_dict(weights[losses.index(min(losses))])

    files = sorted(file for file in Path(new).iterdir() if file.suffix)
    with torch.no_grad():
        posterior = net(read(files, size))
    for file, row in zip(files, posterior.marginals.tolist(), strict=True):
        found = zip(table.space.labels, row, strict=True)
        print(file.name, *(f"{label} {p:.2f}" for label, p in found))
    return files, posterior


if __name__ == "__main__":
    main(*sys.argv[1:4]) if len(sys.argv) > 2 else print(__doc__)
