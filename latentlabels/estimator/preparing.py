"""Before training: read the data, decide what was left open, build the program."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from numpy.typing import ArrayLike

from ..annotation import Annotation
from ..annotation.learning import learn
from ..config import ModelConfig
from ..decisions import Decisions, Thresholds
from ..errors import DataError
from ..fitting import build_program, decide_head
from ..fitting.answers_table import with_answers
from ..fitting.build import Earlier, warn_of_start
from ..fitting.features_once import features_once
from ..fitting.fitted import Fitted
from ..fitting.names import show_names
from ..fitting.settling import CHOSEN, features_of, settle, wanted_by
from ..fitting.stated_split import with_statements
from ..fitting.warm_start import as_before, check_same_encoder, has_scale, labels_read, starts_over, take_over, wanted_after
from ..inputs import Inputs, Reading, Wanted, kind_given, read_inputs
from ..inputs.alignment import as_observed
from ..inputs.batches import Batches
from ..inputs.merging import with_copies_merged
from ..kind import Kind
from ..observed import Observed
from ..observed.options import ReadOptions
from ..program.starting_point import Anchor, derive_prior, prior_logits
from ..progress import Phase, phase
from .settings import Settings

if TYPE_CHECKING:
    from ..inputs.alignment import Labels
    from ..inputs.given import Images


class Prepared(NamedTuple):
    """What training begins with.

    Attributes:
        start: the fit at its start, before the first step.
        inputs: the images with their known labels.
        batches: what is trained on, which may be features of the images.
    """

    start: Fitted
    inputs: Inputs
    batches: Batches


@dataclass(frozen=True)
class _Choice:
    """What was decided before the data are read.

    Attributes:
        model: the settings of the model, with nothing left open about the encoder.
        why: why this encoder was chosen; "" where it was stated.
        wanted: what the model takes.
    """

    model: ModelConfig
    why: str
    wanted: Wanted


def prepare(
    settings: Settings,
    before: Fitted | None,
    images: Images,
    observed: Labels | None,
    truth: Labels | None = None,
    held_out: str | ArrayLike | None = None,
    together: str | ArrayLike | None = None,
    answers: Labels | None = None,
    first: bool = False,
) -> Prepared:
    """Read the data and build the program. Warnings point at whoever called the caller.

    Args:
        settings: which were checked.
        before: the fit to begin with; None to begin afresh.
        images: as for `LatentLabels.fit`, and so are the others.
        observed: known labels.
        truth: complete labels.
        held_out: which images are held out.
        together: which images belong together.
        answers: to questions about these images.
        first: whether a fit with answers follows, and this is the one without; see `fitting.scaling`.

    Raises:
        ObservationError, DataError, ConfigError, WeightsError: what cannot be used, and what to do.
    """
    choice = _choose(settings, before, images)
    with phase(Phase.READING, "reading the data"):
        inputs, table = read_training(settings, choice.wanted, images, observed, truth, held_out, together, answers)
    how = learn(settings.annotation, table.known, table.space)
    anchor = derive_prior(table.space, table.known, how, settings.model.expected_labels)
    if inputs.answers is not None:  # answers teach a label that nobody picked
        seen = inputs.answers.counts()[0] > 0
        never = tuple(label for label in anchor.never_known if not seen[table.space.index(label)])
        anchor = replace(anchor, never_known=never)
    warn_of_start(choice.model, anchor, table.space.num_labels, stacklevel=3)
    torch.manual_seed(int(settings.fit.seed))
    asks = first or inputs.answers is not None
    over = before is not None and asks and starts_over(before, inputs, choice.model)
    start = _build(settings, choice, before, inputs, table, how, anchor, over)
    amortizer, batch_size = start.program.model.amortizer, settings.fit.batch_size
    frozen, keep = bool(choice.model.frozen), before is not None
    batches = features_once(amortizer.encoder, inputs.items, frozen, batch_size, keep_scale=keep)
    show_names(amortizer, batches, batch_size, keep)
    return Prepared(start, inputs, batches)


def _choose(settings: Settings, before: Fitted | None, images: Images) -> _Choice:
    """The encoder, and what it takes: as stated, else as in the fit to begin with, else the best at hand."""
    given = settings.model if before is None else as_before(settings.model, before)
    model, why = settle(given, str(settings.fit.accelerator), kind_given(images))
    if before is None:
        wanted = wanted_by(model, settings.fit, read=images if isinstance(images, Inputs) else None)
    else:
        wanted = wanted_after(model, settings.fit, before)
    return _Choice(model, why, wanted)


def read_training(
    settings: Settings,
    wanted: Wanted,
    images: Images,
    observed: Labels | None,
    truth: Labels | None,
    held_out: str | ArrayLike | None,
    together: str | ArrayLike | None,
    answers: Labels | None = None,
) -> tuple[Inputs, Observed]:
    """The images to fit, without those of a test, copies merged; and their known labels. Arguments are those of `prepare`."""
    merge = not settings.annotation.one_positive
    how = Reading(labelled=True, merge=merge, recognise=True, white=settings.white)
    inputs = read_inputs(images, observed, truth, space=settings.space, wanted=wanted, how=how)
    table = inputs.observed
    if table is None:
        raise DataError(
            "observed is missing, so there are no known labels to learn from; give "
            "fit(images, observed), or a folder with one folder of images for each label"
        )
    if answers is not None:
        inputs = with_answers(inputs, as_observed(answers, table.space, inputs.names))
    inputs = with_statements(inputs, held_out, together)
    if not isinstance(images, Inputs):  # else whoever read them has seen to it
        read = ReadOptions() if table.how_read is None else ReadOptions(contradictions=table.how_read.policy)
        inputs = with_copies_merged(inputs, merge, read)
    table = inputs.observed
    assert table is not None
    if len(inputs) < 2:
        raise DataError(f"a fit needs at least two images, not {len(inputs)}")
    return inputs, table


def _build(
    settings: Settings,
    choice: _Choice,
    before: Fitted | None,
    inputs: Inputs,
    table: Observed,
    how: Annotation,
    anchor: Anchor,
    over: bool,
) -> Fitted:
    """The program at its start: head, encoder, and what is taken over from the fit to begin with."""
    model, num_inputs = choice.model, inputs.num_features
    head = decide_head(model, how, table, anchor)
    pixels = choice.wanted.format if inputs.kind is Kind.IMAGES else None
    if before is not None:
        check_same_encoder(before, model.encoder, num_inputs)
        head = replace(head, scaled=not model.frozen and has_scale(before))
    earlier = None if before is None else Earlier(before.program.described, labels_read(model, before))
    program = build_program(table.space, how, model, head, num_inputs, anchor, pixels, inputs.size, earlier, len(inputs))
    amortizer = program.model.amortizer
    taken = None if before is None else take_over(amortizer, before.program.model.amortizer)
    if over and head.start == "prior":
        amortizer.start_at(prior_logits(program.space, anchor.prevalence))
    return Fitted(
        space=table.space,
        annotation=how,
        kind=inputs.kind,
        program=program,
        decisions=Decisions(Thresholds.halves(table.space.num_labels)),
        head=head,
        begun_with=None if taken is None else () if over else taken.labels,
        why=choice.why,
        params=dict(settings.params) | {key: getattr(model, key) for key in CHOSEN},
        names=inputs.names,
        image_size=inputs.size,
        pixels=pixels,
        levels=inputs.levels,
        features=choice.wanted.features or features_of(amortizer.encoder, model, settings.fit, pixels),
        num_features=num_inputs,
        columns=inputs.columns,
        anchor=anchor,
    )
