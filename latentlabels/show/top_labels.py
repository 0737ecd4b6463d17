"""Which labels of an image are worth showing: its outcomes by group, the foremost ones of many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..space import Free, Group, LabelSpace, OneOf
from ..words import any_of

SILENT = 0.9  # probability of "none of these" from which a group is silent
_ROUNDING = 1e-6  # of float32 sums: what is left of a group whose labels sum to 1
_FEW_SILENT = 3  # silent groups that are shown as others are; more of them would hide what is there


class Outcome(NamedTuple):
    """A label, or that none of its group's is present.

    Attributes:
        group: the group's name; "" for free labels where there is no other kind, "other labels" beside other kinds.
        requires: the labels of which the group requires one.
        text: the label, "none of these" or what the space calls it (optional group), or "does not apply" (group below another).
        probability: in [0, 1], or NaN.
        column: of the label; None if it is none.
        known: 1 known present, 0 known absent, -1 not known.
        true: whether it is truly present.
    """

    group: str
    requires: str | None
    text: str
    probability: float
    column: int | None
    known: int = -1
    true: bool = False


class Foremost(NamedTuple):
    """The outcomes to show, in the order of the space, and what is left out.

    Attributes:
        shown: at most as many as were asked for.
        num_left_out: labels that are not shown, those of silent groups not counted.
        below: all of those have a smaller probability than this; None if that cannot be said.
        silent: groups that are not shown since none of their labels is present, most probably; few such groups are shown.
        silent_above: the smallest probability of that, rounded down.
    """

    shown: list[Outcome]
    num_left_out: int
    below: float | None
    silent: tuple[str, ...] = ()
    silent_above: float = 1.0


def foremost(
    probabilities: npt.NDArray[np.floating[Any]],
    space: LabelSpace,
    observed: Sequence[float] | npt.NDArray[Any] | None = None,
    truth: Sequence[float] | npt.NDArray[Any] | None = None,
    limit: int = 40,
) -> Foremost:
    """The outcomes of one image: what is known or truly present, the first of each group, then the most probable.

    Where more than a few groups most probably do not apply, they are summed up as `silent`.

    Args:
        probabilities: (K,) of presence.
        space: the label space.
        observed: (K,) of 1, 0, -1.
        truth: (K,) of 0 and 1.
        limit: outcomes at most.
    """
    mixed = any(isinstance(group, OneOf) for group in space.groups)
    groups = [[_marked(o, observed, truth) for o in _outcomes(group, probabilities, space, mixed)] for group in space.groups]
    silent = [number for number, found in enumerate(groups) if _is_silent(found)]
    silent = silent if len(silent) > _FEW_SILENT else []
    ranked: list[tuple[bool, bool, bool, float, int, Outcome]] = []
    for number, found in enumerate(groups):
        if number in silent:
            continue
        first = max(found, key=lambda o: _rank(o.probability))
        for o in found:
            leads = isinstance(space.groups[number], OneOf) and o is first
            wanted = o.known == 1 or o.true
            ranked.append((not wanted, not leads, o.known != 0, -_rank(o.probability), len(ranked), o))
    ranked.sort(key=lambda entry: entry[:5])
    shown = [o for *_, o in sorted(ranked[:limit], key=lambda entry: entry[4])]
    lost = [o.probability for *_, o in ranked[limit:] if o.column is not None]
    top = max((value for value in lost if math.isfinite(value)), default=1.0)
    least = min((groups[number][-1].probability for number in silent), default=1.0)
    return Foremost(
        shown,
        len(lost),
        (int(100 * top) + 1) / 100 if top < 1 else None,
        tuple(groups[number][-1].group for number in silent),
        math.floor(100 * least) / 100,
    )


def _is_silent(found: Sequence[Outcome]) -> bool:
    """Whether none of a group's labels is present, most probably, and nothing is known or true of them."""
    if found[-1].column is not None or any(o.known != -1 or o.true for o in found):
        return False
    return found[-1].probability >= SILENT


def _outcomes(group: Group, p: npt.NDArray[np.floating[Any]], space: LabelSpace, mixed: bool) -> list[Outcome]:
    columns = space.columns(group)
    name = ("other labels" if mixed else "") if isinstance(group, Free) else group.name
    requires = any_of(group.required) if group.required else None
    found = [Outcome(name, requires, space.labels[k], float(p[k]), k) for k in columns]
    if isinstance(group, OneOf) and (group.optional or space.parent(group) is not None):
        none = "does not apply" if not group.optional else "none of these" if group.none is None else group.none
        left = 1 - float(p[columns].sum())
        found.append(Outcome(name, requires, none, 0.0 if left < _ROUNDING else left, None))
    return found


def _marked(o: Outcome, observed: Any, truth: Any) -> Outcome:
    if o.column is None:
        return o
    known = -1 if observed is None else int(observed[o.column])
    return o._replace(known=known, true=truth is not None and truth[o.column] == 1)


def _rank(probability: float) -> float:
    return probability if math.isfinite(probability) else -1.0
