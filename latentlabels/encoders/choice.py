"""Which encoder a fit takes, decided once: `encoder: auto` is the best at hand, and on a CPU published weights stay frozen."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..kind import AUTO, Kind, kind_of


@dataclass(frozen=True)
class Choice:
    """An encoder as it was decided.

    Attributes:
        encoder: its name, never "auto".
        weights: name or path of its weights; None for random ones.
        frozen: whether the head alone is trained.
        why: a sentence for whoever fits; "" where nothing was left open.
    """

    encoder: str
    weights: str | None
    frozen: bool
    why: str = ""


def choose(encoder: str, weights: str | None = None, frozen: bool | None = None, accelerator: str = "auto") -> Choice:
    """Decide what was left open.

    Args:
        encoder: a name, or "auto".
        weights: of the encoder.
        frozen: None to freeze an encoder with published weights where there is no accelerator.
        accelerator: of the fit.
    """
    why = ""
    if encoder == AUTO:
        encoder, weights, why = _best_at_hand(weights)
    if kind_of(encoder) is Kind.EMBEDDINGS:
        return Choice(encoder, None, bool(frozen), why)
    if frozen is None:
        frozen = weights is not None and not has_accelerator(accelerator)
    return Choice(encoder, weights, frozen, why)


def has_accelerator(accelerator: str = "auto") -> bool:
    """Whether a fit runs on something faster than the CPU."""
    return accelerator != "cpu" and torch.accelerator.is_available()


def device_of(accelerator: str = "auto") -> torch.device:
    """Where an encoder of a fit computes."""
    found = torch.accelerator.current_accelerator() if has_accelerator(accelerator) else None
    return torch.device("cpu") if found is None else found


def _best_at_hand(weights: str | None) -> tuple[str, str | None, str]:
    from .registry import names  # what else there is

    if "lite0" in names():
        return "lite0", "DEFAULT", "lite0, whose published weights are installed"
    return "tiny", weights, "tiny, from scratch: no published weights are on this machine"
