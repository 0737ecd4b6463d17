"""A fit that begins where another one ended: its encoder, and the rows of its head that mean the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..config import FitConfig, ModelConfig
from ..encoders import Frozen, Standardize
from ..errors import ConfigError
from ..inputs import Inputs, Wanted
from ..kind import AUTO, Kind
from ..program import Amortizer, Head, NamedHead
from ..space import LabelSpace, OneOf
from .fitted import Fitted
from .run_folder import hash_names
from .settling import features_of, wanted_by

TRAINED_BEFORE = 0.1  # learning rate of an encoder that was trained before, in units of that of the head
Row = tuple[str, str, str | None]


@dataclass(frozen=True)
class TakenOver:
    """What a fit has from another one.

    Attributes:
        labels: labels whose rows of the head were there.
        new: labels that start at their prior.
    """

    labels: tuple[str, ...]
    new: tuple[str, ...]


def as_before(settings: ModelConfig, before: Fitted) -> ModelConfig:
    """The settings of a fit that begins with another one: what they leave open is as it was there."""
    then = before.params
    chosen: dict[str, Any] = {}
    if settings.encoder == AUTO:
        chosen |= {"encoder": then["encoder"], "weights": then["weights"]}
    if settings.weights == AUTO:
        chosen["weights"] = then["weights"]
    if settings.frozen is None:
        chosen["frozen"] = then["frozen"]
    if settings.windows is None:
        chosen["windows"] = then.get("windows")
    if settings.image_size is None:
        chosen["image_size"] = before.image_size
    if settings.at_least_one is None:
        chosen["at_least_one"] = before.head.nonempty
    return settings.model_copy(update=chosen)


def wanted_after(settings: ModelConfig, fit: FitConfig, before: Fitted) -> Wanted:
    """What a model takes that begins with another fit; its features are those of that fit's encoder.

    Args:
        settings: of the model, as `as_before` and `settle` gave them.
        fit: the settings of the fit.
        before: the other fit.
    """
    encoder, pixels = before.program.model.amortizer.encoder, before.pixels
    wanted = wanted_by(settings, fit, features=False)
    if before.kind is Kind.EMBEDDINGS or pixels is None:
        return wanted
    return replace(wanted, format=pixels, features=features_of(encoder, settings, fit, pixels) if settings.frozen else None)


def has_scale(before: Fitted) -> bool:
    """Whether the features of a fit have a scale that its head depends on."""
    return isinstance(before.program.model.amortizer.encoder, Frozen)


def labels_read(settings: ModelConfig, before: Fitted) -> frozenset[str]:
    """Labels whose names a fit has read with the prompts of the settings."""
    same = before.params.get("prompts") == settings.prompts
    named = isinstance(before.program.model.amortizer.head, NamedHead)
    return frozenset(before.program.space.labels) if same and named else frozenset()


def check_same_encoder(before: Fitted, encoder: str, num_inputs: int | None) -> None:
    """Refuse to begin with a fit on something else.

    Raises:
        ConfigError: another encoder, or embeddings of another size; both are named.
    """
    then = str(before.params["encoder"])
    if then != encoder:
        raise ConfigError(
            f'model.encoder is "{encoder}", but the run to start from has "{then}"; leave model.encoder out to keep that '
            "encoder, or fit from scratch"
        )
    if before.kind is Kind.EMBEDDINGS and before.num_features != num_inputs:
        raise ConfigError(
            f"the embeddings have {num_inputs} numbers each, but the run to start from was fitted on {before.num_features}; "
            "compute them with the same network"
        )


def starts_over(before: Fitted, inputs: Inputs, settings: ModelConfig) -> bool:
    """Whether a fit with answers begins its head at the prior again: the head alone is trained, and on the same images.

    A head that goes on hardly learns from answers: by held-out labels it was best before. One that begins again learns more,
    and the first fit, without the answers, must not begin with a head that has seen some of them.

    Args:
        before: the other fit.
        inputs: the images to fit.
        settings: of the model, as `as_before` and `settle` gave them.
    """
    alone = inputs.kind is Kind.EMBEDDINGS or bool(settings.frozen)
    return alone and before.images_hash == hash_names(inputs.names)


@torch.no_grad()
def take_over(amortizer: Amortizer, before: Amortizer) -> TakenOver:
    """Copy the encoder's weights, and those of the head's rows whose label, group and kind of group are the same.

    Args:
        amortizer: at its start, which new labels keep.
        before: a fitted one.

    Raises:
        ConfigError: encoders or heads that are not built alike.
    """
    own, theirs = amortizer.encoder, before.encoder
    try:
        if isinstance(own, Frozen) and not isinstance(theirs, Frozen | Standardize):  # it was trained, without a scale
            own.module.load_state_dict(theirs.state_dict())
        else:
            own.load_state_dict(theirs.state_dict())
    except RuntimeError as error:
        raise ConfigError(f"the run to start from has another encoder ({error}); fit from scratch") from None
    if (amortizer.mixture, amortizer.nonempty) != (before.mixture, before.nonempty):
        raise ConfigError(
            f"the run to start from has mixture {before.mixture} and at_least_one {str(before.nonempty).lower()}, this fit "
            f"has {amortizer.mixture} and {str(amortizer.nonempty).lower()}; set model.mixture and model.at_least_one as in "
            "the run"
        )
    here, there = head_rows(amortizer), head_rows(before)
    found = [(row, there[name]) for name, row in here.items() if name in there]
    old = before.head.state_dict()
    for name, values in amortizer.head.state_dict().items():
        kept = amortizer.head.own_rows(name) if isinstance(amortizer.head, Head) else None
        rows = found if kept is None else [pair for pair in found if not kept[pair[0]]]
        _copy(values, old.get(name), rows, (len(here), len(there)))
    known = {label for name in here if name in there for label in name[2:3]}
    labels = amortizer.space.labels
    return TakenOver(tuple(one for one in labels if one in known), tuple(one for one in labels if one not in known))


def _copy(values: Tensor, old: Tensor | None, rows: list[tuple[int, int]], sizes: tuple[int, int]) -> None:
    """One tensor of the head: row by row where it has a row for each logit, as a whole where it has another meaning."""
    if old is None or values.shape[1:] != old.shape[1:]:
        raise ConfigError("the run to start from has another head; set model.regions and model.names as in the run")
    if values.dim() and (values.shape[0], old.shape[0]) == sizes:
        for row, before in rows:
            values[row] = old[before]
    elif values.shape == old.shape:
        values.copy_(old)


def head_rows(amortizer: Amortizer) -> dict[tuple[str, str, str | None, int], int]:
    """Which row of the head is which: kind of group, its name, label (None for "none of them"), component."""
    names = list(_logits(amortizer.space))
    out = {(*name, part): part * len(names) + row for part in range(amortizer.mixture) for row, name in enumerate(names)}
    if amortizer.mixture > 1:
        start = amortizer.mixture * len(names)
        out |= {("mixture", "", None, part): start + part for part in range(amortizer.mixture)}
    return out


def _logits(space: LabelSpace) -> list[Row]:
    out: list[Row] = []
    for group in space.groups:
        kind = "free" if not isinstance(group, OneOf) else "optional" if group.optional else "one of"
        out += [(kind, group.name, label) for label in group.labels]
        if isinstance(group, OneOf) and group.optional:
            out.append((kind, group.name, None))
    return out
