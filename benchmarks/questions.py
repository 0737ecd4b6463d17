"""Which questions teach most: a fit after 500 answers, by how the questions were chosen.

    python benchmarks/questions.py DATA... [--scenes] [--seeds 5] [--number 500] [--rounds 5] [--ways ...] [--keep FILE]

DATA are folders as `benchmarks/common.py` reads them; --scenes adds toy scenes, rendered and embedded by lite0. A question is
about one label of one training image; an oracle answers it from the complete labels. Ways to choose: `random` and `uncertain`
(the labels whose binary entropy is largest) put all questions at once; `entropy-rounds` and `questions` put them in rounds,
with a fit after each: the same most uncertain labels, and `Posterior.next_questions(per_label=True)`; `questions-once` all at
once. Every way is fitted afresh at the end with the same seed, so that differences are paired. A negative difference of the
NLL is a gain.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from common import Data, command, load, machine, measure, table
from numpy.typing import NDArray
from scipy import stats

from latentlabels import LatentLabels, Observed, render_scenes
from latentlabels.encoders import build_encoder
from latentlabels.encoders.runtime import choose_extractor
from latentlabels.observed.known_table import DenseKnown
from latentlabels.questions import label_gains

WAYS = ("random", "uncertain", "questions-once", "entropy-rounds", "questions")
Answers = NDArray[np.int8]


def scenes(number: int = 4000, tested: int = 1000, side: int = 128) -> Data:
    """Toy scenes with the features of a frozen encoder."""
    module = build_encoder("lite0", "DEFAULT", size=(side, side)).module.eval()
    extract, parts = choose_extractor(module, (side, side)), []
    for size, seed in ((number, 0), (tested, 1)):
        found, rows = render_scenes(size, seed), []
        for some in torch.from_numpy(np.asarray(found.images)).split(64):
            larger = torch.nn.functional.interpolate(some.float(), size=(side, side), mode="bilinear")
            rows.append(extract(larger.round().clamp(0, 255).to(torch.uint8)).numpy())
        parts.append((np.concatenate(rows).astype(np.float32), found))
    (train, own), (test, other) = parts
    return Data(train, own.observed.astype(np.int8), own.truth.astype(np.int8), test, other.truth.astype(np.int8), own.space)


def fitted(data: Data, answers: Answers | None, seed: int) -> LatentLabels:
    """A fit on the picked labels and the answers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LatentLabels(data.space, encoder="embedding", seed=seed)
        return model.fit(data.train, Observed.from_array(data.observed, data.space), answers=answers)


def asked(data: Data, model: LatentLabels, answers: Answers, number: int, way: str, seed: int, random: float) -> None:
    """Ask further questions; the answers are written down."""
    known = np.where(answers == -1, data.observed, answers)
    if way == "random":
        open_ = np.argwhere(known == -1)
        rows, columns = open_[np.random.default_rng(seed).choice(len(open_), number, replace=False)].T
    else:
        told = model.read(data.train, Observed.from_array(data.observed, data.space))

        told = replace(told, answers=DenseKnown(answers))
        posterior = model.posterior(told, told.observed)
        if way in ("uncertain", "entropy-rounds"):
            gains = np.where(known == -1, label_gains(posterior.marginals.astype(float)), -1)
            rows, columns = np.unravel_index(np.argsort(-gains, axis=None)[:number], gains.shape)
        else:
            found = posterior.next_questions(number, data.train, known=known, per_label=True, random_share=random, seed=seed)
            rows = np.array([one.row for one in found])
            columns = np.array([data.space.index(str(one.label)) for one in found])
    answers[rows, columns] = data.truth[rows, columns]


def run(data: Data, way: str, number: int, rounds: int, seed: int, first: LatentLabels, random: float) -> dict[str, float]:
    """The figures after all answers."""
    answers, model = np.full(data.truth.shape, -1, np.int8), first
    times = rounds if way in ("questions", "entropy-rounds") else 1
    for turn in range(times):
        size = number * (turn + 1) // times - number * turn // times
        asked(data, model, answers, size, way, 1000 * seed + turn, random)
        model = fitted(data, answers, seed)
    figures = measure(model.posterior(data.test), data.test_truth, data.space)
    return figures | {"yes": float((answers == 1).sum() / max((answers != -1).sum(), 1))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="*")
    parser.add_argument("--scenes", action="store_true")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--number", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--random", type=float, default=0.1, help="random share of `questions`")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    parser.add_argument("--keep", type=Path, help="a JSON file of the figures; what is in it is not measured again")
    given = parser.parse_args()
    print(f"{command()}\n{machine()}\n")
    kept = json.loads(given.keep.read_text()) if given.keep is not None and given.keep.exists() else {}
    for name in [*(path.name for path in given.data), *(["scenes"] if given.scenes else [])]:
        data = scenes() if name == "scenes" else load(next(path for path in given.data if path.name == name))
        found: dict[str, list[dict[str, float]]] = {way: [] for way in ("none", *given.ways)}
        for seed in range(given.seeds):
            first: LatentLabels | None = None
            for way in found:
                key = f"{name} {way} {seed} {given.number} {given.random if way.startswith('questions') else ''}"
                if key not in kept:
                    started = time.process_time()
                    first = fitted(data, None, seed) if first is None else first
                    if way == "none":
                        kept[key] = measure(first.posterior(data.test), data.test_truth, data.space)
                    else:
                        kept[key] = run(data, way, given.number, given.rounds, seed, first, given.random)
                    kept[key]["seconds"] = time.process_time() - started
                    if given.keep is not None:
                        given.keep.write_text(json.dumps(kept))
                found[way].append(kept[key])
        print(f"{name}, {given.seeds} seeds\n{_compared(found)}\n", flush=True)


def _compared(found: dict[str, list[dict[str, float]]]) -> str:
    rows = []
    for way, figures in found.items():
        row = [way]
        for key, digits in (("mAP", 2), ("nll", 3)):
            values = np.array([one[key] for one in figures])
            row.append(f"{values.mean():.{digits}f}")
            for other in ("random", "uncertain"):
                if other not in found or way in ("none", other) or len(values) < 2:
                    row.append("-")
                    continue
                apart = np.array([one[key] for one in found[other]])
                p = stats.ttest_rel(values, apart).pvalue
                row.append(f"{(values - apart).mean():+.{digits}f} (p {p:.3f})")
        rows.append([*row, f"{100 * np.mean([one.get('yes', np.nan) for one in figures]):.0f}"])
    header = ["way", "mAP, %", "less random", "less uncertain", "NLL", "less random", "less uncertain", "yes, %"]
    return table(rows, header)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
