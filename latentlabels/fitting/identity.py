"""What makes a fit this one and no other: its data and settings as counts and hashes, compared when it is resumed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..errors import RunError
from ..inputs import Inputs
from ..inputs.batches import InMemory
from ..kind import Kind
from ..observed.known_table import KnownTable
from ..space import LabelSpace

_HELD = "held-out images"


class OtherFitError(RunError):
    """A fit that cannot be resumed, since it was started with something else.

    Attributes:
        differing: what, and the two counts and hashes: then, and now; None where there was none.
    """

    def __init__(self, folder: Path, differing: Mapping[str, tuple[str | None, str | None]]):
        self.differing = dict(differing)
        told = "; ".join(f"{then or 'none'} then, {now or 'none'} now" for then, now in differing.values())
        super().__init__(
            f"{folder}: the fit was started with other {' and other '.join(differing)} ({told}); resume with the config and "
            "data of the first start, or fit into another folder"
        )


def identity_of(inputs: Inputs, held: Tensor, settings: Mapping[str, Any]) -> dict[str, str]:
    """What a fit is begun with, by name: a count and a hash, such as ``"60 known labels (1f0c5a2b9d3e)"``.

    Args:
        inputs: N images or embeddings with their known labels. Images are told by their names, embeddings by their numbers too.
        held: rows that are held out.
        settings: that change what a fit comes to.
    """
    table = inputs.observed
    assert table is not None
    out = {
        "images": _names(table.images or [str(row) for row in range(len(table))]),
        "known labels": _labels(table.known),
        "label space": _space(table.space),
        _HELD: f"{len(held)} held-out images ({_hash(held.numpy().astype('<i8').tobytes())})",
        "settings": f"{len(settings)} settings ({_hash(json.dumps(dict(settings), sort_keys=True, default=str).encode())})",
    }
    if inputs.answers is not None:
        out["answers"] = f"{int(inputs.answers.num_known.sum())} answers ({inputs.answers.digest()[:12]})"
    if inputs.kind is Kind.EMBEDDINGS and isinstance(inputs.items, InMemory):
        vectors = np.ascontiguousarray(inputs.items.values.numpy())
        out["embeddings"] = f"{len(vectors)} vectors of {vectors.shape[1]} numbers each ({_hash(vectors.data)})"
    return out


def refuse_other(folder: Path, then: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Refuse to resume a fit that was begun with something else.

    Args:
        folder: of its checkpoints.
        then: what it was begun with.
        now: what it would be resumed with.

    Raises:
        OtherFitError: what differs is named. Held-out images follow from the rest, and are named where nothing else differs.
    """
    differing = {what: (then.get(what), now.get(what)) for what in dict.fromkeys([*now, *then])}
    differing = {what: both for what, both in differing.items() if both[0] != both[1]}
    if len(differing) > 1:
        differing.pop(_HELD, None)
    if differing:
        raise OtherFitError(folder, differing)


def _names(names: Any) -> str:
    content = "\n".join(names).encode("utf-8", "surrogateescape")
    return f"{len(names)} images ({_hash(content)})"


def _labels(known: KnownTable) -> str:
    return f"{int(known.num_known.sum())} known labels ({known.digest()[:12]})"


def _space(space: LabelSpace) -> str:
    return f"{space.num_labels} labels ({_hash(json.dumps(space.to_config(), sort_keys=True).encode())})"


def _hash(content: Any) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
