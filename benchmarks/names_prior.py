"""How much images may add to what names say: figures by r of `NamedHead` and by the spread at which the names start.

python benchmarks/names_prior.py DATA [--noise 2] [--wrong] [--residual 0.5 1 2 4] [--spread 1.5] [--per-label 1 5 50 0]

No network with a text side is needed. The texts are made up: for each label, the direction of the embeddings that tells it
best, found from complete labels, plus noise of so many times its length. With --wrong each label has another label's direction.
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np
import torch
from common import Data, command, load, machine, measure, spread, table
from numpy.typing import NDArray

from latentlabels import Observed, Posterior
from latentlabels.annotation import UniformPositive
from latentlabels.encoders import Standardize
from latentlabels.fitting import LabelModule, LoopSettings, train
from latentlabels.inputs.batches import InMemory
from latentlabels.inputs.known_rows import label_rows
from latentlabels.objectives import Known, make
from latentlabels.program import Amortizer, LabelGuide, LabelModel, NamedHead
from latentlabels.program.named_head import rows_of_names
from latentlabels.program.starting_point import derive_prior, frozen_logits, prior_logits


def unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def made_up(data: Data, noise: float) -> NDArray[np.float32]:
    """(K, D) of length 1."""
    centred = data.train - data.train.mean(0)
    second = centred.T @ centred / len(centred)
    second += 0.003 * np.trace(second) * np.eye(len(second), dtype=np.float32)
    right = unit(np.linalg.solve(second, centred.T @ (data.truth - data.truth.mean(0)) / len(centred)).T)
    random = unit(np.random.default_rng(0).normal(size=right.shape))
    return unit(right + noise * random).astype(np.float32)


def fitted(
    data: Data,
    rows: NDArray[np.int64],
    texts: NDArray[np.float32] | None,
    residual: float,
    within: float,
    seed: int,
    epochs: int,
) -> dict[str, float]:
    """Figures of a fit on some rows, of which a tenth is held out; of its start for 0 epochs."""
    torch.manual_seed(seed)
    space = data.space
    inputs, observed = torch.from_numpy(data.train[rows]), data.observed[rows]
    known = Observed.from_array(observed, space)
    anchor = derive_prior(space, known.known, UniformPositive())
    encoder = Standardize(inputs.shape[1])
    encoder.fit_to(inputs)
    head = None
    if texts is not None:
        named = dict(zip(space.labels, torch.from_numpy(texts), strict=True))
        head = NamedHead(rows_of_names(space, named, inputs.shape[1]), 1e6, residual)
        head.see_scale(encoder(inputs), encoder.scale)
        head.see_average(encoder(inputs))
        head.start_within(within, encoder(inputs))
    amortizer = Amortizer(space, encoder, inputs.shape[1], head=head)
    amortizer.start_at(prior_logits(space, anchor.prevalence))
    order = torch.randperm(len(rows))
    held, trained = order[: len(rows) // 10].sort().values, order[len(rows) // 10 :].sort().values
    model = LabelModel(amortizer, UniformPositive(), num_images=len(trained))
    objective, batches = make("collapsed", space), InMemory(inputs)
    objective.attach(model, LabelGuide(amortizer, UniformPositive()))
    prevalence = torch.tensor(anchor.prevalence, dtype=torch.float32)
    objective.start(Known(label_rows(known), trained, prevalence, anchor.expected_labels, batches.inputs))
    if epochs:
        module = LabelModule(model, objective, 1e-3, 1e-2, frozen_logits(space, anchor.never_known))
        settings = LoopSettings(epochs, 64, 5, seed, "cpu", stop="likelihood" if len(held) else "none", progress=False)
        train(module, batches, label_rows(known), None, (trained, held), settings)
    with torch.no_grad():
        return measure(Posterior(amortizer(torch.from_numpy(data.test))), data.test_truth, space)


def some(data: Data, per_label: int, seed: int) -> NDArray[np.int64]:
    """Rows of so many images of each known label; of all for 0."""
    rng = np.random.default_rng(seed)
    shown = [np.flatnonzero(column == 1) for column in data.observed.T]
    drawn = [rng.choice(rows, min(per_label or len(rows), len(rows)), replace=False) for rows in shown]
    return np.unique(np.concatenate(drawn))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--noise", type=float, default=2.0)
    parser.add_argument("--wrong", action="store_true")
    parser.add_argument("--residual", nargs="+", type=float, default=[0.5, 1, 2, 4])
    parser.add_argument("--spread", type=float, default=1.5)
    parser.add_argument("--per-label", nargs="+", type=int, default=[1, 5, 50, 0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    read = load(args.data, free=True)
    data = Data(unit(read.train), read.observed, read.truth, unit(read.test), read.test_truth, read.space)
    texts = made_up(data, args.noise)
    texts = np.ascontiguousarray(texts[::-1]) if args.wrong else texts
    print(f"`{command()}`  \n{machine()}\n")
    rows = []
    for per_label in args.per_label:
        columns = {"without names": (None, 1.0, 50), "zero-shot": (texts, 1.0, 0)}
        columns |= {f"r = {r:g}": (texts, r, 50) for r in args.residual}
        found = {
            name: [fitted(data, some(data, per_label, s), given, r, args.spread, s, epochs) for s in args.seeds]
            for name, (given, r, epochs) in columns.items()
        }
        for key, shown in (("mAP", "mAP"), ("nll", "NLL")):
            rows.append([f"{per_label or 'all'}", shown, *(spread(figures, key) for figures in found.values())])
    print(table(rows, ["images of each label", "figure", *columns]))


if __name__ == "__main__":
    main()
