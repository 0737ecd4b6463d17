"""`Fitted`: all that a fit has found, as one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ..annotation import Annotation
from ..decisions import Decisions
from ..inputs import Levels, PixelFormat
from ..inputs.feature_source import FeatureSource
from ..inputs.rgb import Size
from ..kind import Kind
from ..program.starting_point import Anchor
from ..space import LabelSpace
from .build import Program
from .head_policy import HeadPolicy
from .stopping import Best


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a fitted `LatentLabels` knows; its attributes with a trailing underscore read from here.

    Attributes:
        space: the label space, of K labels.
        annotation: how the known labels came about.
        kind: what it was fitted on, images or embeddings.
        program: the Pyro program: model, guide, ELBO, and a published loss in its place.
        decisions: what it decides by: thresholds, and what was found from complete images.
        head: how the head was decided.
        params: the settings that it was fitted with, by the names of `LatentLabels`: later ones wait for the next fit.
        begun_with: the labels of an earlier fit that this one began with; None of a fit from the start.
        why: why this encoder was chosen; "" where it was stated.
        names: the images that it was fitted on; none for a loaded run.
        image_size: (height, width) in pixels; None for embeddings.
        pixels: how the encoder takes pictures; None for embeddings.
        levels: which values of the images are black and white; None for embeddings.
        features: what computes and keeps the features of an encoder that is not trained; None of another one.
        num_features: D of the embeddings; None for images.
        columns: names of the columns of the embeddings; None where they had none.
        anchor: prevalences before training; None for a loaded run.
        history: a dict for each epoch.
        kept: the best epoch of each stopping rule that was watched.
        references: for each of them what the head gives for the images that thresholds are found by.
        diagnostics: what the fit reports.
        data_hash: of the images' names and of what was known.
        images_hash: of the images' names.
    """

    space: LabelSpace
    annotation: Annotation
    kind: Kind
    program: Program
    decisions: Decisions
    head: HeadPolicy
    params: dict[str, Any]
    begun_with: tuple[str, ...] | None = None
    why: str = ""
    names: tuple[str, ...] = ()
    image_size: Size | None = None
    pixels: PixelFormat | None = None
    levels: Levels | None = None
    features: FeatureSource | None = None
    num_features: int | None = None
    columns: tuple[str, ...] | None = None
    anchor: Anchor | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    kept: dict[str, Best] = field(default_factory=dict)
    references: dict[str, Tensor] = field(default_factory=dict)
    diagnostics: dict[str, Any] = field(default_factory=dict)
    data_hash: str = ""
    images_hash: str = ""

    @property
    def is_head_alone(self) -> bool:
        """Whether the head alone was trained: on embeddings, or on an encoder that is not."""
        return self.kind is Kind.EMBEDDINGS or bool(self.params["frozen"])
