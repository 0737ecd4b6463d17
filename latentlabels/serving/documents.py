"""The bodies of requests and responses."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from .limits import Limits

LIMITS = Limits()
ImageId = Annotated[str, StringConstraints(pattern=r"^u?[0-9]{1,9}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Kind = Literal["question", "random", "mistake", "complete"]
Decision = Literal["keep", "change", "unsure"]
Share = Annotated[float, Field(ge=0, le=1)]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str


class Health(_Document):
    """Whether the service runs, and how much of the collection the model has looked at.

    `has_pictures`: there are pictures to show. `takes_pictures`: the model sees pictures, so that others can be uploaded.
    """

    status: Literal["ok"]
    version: str
    run: str
    num_images: int
    num_labels: int
    num_predicted: int
    has_pictures: bool
    takes_pictures: bool


class ImageSummary(_Document):
    """An image in a list."""

    id: str
    name: str
    sentence: str
    usefulness: float
    top: list[tuple[str, float]]
    num_known: int


class ImageList(_Document):
    """A page of images; `total` counts all that fit."""

    total: int
    images: list[ImageSummary]


class OneImage(_Document):
    """One image: `card` is what the page draws; `known` is from the run's table, `answers` from the person who answers."""

    id: str
    name: str
    sentence: str
    card: dict[str, Any]
    known: dict[str, int]
    answers: dict[str, int]


class PosteriorRequest(_Document):
    """Labels that are stated of images.

    `looked-up`: somebody looked for these labels. `picked`: an annotator named these among all that the image shows, as the
    run's annotation describes.
    """

    images: Annotated[list[ImageId], Field(min_length=1, max_length=LIMITS.images)]
    present: Annotated[list[Name], Field(max_length=LIMITS.labels)] = []
    absent: Annotated[list[Name], Field(max_length=LIMITS.labels)] = []
    annotation: Literal["looked-up", "picked"] = "looked-up"


class MovedLabel(_Document):
    """A label whose probability changed."""

    label: str
    before: float
    after: float


class UnmovedGroup(_Document):
    """A group in which nothing changed, and why."""

    group: str
    reason: str


class PosteriorOfImage(_Document):
    """The posterior of one image: probabilities, and P(0, 1, ... labels present)."""

    id: str
    marginals: dict[str, float]
    count: list[float]
    moved: list[MovedLabel]
    unmoved: list[UnmovedGroup]
    sentence: str


class Posteriors(_Document):
    """One for each image of the request."""

    images: list[PosteriorOfImage]


class QuestionDocument(_Document):
    """A question about one label or one group of an image, and the nats that its answer is expected to give."""

    id: str
    image: str
    name: str
    label: str | None
    group: str | None
    text: str
    choices: list[str]
    gain: float
    random: bool


class Questions(_Document):
    """The next questions, the most useful first; and which images they were chosen from, in words and numbers."""

    questions: list[QuestionDocument]
    chosen_from: str
    num_considered: int
    num_images: int


class AnswerRequest(_Document):
    """An answer about a label (1, 0) or a group (one of its labels, or "none"); null skips.

    `kind` says why it was asked: as a useful question, as one that was drawn at random, about a possible mistake, or to label
    the image completely. `decision` is for a possible mistake: what the person decided about the known label.
    """

    image: ImageId
    label: Name | None = None
    group: Name | None = None
    value: Annotated[int, Field(ge=0, le=1, strict=True)] | Name | None = None
    kind: Kind = "question"
    decision: Decision | None = None


class Saved(_Document):
    """An answer is on the disk; `number` counts the lines of the table. `in_refit`: whether a refit uses it."""

    number: int
    saved: Literal[True]
    in_refit: bool


class AnswerLine(_Document):
    """A line of the table of answers; a value of null is a question that was skipped, a kind of null is not known.

    `in_refit`: whether a refit uses it.
    """

    number: int
    image: str
    label: str
    value: int | None
    kind: str | None
    decision: str | None
    in_refit: bool


class Answers(_Document):
    """All answers, in the order they were given."""

    answers: list[AnswerLine]


class WeakLabel(_Document):
    """A label that the run does badly at, why, and what to do."""

    label: str
    reason: str
    todo: str


class VerdictDocument(_Document):
    """What a run is worth."""

    level: Literal["strong", "fair", "weak", "unknown"]
    sentence: str
    weakest: list[WeakLabel]


class RefitState(_Document):
    """How a refit stands; after it is done the service shows the new run."""

    state: Literal["idle", "running", "done", "failed"]
    progress: Share
    message: str
    before: VerdictDocument | None = None
    after: VerdictDocument | None = None


class ConfusionCell(_Document):
    """How many images are known to have one outcome of a group, and have another by the model; both by their numbers."""

    known: int
    shown: int
    count: int


class ConfusionOfGroup(_Document):
    """The cells of a group that hold an image; right ones first, then wrong ones, the most frequent first."""

    group: str
    outcomes: list[str]
    cells: list[ConfusionCell]


class Confusions(_Document):
    """One for each group of several labels."""

    groups: list[ConfusionOfGroup]


class Mistake(_Document):
    """A known label that may be wrong: `probability` is the model's, of the known value."""

    image: str
    name: str
    label: str
    value: int
    probability: float
    instead: str | None
    instead_probability: float | None


class Mistakes(_Document):
    """Possible mistakes, and how many of the known labels are expected to be wrong, with an interval.

    `unseen`: they are by fits that have not seen the image. A model that has seen it finds fewer, and its number means little.
    `can_tell`: whether those fits know anything about single images. If not, there is no number and no list, and `reason` says
    why.
    """

    unseen: bool
    can_tell: bool
    reason: str | None
    expected: float | None
    low: float | None
    high: float | None
    mistakes: list[Mistake]


class LabelSummary(_Document):
    """A label: the share of images that show it by the model, and how many are known to."""

    label: str
    group: str
    prevalence: float | None
    known: int


class LabelList(_Document):
    """All labels."""

    labels: list[LabelSummary]


class CompleteNext(_Document):
    """The next image to label completely; null when the sample is done."""

    image: str | None
    done: int
    of: int
