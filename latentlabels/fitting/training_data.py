"""What a config's `data` and `labels` sections hold, as `Inputs`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..annotation import KINDS
from ..config import Config, DataConfig
from ..errors import AmbiguousError, Choice, ConfigError
from ..inputs import Inputs, Reading, Wanted, read_inputs
from ..inputs.embeddings import load_embeddings
from ..inputs.merging import with_copies_merged
from ..kind import Kind
from ..observed import Observed, Tree
from ..observed.options import ReadOptions, class_names, texts
from ..observed.record import SPLIT
from ..space import LabelSpace
from .answers_table import read_answers, with_answers
from .complete_table import with_complete
from .held_out import check_stated
from .single_positive import single_positive
from .stated_split import IN_CONFIG, with_statements


def training_inputs(config: Config, wanted: Wanted, how: Reading | None = None) -> Inputs:
    """The training data of a config: images or embeddings with their known labels, and complete ones where an .npz has them.

    What `data.split` and `data.together` state goes with them; the images of a test are left out. With
    `data.single_positive` one present label of each image is kept, and the complete labels are the truth. What the table
    `data.complete` says of an image replaces what was known of it. The table `data.answers` goes with them.

    Args:
        config: whose `data`, `labels` and `annotation` are read.
        wanted: what the model takes.
        how: details of reading; `data.strict` and the annotation decide the rest.

    Raises:
        ConfigError: the config names no data, files that are not there, or sections that do not go together.
        DataError, ObservationError: what is in the files cannot be used.
    """
    config.check_files()
    inputs = _read(config, wanted, how)
    _check_parts(inputs, config.data)
    if config.data.single_positive is not None:
        inputs = single_positive(inputs, config.data.single_positive)
    if config.data.complete is not None:
        one_positive = KINDS[config.annotation.kind].one_positive
        inputs = with_complete(inputs, config.data.complete, one_positive, config.data.strict)
    if config.data.answers is not None:
        assert inputs.observed is not None  # the training data of a config have labels
        answers = read_answers(config.data.answers, inputs.observed.space)
        inputs = with_answers(inputs, answers, f"data.answers: {config.data.answers}", config.data.strict)
    found = with_statements(inputs, config.data.split, config.data.together, IN_CONFIG)
    check_stated(found, config.fit.held_out, lambda key: f"{config.where(key)}: {key}")
    # an image with a copy would have two known labels, which the published setting does not give it
    merge = not KINDS[config.annotation.kind].one_positive and config.data.single_positive is None
    listing = how is not None and how.unreadable == "collect"
    return with_copies_merged(found, merge, replace(reading_of(config.data), listing=listing))


def _read(config: Config, wanted: Wanted, how: Reading | None) -> Inputs:
    data, space = config.data, config.space()
    how = Reading() if how is None else how
    options = replace(reading_of(data), space=space, listing=how.unreadable == "collect")
    how = replace(
        how,
        labelled=True,
        recognise=True,
        strict=data.strict,
        folder=options,
        merge=not KINDS[config.annotation.kind].one_positive,
        unreadable="error" if data.strict and how.unreadable == "warn" else how.unreadable,
        tree=Tree() if how.tree is None else how.tree,
        white=data.white,
    )
    where = data.embeddings or data.images
    assert where is not None  # check_files has seen to it
    if data.observed is not None:
        known = known_of(data.observed, wanted.kind, data.images, replace(options, tree=how.tree))
        return read_inputs(where, known, space=known.space, wanted=wanted, how=how)
    if wanted.kind is Kind.IMAGES:
        return read_inputs(where, space=space, wanted=wanted, how=how)
    found = load_embeddings(where)
    if found.observed is None:
        raise ConfigError(
            f"{config.where('data.embeddings')}: data.embeddings: {where} has no array `observed`; "
            "give the known labels as a table, --observed or data.observed"
        )
    return read_inputs(where, space=space_of(config, space, where), wanted=wanted, how=how)


def _check_parts(inputs: Inputs, data: DataConfig) -> None:
    """Ask what is to be done with the images of a test, where the source names such a part and nobody says.

    Raises:
        AmbiguousError: the choices are named.
    """
    parts = () if inputs.observed is None else inputs.observed.extra.get(SPLIT, ())
    named = {part: parts.count(part) for part in dict.fromkeys(parts) if part}
    if data.split is not None or data.part or len(named) < 2:
        return
    shown = ", ".join(f"{part} ({number:,})" for part, number in named.items())
    first = next((part for part in named if part.lower().startswith("train")), next(iter(named)))
    raise AmbiguousError(
        f"{data.observed or data.images}: its images are in several parts: {shown}",
        [
            Choice({"split": SPLIT}, "train on train, hold out validation or val, leave out test"),
            Choice({"part": first}, f"use {first} alone"),
            Choice({"part": ",".join(named)}, "use all of them alike"),
        ],
    )


def space_of(config: Config, space: LabelSpace | None, path: Path) -> LabelSpace:
    """The label space of a config, or else of the array `labels` of an .npz.

    Raises:
        ConfigError: neither is there.
    """
    space = load_embeddings(path).space() if space is None else space
    if space is None:
        raise ConfigError(
            f"{config.where('data.embeddings')}: data.embeddings: {path} has no array `labels`, so its labels have no "
            "names; give a `labels` section, or --labels labels.yaml"
        )
    return space


def known_of(table: Path, kind: Kind, root: Path | None, options: ReadOptions) -> Observed:
    """A table of known labels; of images only those rows whose image is in the folder.

    Args:
        table: the file.
        kind: what the rows are about.
        root: the folder of the images.
        options: how it is read.

    Raises:
        DataError, ObservationError: as `Observed.from_table`.
    """
    return Observed.read(table, replace(options, images_root=root if kind is Kind.IMAGES else None))


def reading_of(data: DataConfig) -> ReadOptions:
    """How a config has its known labels read; what can mean two things is refused."""
    return ReadOptions(
        format=data.format,
        unlisted=data.unlisted,
        present=texts(data.present),
        absent=texts(data.absent),
        unknown=texts(data.unknown),
        image_column=data.image_column,
        label_columns=None if data.label_columns is None else tuple(data.label_columns),
        ignore=tuple(data.ignore),
        classes=class_names(data.classes),
        separator=data.separator,
        part=tuple(data.part or ()),
        split=data.split,
        together=data.together,
        unlabelled=tuple(data.unlabelled or ()),
        contradictions=data.contradictions,
        strict=data.strict,
        ambiguous="refuse",
    )
