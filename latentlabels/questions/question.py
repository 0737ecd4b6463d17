"""`Question`: one question about one image, and its words."""

from __future__ import annotations

from dataclasses import dataclass

from ..space import Group

NONE = "none"


@dataclass(frozen=True)
class Question:
    """One question about one image.

    Attributes:
        row: number of the image in the posterior.
        image: its name.
        label: the label that is asked for; None for a group.
        group: the name of the group that is asked for; None for a label.
        gain: the expected reduction of entropy by the answer, nats.
        score: by which it was chosen, in units of its own: the larger, the sooner.
        random: whether it was drawn at random.
        choices: the possible answers: "yes" and "no", or the group's labels and, where none need apply, "none".
        probabilities: of the choices, by the posterior.
        text: the question in words.
    """

    row: int
    image: str
    label: str | None
    group: str | None
    gain: float
    score: float
    random: bool
    choices: tuple[str, ...]
    probabilities: tuple[float, ...]
    text: str


def worded(label: str | None, group: Group | None) -> str:
    """The question in words: ``Does it show "striped"?``, ``Which "colour" does it show?``."""
    return f'Does it show "{label}"?' if group is None else f'Which "{group.name}" does it show?'
