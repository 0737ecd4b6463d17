"""What the page's card is drawn from: the label space, and one image's logits."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from ..posterior import Posterior
from ..space import LabelSpace, OneOf


def _card() -> Any:
    name = f"{__package__.rpartition('.')[0]}.show.card"
    return importlib.import_module(name) if importlib.util.find_spec(name) is not None else None


def space_document(space: LabelSpace) -> dict[str, Any]:
    """Labels and groups."""
    card = _card()
    if card is not None:
        return dict(card.space_document(space))
    groups = [
        {
            "name": group.name,
            "kind": "one_of" if isinstance(group, OneOf) else "free",
            "labels": list(group.labels),
            "optional": group.optional,
            "requires": list(group.required),
        }
        for group in space.groups
    ]
    return {"labels": list(space.labels), "groups": groups}


def image_document(posterior: Posterior) -> dict[str, Any]:
    """Of one image."""
    card = _card()
    if card is not None:
        return dict(card.image_document(posterior))
    return {"marginals": posterior.marginals[0].tolist()}
