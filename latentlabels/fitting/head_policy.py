"""How the head of a fit is built: decided once, from the settings and the known labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from .. import objectives
from ..annotation import Annotation
from ..config import ModelConfig
from ..distributions import can_be_empty
from ..errors import ConfigError
from ..observed import Observed
from ..program.starting_point import Anchor, frozen_logits
from ..space import LabelSpace


@dataclass(frozen=True)
class HeadPolicy:
    """How the head of a fit is built, decided once by `decide_head` and stored with the run.

    Attributes:
        mixture: M, components of p(y | x).
        beta: weight of the generative side: label prior and feature decoder.
        nonempty: whether the empty label set counts little; see `NonEmptyLabelVector`.
        start: where the head starts, "prior" or "own".
        held_at_start: labels whose logits are not trained, since nothing teaches them.
        scaled: whether the features of an encoder that is trained have the scale of a frozen one, with which the fit began.
    """

    mixture: int = 1
    beta: float = 0.0
    nonempty: bool = False
    start: str = "prior"
    held_at_start: tuple[str, ...] = ()
    scaled: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self) | {"held_at_start": list(self.held_at_start)}

    @classmethod
    def from_run(cls, stored: Mapping[str, Any] | None, settings: ModelConfig) -> HeadPolicy:
        """What a run stored; of a run of version 0.1, which stored none, what its settings say.

        Raises:
            TypeError: something else than `to_dict` gives.
        """
        if stored is None:
            plain = not objectives.find(settings.objective).takes_whole_model
            mixture, beta = (1, 0.0) if plain else (settings.mixture, settings.beta)
            return cls(mixture, beta, bool(settings.at_least_one), settings.start)
        return cls(**{**stored, "held_at_start": tuple(stored["held_at_start"])})

    def frozen_rows(self, space: LabelSpace) -> Tensor:
        """(L,) True for logits of a space that are not trained."""
        return frozen_logits(space, self.held_at_start)


def decide_head(given: ModelConfig, annotation: Annotation, table: Observed, anchor: Anchor) -> HeadPolicy:
    """How the head is built, by the settings and, where they leave it open, by the known labels.

    Args:
        given: the settings of the model.
        annotation: how the known labels came about.
        table: the known labels.
        anchor: what they say about prevalences.

    Raises:
        ConfigError: at_least_one with a model that cannot have it.
    """
    objective = objectives.find(given.objective)
    # one objective, one head: the mixture and the generative side belong to the whole model
    mixture, beta = (given.mixture, given.beta) if objective.takes_whole_model else (1, 0.0)
    simple = objective.takes_whole_model and mixture == 1 and beta == 0
    if given.at_least_one and not simple:
        raise ConfigError(
            f"at_least_one needs objective {objectives.DEFAULT}, mixture 1 and beta 0, not "
            f"{given.objective}, {given.mixture} and {given.beta:g}; leave it out"
        )
    nonempty = given.at_least_one
    if nonempty is None:  # every image that was annotated by picking one of its labels has one
        nonempty = annotation.picks_present and bool((table.known.num_present > 0).all())
    held = anchor.never_known if objective.is_likelihood else ()
    return HeadPolicy(mixture, beta, nonempty and simple and can_be_empty(table.space), given.start, tuple(held))
