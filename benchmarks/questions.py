"""Which questions teach most: a fit after 500 answers, by how the questions were chosen.

    python benchmarks/questions.py DATA... [--scenes] [--seeds 0 1 2 3 4] [--batches 200 300] [--ways ...] [--keep FILE]

DATA are folders as `benchmarks/common.py` reads them; --scenes adds toy scenes, rendered and embedded by lite0. A question is
about one label of one training image, or with --groups about a free label or a whole group; an oracle answers it from the
complete labels. Ways to choose: `random`, and `uncertain` (the questions whose answers have the largest entropy), put all
questions at once. `questions` is `Posterior.next_questions` in the batches of --batches, with a fit after each;
`uncertain-rounds` puts the most uncertain ones in the same batches; `questions-once` puts all at once. Every way is fitted with
the same seed at the end, so that differences are paired. A negative difference of the NLL is a gain.
"""

from __future__ import annotations

import argparse
import json
import tempfile
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
from latentlabels.questions import group_gains, label_gains
from latentlabels.space import Free

WAYS = ("random", "uncertain", "questions-once", "uncertain-rounds", "questions")
SHARE = 0.05  # as `next_questions` has it
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


def fitted(data: Data, answers: Answers | None, seed: int, first: Path | None = None) -> LatentLabels:
    """A fit on the picked labels and the answers; `first` is the run of the fit without answers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LatentLabels(data.space, encoder="embedding", seed=seed, init_from=first)
        return model.fit(data.train, Observed.from_array(data.observed, data.space), answers=answers)


def columns_of(data: Data, groups: bool) -> list[list[int]]:
    """The labels that each question is about."""
    space = data.space
    if not groups:
        return [[k] for k in range(space.num_labels)]
    return [list(space.columns(one)) for one in space.groups]


def asked(
    data: Data, model: LatentLabels, answers: Answers, number: int, way: str, seed: int, given: argparse.Namespace
) -> None:
    """Ask further questions; the answers are written down."""
    known = np.where(answers == -1, data.observed, answers)
    told = replace(model.read(data.train, Observed.from_array(data.observed, data.space)), answers=DenseKnown(answers))
    posterior, space = model.posterior(told, told.observed), data.space
    asks = columns_of(data, given.groups)
    if way.startswith("questions"):
        share = given.random
        found = posterior.next_questions(
            number, data.train, known=known, per_label=not given.groups, random_share=share, seed=seed
        )
        pairs = [
            (one.row, [space.index(one.label)] if one.label else list(space.columns(space.named(str(one.group)))))
            for one in found
        ]
    else:
        marginals = posterior.marginals.astype(float)
        group_of = {tuple(space.columns(one)): one for one in space.groups}
        gains = [
            label_gains(marginals)[:, one[0]]
            if not given.groups or isinstance(group_of[tuple(one)], Free)
            else group_gains(marginals, space, [group_of[tuple(one)]])[:, 0]
            for one in asks
        ]
        open_ = np.stack([(known[:, one] == -1).any(1) & (marginals[:, one].max(1) < 1 - 1e-6) for one in asks], 1)
        score = np.where(open_, np.stack(gains, 1), -1.0)
        if way == "random":
            score = np.where(open_, np.random.default_rng(seed).random(open_.shape), -1.0)
        rows, questions = np.unravel_index(np.argsort(-score, axis=None)[:number], score.shape)
        pairs = [(int(row), asks[int(one)]) for row, one in zip(rows, questions, strict=True)]
    for row, columns in pairs:
        answers[row, columns] = data.truth[row, columns]


def run(data: Data, way: str, seed: int, first: Path, given: argparse.Namespace) -> dict[str, float]:
    """The figures after all answers."""
    answers, model = np.full(data.truth.shape, -1, np.int8), LatentLabels.load(first)
    batches = given.batches if way in ("questions", "uncertain-rounds") else [sum(given.batches)]
    for turn, size in enumerate(batches):
        asked(data, model, answers, size, way, 1000 * seed + turn, given)
        model = fitted(data, answers, seed, first)
    figures = measure(model.posterior(data.test), data.test_truth, data.space)
    return figures | {"yes": float((answers == 1).sum() / max((answers != -1).sum(), 1))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="*")
    parser.add_argument("--scenes", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--batches", type=int, nargs="+", default=[200, 300], help="questions between two fits")
    parser.add_argument("--random", type=float, default=SHARE, help="random share of `questions`")
    parser.add_argument("--groups", action="store_true", help="ask about whole groups")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    parser.add_argument("--keep", type=Path, help="a JSON file of the figures; what is in it is not measured again")
    given = parser.parse_args()
    print(f"{command()}\n{machine()}\n")
    kept = json.loads(given.keep.read_text()) if given.keep is not None and given.keep.exists() else {}
    names = [*(path.name for path in given.data), *(["scenes"] if given.scenes else [])]
    loaded = {
        name: scenes() if name == "scenes" else load(path) for name, path in zip(names, [*given.data, None], strict=False)
    }
    for seed in given.seeds:  # seed by seed, so that what is there early is there of all data
        for name, data in loaded.items():
            measured(name, data, seed, kept, given)
    for name in loaded:
        found = {way: [kept[_key(name, way, seed, given)] for seed in given.seeds] for way in ("none", *given.ways)}
        print(f"{name}, {len(given.seeds)} seeds\n{_compared(found)}\n", flush=True)


def measured(name: str, data: Data, seed: int, kept: dict[str, dict[str, float]], given: argparse.Namespace) -> None:
    """All ways with one seed; what is there is not measured again."""
    todo = [way for way in ("none", *given.ways) if _key(name, way, seed, given) not in kept]
    if not todo:
        return
    with tempfile.TemporaryDirectory() as folder:
        model = fitted(data, None, seed)
        first = model.save(Path(folder) / "first")
        for way in todo:
            started = time.process_time()
            none = way == "none"
            found = (
                measure(model.posterior(data.test), data.test_truth, data.space) if none else run(data, way, seed, first, given)
            )
            kept[_key(name, way, seed, given)] = found | {"seconds": time.process_time() - started}
            if given.keep is not None:
                given.keep.write_text(json.dumps(kept))


def _key(name: str, way: str, seed: int, given: argparse.Namespace) -> str:
    more = f"{given.random} {given.batches}" if way.startswith("questions") or way.endswith("rounds") else ""
    return f"{name} {way} {seed} {sum(given.batches)} {'groups' if given.groups else ''} {more}"


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
                test = stats.ttest_rel(values, apart)
                low, high = test.confidence_interval(0.95)
                row.append(
                    f"{(values - apart).mean():+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f}; p {test.pvalue:.3f})"
                )
        rows.append([*row, f"{100 * np.mean([one.get('yes', np.nan) for one in figures]):.0f}"])
    header = ["way", "mAP, %", "less random", "less uncertain", "NLL", "less random", "less uncertain", "yes, %"]
    return table(rows, header)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
