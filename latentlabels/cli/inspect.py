"""`latentlabels inspect`: check the data and what the assumptions imply before a fit."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import DataError, DataWarning
from ..words import any_of, count, grouping, listed, percent
from . import options
from .label_options import reads_labels
from .output import Debug, Json, Output, Strict, UsageError, show_facts, table
from .sources import config_of, explained, fit_command, read_training

if TYPE_CHECKING:
    from rich.console import Console

    from ..annotation import Annotation
    from ..checks import Finding
    from ..config import Config
    from ..inputs import Inputs
    from ..observed import Observed
    from ..program.starting_point import Anchor

_LISTED = 30
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

    It trains no model, and writes no file but that of --propose.
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
        output.emit(document, lambda console: _show(console, document, everything))


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


def _said(found: dict[str, Any]) -> list[str]:
    from ..checks import Finding
    from ..checks.sentences import warning

    stored = [Finding.from_dict(found[key]) for key in ("contradiction", "evenness") if found[key]]
    stored += [Finding.from_dict(one) for one in found["complete_images"]]
    return [warning(one) for one in stored if one is not None]


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


def _condition(group: dict[str, Any]) -> str:
    """What a group requires and excludes."""
    parts = []
    for words, given in (("", group["requires"]), ("excludes ", group["excludes"])):
        labels = [given] if isinstance(given, str) else list(given or ())
        if labels:
            parts.append(f"{words}{listed(labels)}" if words else any_of(labels))
    return "; ".join(parts)


def _show(console: Console, found: dict[str, Any], everything: bool) -> None:
    from ..checks.sentences import expected_labels, held_out
    from ..checks.sentences import read_as as said_as
    from ..inputs.levels import Levels
    from ..inputs.looks import levels_in_words
    from ..observed.few import FEW_IMAGES
    from ..observed.record import SEVERAL

    bad, groups = found["unreadable"], found["groups"]
    known = f"{found['known_present']:,} present, {found['known_absent']:,} absent ({found['known_per_image']:.2f} per image)"
    if found["images_without_known_label"]:
        known += f"; {count(found['images_without_known_label'], 'image')} without known labels"
    size = "" if found["embedding_size"] is None else f" of {found['embedding_size']:,} numbers"
    free = sum(group["kind"] == "free" for group in groups)
    read_as = found["read_as"]
    rows = [] if read_as is None or not read_as["facts"] else [("read as", said_as(read_as))]
    rows += [
        (found["kind"], f"{found['num_images']:,}{size}"),
        ("labels", f"{found['num_labels']:,}, {grouping(found['num_labels'], free, len(groups))}"),
        ("known labels", known),
        ("held out", held_out(found["held_out"])),
    ]
    levels = levels_in_words(Levels.from_config(found["levels"]))
    if levels:
        rows.append(("pixels", levels))
    if bad:
        names = [str(item["image"]) for item in bad]
        rows.append(("cannot be read", f"{count(len(bad), 'image')}; a fit leaves them out: {listed(names, 10)}"))
    if found["never_known"]:
        rows.append(("never known", f"{listed(found['never_known'], 10)}: a fit cannot learn these labels"))
    few = [row["label"] for row in found["labels"] if 0 < row["known_present"] < FEW_IMAGES]
    if few:
        rows.append((f"known fewer than {FEW_IMAGES} times", listed(few, 10)))
    rows += [
        ("annotation", f"{found['annotation']['kind']}: {found['annotation']['meaning']}"),
        ("labels per image", expected_labels(found)),
    ]
    if found["has_truth"]:
        rows.append(("complete labels", "given; only objectives for complete labels read them"))
    show_facts(console, rows)
    for remark in [*found["remarks"], *_said(found)]:
        console.print(f"note: {remark}")
    if read_as is not None:
        for what, how in read_as["facts"]:
            if what == SEVERAL:
                console.print(f"note: {what}: {how}; each name in a cell is a label of its own")
        _show_contradictions(console, read_as, everything)
    declared = [group for group in groups if group["kind"] != "free" or group["requires"] or group["excludes"]]
    if declared:
        console.print()
        cells = [
            (
                g["group"],
                g["kind"],
                _condition(g),
                f"{len(g['labels'])}",
                f"{g['known_images']:,}",
                percent(g["applies"], 1),
            )
            for g in declared
        ]
        columns = ("group", "an image shows", "requires", "labels", "known", "applies to")
        console.print(table(columns, cells, numeric=("labels", "known", "applies to")))
    console.print()
    _show_labels(console, found["labels"], everything)
    console.print("\nprevalence: the estimated share of images that show the label, where a fit starts")
    if not found["expected_labels_identified"] and found["expected_labels_source"].startswith("the default"):
        console.print(
            "\nThe number of labels per image is a guess, and it sets the scale of all probabilities. If you know it, give\n"
            "--set model.expected_labels=NUMBER, or declare in a labels.yaml which labels exclude each other."
        )
    if found["proposal_file"] is not None:
        console.print(f"\n{found['proposal_file']}: a label space with the evidence for each line; read it before you use it")
    elif found["proposal_is_new"]:
        console.print(
            "\nThe known labels suggest groups: --propose labels.yaml writes a label space with the evidence for each."
        )
    console.print(f"\nnext: {found['next']}")


def _show_contradictions(console: Console, read_as: dict[str, Any], everything: bool) -> None:
    from ..observed.record import Contradiction

    found = [str(Contradiction(**one)) for one in read_as["contradictions"]]
    if not found:
        return
    did = {
        "refuse": "A fit stops there, unless --contradictions unknown or --contradictions vote is given",
        "unknown": "The labels concerned count as unknown",
        "vote": "The majority of statements counts",
    }[read_as["policy"]]
    console.print(f"note: {count(len(found), 'contradiction')} among the known labels. {did}:")
    shown = found if everything or len(found) <= _LISTED else found[:_LISTED]
    for one in shown:
        console.print(f"  {one}")
    if len(shown) < len(found):
        console.print(f"  (--all lists {len(found) - len(shown):,} more)")


def _show_labels(console: Console, labels: list[dict[str, Any]], everything: bool) -> None:
    ranked = sorted(labels, key=lambda row: -row["known_present"])
    shown = ranked if everything or len(ranked) <= _LISTED else [*ranked[: _LISTED - 10], *ranked[-10:]]
    any_absent = any(row["known_absent"] for row in labels)
    columns = ("label", "group", "known present", *(("known absent",) if any_absent else ()), "prevalence")
    rows = [
        (
            row["label"],
            "" if row["group"] == row["label"] else row["group"],
            f"{row['known_present']:,}",
            *((f"{row['known_absent']:,}",) if any_absent else ()),
            percent(row["prevalence"], 1),
        )
        for row in shown
    ]
    console.print(table(columns, rows, numeric=("known present", "known absent", "prevalence")))
    if len(shown) < len(ranked):
        console.print(
            f"(the {_LISTED - 10} most and the 10 least often known labels; --all lists {len(ranked) - len(shown):,} more)"
        )
