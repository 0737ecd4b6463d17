"""`Conditioner`: posteriors of images given stated labels. Requests that wait together are worked out together.

What the model says of an image is at hand, so a request costs the sums over the forest of groups. These are many small steps,
whose time hardly depends on the number of images. One thread takes all requests that came while it worked on the ones before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..annotation import Ignorable
from ..checks import movements, shared_by
from ..errors import LabelSpaceError, LatentLabelsError, ObservationError
from ..posterior import Posterior
from ..space import LabelSpace
from ..space.feasibility import in_words, stated_row
from .documents import MovedLabel, PosteriorOfImage, PosteriorRequest, UnmovedGroup
from .predicting import Predictor
from .problems import ProblemError
from .sentences import sentence_of

_MOST = 256  # images that are worked out together


@dataclass(frozen=True, eq=False)
class _Waiting:
    """A request, and where its answer goes.

    Attributes:
        ids: of B images.
        flat: (B, F) what the model says of them.
        predictor: whose model that is.
        row: int8 (K,) of 1, 0, -1, what is stated.
        words: the same.
        picked: whether an annotator picked the labels.
        answer: for each image.
    """

    ids: Sequence[str]
    flat: NDArray[np.float32]
    predictor: Predictor
    row: NDArray[np.int8]
    words: str
    picked: bool
    answer: Future[list[PosteriorOfImage]] = field(default_factory=Future)


class Conditioner:
    """Works out the posteriors of all requests, in a thread of its own. Close it at the end."""

    def __init__(self) -> None:
        self._waiting: deque[_Waiting] = deque()
        self._thread = ThreadPoolExecutor(1, "conditioner")

    def close(self) -> None:
        """End after what waits."""
        self._thread.shutdown()

    def ask(
        self, asked: PosteriorRequest, flat: NDArray[np.float32], predictor: Predictor
    ) -> Future[list[PosteriorOfImage]]:  # fmt: skip
        """The posterior of images given stated labels, when it is there.

        Args:
            asked: B images, and what is stated of them.
            flat: (B, F) what the model says of them.
            predictor: of the model.

        Raises:
            ProblemError: unknown labels, or labels that contradict each other.
        """
        present, absent = list(dict.fromkeys(asked.present)), list(dict.fromkeys(asked.absent))
        try:
            row = stated_row(predictor.model.space_, present, absent)
        except LabelSpaceError as error:
            raise ProblemError("unknown-label", str(error)) from None
        except ObservationError as error:
            raise ProblemError("contradiction", str(error)) from None
        picked = asked.annotation == "picked" and bool(present or absent)
        one = _Waiting(asked.images, flat, predictor, row, in_words(present, absent), picked)
        self._waiting.append(one)
        self._thread.submit(self._work)
        return one.answer

    # --- the thread -------------------------------------------------------------------------------------

    def _work(self) -> None:
        groups: dict[tuple[int, bool], list[_Waiting]] = {}
        size = 0
        with suppress(IndexError):
            while size < _MOST:
                one = self._waiting.popleft()
                if one.answer.set_running_or_notify_cancel():
                    groups.setdefault((id(one.predictor), one.picked), []).append(one)
                    size += len(one.ids)
        for group in groups.values():
            _answer(group)


def _answer(group: Sequence[_Waiting]) -> None:
    """Answer requests about one model."""
    try:
        found = iter(_posteriors(group))
        for one in group:
            one.answer.set_result([next(found) for _ in one.ids])
    except Exception as error:
        if len(group) > 1:  # the others are not to blame
            for one in group:
                _answer([one])
        elif isinstance(error, LatentLabelsError):
            group[0].answer.set_exception(ProblemError("contradiction", f"{group[0].words}: {error}"))
        else:
            group[0].answer.set_exception(error)


def _posteriors(group: Sequence[_Waiting]) -> list[PosteriorOfImage]:
    """The answer about each image of each request."""
    predictor, picked = group[0].predictor, group[0].picked
    ids = [image for one in group for image in one.ids]
    rows = np.repeat(np.stack([one.row for one in group]), [len(one.ids) for one in group], axis=0)
    before = predictor.posterior(np.concatenate([one.flat for one in group]), ids)
    after = before.observing(rows, predictor.model.conditions_by if picked else Ignorable())
    return list(_told(before, after, rows))


def _told(before: Posterior, after: Posterior, rows: NDArray[np.int8]) -> list[PosteriorOfImage]:
    space, shared = before.space, shared_by(before.distribution, after.distribution)
    old, new, counts = before.marginals.tolist(), after.marginals.tolist(), after.count_probs().tolist()
    out = []
    for place, image in enumerate(before.images):
        stated = _named(rows[place], space)
        found = movements(space, old[place], new[place], {}, stated, shared)
        moved = [one for group in found for one in group.moved if one.label not in stated]
        moved.sort(key=lambda one: -abs(one.after - one.before))
        out.append(
            PosteriorOfImage(
                id=image,
                marginals=dict(zip(space.labels, new[place], strict=True)),
                count=counts[place],
                moved=[MovedLabel(label=one.label, before=one.before, after=one.after) for one in moved],
                unmoved=[UnmovedGroup(group=one.group, reason=one.reason) for one in found if not one.moved and stated],
                sentence=sentence_of(after.marginals[place], space),
            )
        )
    return out


def _named(row: NDArray[np.int8], space: LabelSpace) -> dict[str, int]:
    return {space.labels[k]: int(row[k]) for k in np.flatnonzero(row != -1).tolist()}
