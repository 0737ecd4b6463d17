"""What cleanlab reads: the labels that each image was given, as numbers, and the probabilities of all of them.

cleanlab's multi-label functions take `labels`, a list of class numbers for each image, and `pred_probs`, an array (N, K) of
probabilities that need not sum to 1. To cleanlab a label that is not listed is absent, and an image without a label shows none.

Source: https://docs.cleanlab.ai/stable/cleanlab/multilabel_classification/filter.html.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..observed.formats import Labelled
from ..words import printable
from ..writing import replacing, writing

ENDINGS = (".npz", ".json")


def write_cleanlab(path: Path, content: Labelled) -> None:
    """Write probabilities and, where something is known, given labels.

    Args:
        path: ``.npz``: arrays `images` (N,), `classes` (K,), `pred_probs` (N, K) float32 and `labels` (N, m) int64, the numbers
            of the labels known to be present, filled up with -1 to the largest number of an image; without pickles.
            ``.json``: the same by name, `labels` a list of lists.
        content: with probabilities; without known labels there is no `labels`.

    Raises:
        DataError: no probabilities, or another ending.
    """
    if content.probabilities is None:
        raise DataError(f"{path}: cleanlab takes probabilities, and there are none")
    if path.suffix.lower() not in ENDINGS:
        raise DataError(f"{path}: a file for cleanlab ends in {' or '.join(ENDINGS)}")
    given = None if content.known is None else [np.flatnonzero(row == 1).tolist() for row in content.known]
    images, classes = [printable(name) for name in content.images], [printable(label) for label in content.space.labels]
    if path.suffix.lower() == ".npz":
        arrays = {"images": np.array(images, str), "classes": np.array(classes, str), "pred_probs": content.probabilities}
        if given is not None:
            labels = np.full((len(given), max(map(len, given), default=0)), -1, np.int64)
            for row, numbers in enumerate(given):
                labels[row, : len(numbers)] = numbers
            arrays["labels"] = labels
        with replacing(path) as hidden, hidden.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        return
    with writing(path) as file:
        file.write(f'{{"images": {json.dumps(images)},\n"classes": {json.dumps(classes)},\n')
        if given is not None:
            file.write(f'"labels": {json.dumps(given)},\n')
        file.write('"pred_probs": [')
        for number, row in enumerate(content.probabilities):
            file.write(("," if number else "") + "\n" + json.dumps([float(f"{value:.6g}") for value in row.tolist()]))
        file.write("\n]}\n")
