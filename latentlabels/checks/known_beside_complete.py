"""How many known labels are wrong, by completely labelled images that the fit has not seen.

For each complete image, one label is picked from its complete labels by the annotation, and one is drawn at random in the
shares in which labels are known. Under the fit's predictions these have mean log-likelihoods c and r, and held-out known labels
have h. If a share e of the known labels is named without looking at the image, and the others are picked as assumed, then

    h = (1 - e) c + e r,        so that        e = (c - h) / (c - r)

whatever the fit is worth, as long as both kinds of images are alike. A fit that learned nothing has c = r, and tells nothing.
Where known labels are picked in another way than assumed, e may be below 0 or above 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..annotation import Annotation
from ..distributions import LabelVector
from ..words import finite

_DRAWS = 4  # picks of an image
_NORMAL = 1.96  # of a 95 % interval
_LEAST = 30  # complete images with a label, and held-out ones
_WIDEST = 1.0  # interval that says something


class KnownBesideComplete:
    """The sums of c and r over images, block by block.

    Args:
        how: the annotation of the fit.
        shares: (K,) of the known labels, by which labels are drawn at random; their sum is 1.
        state: what `state` gave, to go on from there.
    """

    def __init__(self, how: Annotation, shares: NDArray[np.float64], state: Sequence[float] | None = None):
        self.how, self.shares = how, shares
        self._sums = np.zeros(6) if state is None else np.array(state, np.float64)

    @property
    def state(self) -> list[float]:
        """As JSON holds it: N, and the sums of c, r, c c, r r and c r."""
        return self._sums.tolist()

    @torch.no_grad()
    def add(self, q: LabelVector, truth: NDArray[np.int8]) -> None:
        """Some images.

        Args:
            q: p(y | x) of B images, batch shape (B,).
            truth: int8 (B, K) their complete labels.
        """
        rows = np.flatnonzero(truth.any(1))
        if not len(rows):
            return
        chosen, y = q.take(torch.from_numpy(rows)), torch.from_numpy(truth[rows]).float()
        seed = int(self._sums[0])
        generator, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
        values = np.zeros((2, len(rows)))
        for _ in range(_DRAWS):
            drawn = np.full(y.shape, -1, np.int8)
            drawn[np.arange(len(rows)), rng.choice(len(self.shares), len(rows), p=self.shares)] = 1
            for row, known in enumerate((self.how.sample(y, generator), torch.from_numpy(drawn))):
                values[row] += chosen.log_marginal(known, self.how).double().numpy() / _DRAWS
        c, r = values[:, np.isfinite(values).all(0)]
        self._sums += [len(c), c.sum(), r.sum(), c @ c, r @ r, c @ r]

    def result(self, held_out: float, num_held_out: int) -> dict[str, float] | None:
        """The share of wrong known labels, with a 95 % interval; None where too little is known.

        Args:
            held_out: h.
            num_held_out: of so many images.
        """
        size = self._sums[0]
        if min(size, num_held_out) < _LEAST:
            return None
        c, r, cc, rr, cr = self._sums[1:] / size
        gap = c - r
        if gap <= 0:
            return None
        share = (c - held_out) / gap
        inside = min(max(share, 0.0), 1.0)
        of_picks, of_gap = cc - c * c, cc - 2 * cr + rr - gap * gap
        of_held = of_picks + inside * (1 - inside) * gap * gap
        variance = of_picks / size + share * share * of_gap / size + of_held / num_held_out
        error = _NORMAL * math.sqrt(max(variance, 0.0)) / gap
        if 2 * error > _WIDEST:
            return None
        return {"share": float(share), "low": float(share - error), "high": float(share + error), "num_images": int(size)}


def known_shares(diagnostics: Mapping[str, Any], how: Annotation) -> NDArray[np.float64] | None:
    """(K,) the shares in which labels are known, if this can be told: one picked label per image, and a likelihood of them."""
    plain, given = diagnostics.get("without_image"), diagnostics.get("known_counts")
    if not how.picks_present or how.by_label or how.noise or not isinstance(plain, Mapping) or not isinstance(given, Mapping):
        return None
    present, absent = np.array(list(given.values()), np.float64).T
    size = finite(diagnostics.get("num_images")) or 0.0
    if plain.get("held_out_log_likelihood") is None or not present.any() or absent.any() or present.sum() > size:
        return None
    return np.asarray(present / present.sum(), np.float64)
