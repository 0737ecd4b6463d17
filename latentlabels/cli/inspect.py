"""`latentlabels inspect`: check the data and what the assumptions imply before a fit."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import DataError, DataWarning
from ..words import count
from . import options
from .configs import config_of, explained, fit_command, read_training
from .inspect_view import show
from .label_options import reads_labels
from .output import Debug, Json, Output, Strict, UsageError

if TYPE_CHECKING:
    from ..annotation import Annotation
    from ..checks import Finding
    from ..config import Config
    from ..inputs import Inputs
    from ..observed import Observed
    from ..program.starting_point import Anchor

_LOOKED_FOR = 20_000_000  # images x labels up to which a label space is proposed unasked


@reads_labels()
def inspect(
    reading: dict[str, Any],
    source: Annotated[
        Path | None,
        typer.Argument(metavar="CONFIG|DIR", help="A config, a folder with one folder of images for each label, or an .npz."),
    ] = None,
    labels: options.Labels = None,
    observed: options.Table = None,
    complete: options.Complete = None,
    overrides: options.Overrides = None,
    propose: Annotated[
        Path | None,
        typer.Option(
            "--propose",
            metavar="FILE",
            help="Write a labels.yaml that the known labels suggest, with the evidence for each line, to a new file.",
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="List every label, however many there are.")] = False,
    strict: Strict = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Check data before a fit: the labels, how often each is known, unreadable files, and what the assumptions imply.

    For example: latentlabels inspect photos/ --labels labels.yaml

    It trains no model, and writes a file only with --propose.
    """
    with Output(as_json) as output:
        from ..inputs import Reading

        if source is None and not overrides:
            raise UsageError("no data to inspect; give a CONFIG, or a folder with one folder of images for each label")
        config = config_of(source, labels, observed, reading, overrides, complete)
        _check_new(propose)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", DataWarning)
            inputs = read_training(config, Reading(unreadable="collect", budget=0), features=False)
            parts = _held_out(config, inputs)
        remarks = list(dict.fromkeys(str(warning.message) for warning in caught if issubclass(warning.category, DataWarning)))
        document = {"source": source, **_document(config, inputs), "held_out": parts, "remarks": remarks}
        if (strict or config.data.strict) and (document["unreadable"] or remarks):
            said = [*(item["why"] for item in document["unreadable"]), *remarks]
            raise DataError(f"{source}: {count(len(said), 'problem')} (strict): {'; '.join(said[:10])}")
        document["next"] = fit_command(source, labels, config, config.data.complete)
        document |= _proposed(inputs, propose)
        output.emit(document, lambda console: show(console, document, everything))


def _check_new(path: Path | None) -> None:
    """Refuse to write over a file, before anything is read."""
    if path is not None and path.exists():
        raise UsageError(f"--propose {path}: exists and is never overwritten; give the name of a new file")
    if path is not None and not path.parent.is_dir():
        raise UsageError(f"--propose {path}: folder {path.parent} not found; create it first")


def _proposed(inputs: Inputs, path: Path | None) -> dict[str, Any]:
    """The label space that known labels suggest: written where that was asked for, and looked for where it costs little."""
    from ..checks.proposal import propose
    from ..writing import write_text

    assert inputs.observed is not None
    if path is None and len(inputs.observed) * inputs.observed.space.num_labels > _LOOKED_FOR:
        return {"proposal": None, "proposal_is_new": False, "proposal_file": None}
    found = propose(inputs.observed)
    if path is not None:
        write_text(path, found.to_yaml())
    return {"proposal": found.to_dict(), "proposal_is_new": found.is_new, "proposal_file": path}


def _document(config: Config, inputs: Inputs) -> dict[str, Any]:
    from ..annotation import from_config
    from ..annotation.learning import learn
    from ..checks.complete_images import complete_images
    from ..program.starting_point import derive_prior

    table_ = inputs.observed
    assert table_ is not None  # the training data of a config have labels
    space = table_.space
    with explained(config):
        how = learn(from_config(config.annotation.model_dump(), space), table_.known, space)
        anchor = derive_prior(space, table_.known, how, config.model.expected_labels)
    present, absent = table_.known.counts()
    known = table_.num_known
    return {
        "num_images": len(table_),
        "kind": inputs.kind.value,
        "embedding_size": inputs.num_features,
        "unreadable": [{"image": image.name, "why": image.why} for image in inputs.left_out],
        "images_without_known_label": int((known == 0).sum()),
        "num_labels": space.num_labels,
        "known_present": int(present.sum()),
        "known_absent": int(absent.sum()),
        "known_per_image": float(known.mean()),
        "never_known": list(anchor.never_known),
        "labels": [
            {
                "label": label,
                "group": space.group_of(label).name,
                "known_present": int(present[k]),
                "known_absent": int(absent[k]),
                "prevalence": float(anchor.prevalence[k]),
            }
            for k, label in enumerate(space.labels)
        ],
        "groups": _groups(table_, anchor),
        "annotation": {"kind": how.kind, "meaning": how.meaning},
        "expected_labels": anchor.expected_labels,
        "expected_labels_source": anchor.source,
        "expected_labels_from": anchor.scale_from.value,
        "expected_labels_identified": anchor.identified,
        "expected_labels_error": anchor.error,
        "num_complete": anchor.num_complete,
        "learned": {name: one.to_dict() for name, one in how.learned.items()},
        "complete_images": [one.to_dict() for one in complete_images(table_, how, inputs.completed)],
        "completed": None if inputs.completed is None else inputs.completed.to_dict(),
        "has_truth": inputs.truth is not None,
        "levels": None if inputs.levels is None else inputs.levels.to_config(),
        "read_as": None if table_.how_read is None else table_.how_read.to_dict(),
        **{key: None if one is None else one.to_dict() for key, one in _findings(table_, how).items()},
    }


def _held_out(config: Config, inputs: Inputs) -> dict[str, Any]:
    """Which images a fit would hold out."""
    from ..fitting.held_out import hold_out

    with explained(config):
        return hold_out(inputs, config.fit.held_out, config.fit.seed).to_dict()


def _findings(known: Observed, how: Annotation) -> dict[str, Finding | None]:
    """What known labels say before anything is fitted."""
    from ..checks.diagnostics import contradiction, evenness

    return {"contradiction": contradiction(known, how), "evenness": evenness(known, how)}


def _groups(known: Observed, anchor: Anchor) -> list[dict[str, Any]]:
    import numpy as np

    from ..space import Free

    space, (row, column) = known.space, known.known.entries(1)
    out = []
    for group in space.groups:
        columns = space.columns(group)
        free = isinstance(group, Free)
        out.append(
            {
                "group": group.name,
                "kind": "free" if free else ("one of them, or none" if group.optional else "exactly one of them"),
                "requires": group.requires,
                "excludes": group.excludes,
                "labels": list(group.labels),
                "known_images": len(np.unique(row[np.isin(column, columns)])),
                "applies": min(float(anchor.prevalence[columns].sum()), 1.0),
            }
        )
    return out
