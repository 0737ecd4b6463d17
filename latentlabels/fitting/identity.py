"""The data of a fit as counts and hashes, to check that a resumed fit has the same data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..inputs import Inputs
from ..inputs.batches import InMemory
from ..observed import Observed


def identify(observed: Observed, inputs: object) -> dict[str, str]:
    """The data of a fit.

    Args:
        observed: the known labels of N images.
        inputs: embeddings (N, D) as `Inputs` or as an array, whose numbers count too; anything else is told by the images'
            names.

    Returns:
        A count and a hash each, such as ``"60 known labels (1f0c5a2b9d3e)"``, of the images' names, the known labels, the label
        space and the embeddings.
    """
    space = observed.space
    names = observed.images if observed.images is not None else [str(row) for row in range(len(observed))]
    known = int(observed.num_known.sum())
    out = {
        "images": f"{len(names)} images ({_hash(json.dumps(list(names)).encode())})",
        "known labels": f"{known} known labels ({observed.known.digest()[:12]})",
        "label space": f"{space.num_labels} labels ({_hash(json.dumps(space.to_config(), sort_keys=True).encode())})",
    }
    vectors = inputs.items.values.numpy() if isinstance(inputs, Inputs) and isinstance(inputs.items, InMemory) else inputs
    if isinstance(vectors, np.ndarray) and vectors.ndim == 2:
        array = np.ascontiguousarray(vectors)
        out["embeddings"] = f"{len(array)} vectors of {array.shape[1]} numbers each ({_hash(array.data)})"
    return out


def differences(begun: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What differs, in words; what only one of them knows does not count."""
    return [f"the {key}: {begun[key]} then, {now[key]} now" for key in begun if key in now and begun[key] != now[key]]


def _hash(content: Any) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
