"""What a distribution over label sets refuses: logits that describe none, and known labels that are impossible."""

from __future__ import annotations

import torch
from torch import Tensor

from .. import exact
from ..annotation.asked import ASKED, without_asking
from ..annotation.base import as_observed
from ..errors import ObservationError
from .conditioning import Components


def checked_observed(observed: Tensor, num_labels: int, values: bool) -> Tensor:
    """Known labels (..., K) as integers.

    Args:
        observed: 1, 0 and -1; NaN in a table of floats means unknown. A numpy array or a list will do.
        num_labels: K.
        values: whether each value is looked at.

    Raises:
        ObservationError: a table of another width, or values that mean nothing.
    """
    observed = torch.as_tensor(observed)
    if observed.shape[-1:] != (num_labels,):
        raise ObservationError(f"observed has shape {tuple(observed.shape)}, but the space has {num_labels} labels")
    observed = as_observed(observed)
    if values and bool(((observed < -1) | (observed > 1) & (observed != ASKED)).any()):
        raise ObservationError("observed holds values other than 1 (present), 0 (absent) and -1 (unknown)")
    return observed


def refuse_undefined(forest: exact.Forest, mixture: Components, purpose: str) -> None:
    """Raise where a group has no distribution.

    Args:
        forest: the compiled label space.
        mixture: p(y).
        purpose: what the distribution was asked for, to begin the message with.

    Raises:
        ValueError: NaN among the logits, or no possible outcome of a group; the rows are named.
    """
    wrong = exact.undefined(forest, mixture.logits).any(-1) | torch.isnan(mixture.log_weights).any(-1)
    if bool(wrong.any()):
        raise ValueError(
            f"{purpose}: logits of {_rows(wrong)} describe no distribution: they are NaN, or +inf in a group of labels "
            "that exclude each other, or -inf for all of a group; look at the network's weights and inputs for values "
            "that are not finite (a learning rate that is too large leaves such weights)"
        )


def refuse_impossible(forest: exact.Forest, mixture: Components, log_marginal: Tensor, observed: Tensor) -> None:
    """Raise where what is known has probability zero.

    Args:
        forest: the compiled label space.
        mixture: p(y).
        log_marginal: (...) log p(o | x).
        observed: (..., K) what is known.

    Raises:
        ObservationError: what is known of some rows is impossible, in the label space or by the logits; the rows are named.
        ValueError: logits that describe no distribution.
        ArithmeticError: a sum that is not a number, of logits that are.
    """
    wrong = torch.isneginf(log_marginal) | torch.isnan(log_marginal)
    if not bool(wrong.any()):
        return
    refuse_undefined(forest, mixture, "condition")
    # is it the label space that rules the rows out, whatever the logits?
    log_any = exact.log_normalizers(
        forest, torch.zeros_like(mixture.logits), exact.pinned(without_asking(observed), torch.float64)
    )
    never = torch.isneginf(log_any[..., 0].amax(-1)).expand(wrong.shape)
    if bool((wrong & never).any()):
        raise ObservationError(
            f"what is known of {_rows(wrong & never)} is impossible: no valid label set agrees with it; look for two "
            "labels of one group known as present, or a label known as present without the one it requires"
        )
    excluded = torch.isneginf(log_marginal)
    if bool(excluded.any()):
        raise ObservationError(
            f"what is known of {_rows(excluded)} is impossible by the logits: every valid label set that agrees with it "
            "has probability zero; look for logits of -inf (or +inf) at labels whose presence (or absence) is known"
        )
    raise ArithmeticError(
        f"the sum over label sets of {_rows(wrong)} is not a number, though their logits are; please report the label "
        "space, logits and known labels"
    )


def _rows(wrong: Tensor) -> str:
    """What rows are, in words: how many images and the first few of them."""
    rows = wrong.reshape(-1).nonzero().flatten().tolist()
    shown = ", ".join(map(str, rows[:5])) + (", ..." if len(rows) > 5 else "")
    return f"{len(rows)} of {wrong.numel()} images (row{'s' if len(rows) > 1 else ''} {shown})"
