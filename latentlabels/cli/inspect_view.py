"""What `inspect` found, for a reader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..words import any_of, count, grouping, listed, percent
from .output import show_facts, table

if TYPE_CHECKING:
    from rich.console import Console

_LISTED = 30


def _condition(group: dict[str, Any]) -> str:
    """What a group requires and excludes."""
    parts = []
    for words, given in (("", group["requires"]), ("excludes ", group["excludes"])):
        labels = [given] if isinstance(given, str) else list(given or ())
        if labels:
            parts.append(f"{words}{listed(labels)}" if words else any_of(labels))
    return "; ".join(parts)


def show(console: Console, found: dict[str, Any], everything: bool) -> None:
    """Print it.

    Args:
        console: where.
        found: the document of `inspect`.
        everything: whether each label is listed, however many there are.
    """
    from ..observed.record import SEVERAL

    show_facts(console, _facts(found))
    for remark in [*found["remarks"], *_said(found)]:
        console.print(f"note: {remark}")
    if found["read_as"] is not None:
        for what, how in found["read_as"]["facts"]:
            if what == SEVERAL:
                console.print(f"note: {what}: {how}; each name in a cell is a label of its own")
        _show_contradictions(console, found["read_as"], everything)
    _show_groups(console, found["groups"])
    console.print()
    _show_labels(console, found["labels"], everything)
    console.print("\nprevalence: the estimated share of images that show the label, where a fit starts")
    _show_hints(console, found)
    console.print(f"\nnext: {found['next']}")


def _facts(found: dict[str, Any]) -> list[tuple[str, str]]:
    """What the data hold, a line each."""
    from ..checks.fit_facts import expected_labels, held_out
    from ..checks.fit_facts import read_as as said_as
    from ..inputs.levels import Levels
    from ..inputs.looks import levels_in_words
    from ..observed.few import FEW_IMAGES

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
    return rows


def _show_groups(console: Console, groups: list[dict[str, Any]]) -> None:
    """A table of the groups that were declared."""
    declared = [group for group in groups if group["kind"] != "free" or group["requires"] or group["excludes"]]
    if not declared:
        return
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
    console.print()
    console.print(table(columns, cells, numeric=("labels", "known", "applies to")))


def _show_hints(console: Console, found: dict[str, Any]) -> None:
    """What the user can state to help a fit."""
    from ..program.starting_point import ScaleFrom

    if found["expected_labels_from"] == ScaleFrom.DEFAULT:
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


def _said(found: dict[str, Any]) -> list[str]:
    from ..checks import Finding
    from ..checks.sentences import warning

    stored = [Finding.from_dict(found[key]) for key in ("contradiction", "evenness") if found[key]]
    stored += [Finding.from_dict(one) for one in found["complete_images"]]
    return [warning(one) for one in stored if one is not None]
