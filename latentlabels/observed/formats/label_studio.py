"""Label Studio: its JSON, JSON-MIN and CSV exports; tasks with predictions as it imports them.

What an annotator chose is present: choices, paths of a taxonomy (with everything above), labels of regions. Whether a
choice that was not made means "absent" depends on the project, so that it is asked. Each annotation is a statement of
its own; those that disagree are settled afterwards. Skipped annotations and predictions are not read.

Sources: https://labelstud.io/guide/task_format, https://labelstud.io/guide/export, https://labelstud.io/guide/predictions.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import AmbiguousError, Choice, DataError, ObservationError, nearest
from ...space import LabelSpace, OneOf
from ...words import count, listed
from ...writing import writing
from ..options import ReadOptions
from ..record import Statements
from .entries import Entries
from .json_files import checked, dumped, key_paths, load, part, shown
from .label_studio_values import META, LabelPath, label_columns, labels_in, labels_of_cell, read_csv
from .locations import likely_image, names_of
from .registry import Labelled

NAME = "label-studio"
TITLE = "Label Studio export (JSON, JSON-MIN or CSV)"
WRITES = frozenset({"probabilities"})

_IMAGE_KEYS = ("image", "img", "photo", "picture", "image_url", "url", "file", "filename", "path")


@dataclass
class _Answers:
    """What a file holds: where each task's image is, and who chose what."""

    places: list[str] = field(default_factory=list)
    said: list[tuple[int, int, str, LabelPath]] = field(default_factory=list)
    """Number of the task, of the annotation, name of the control, label with what is above it."""
    made: list[tuple[int, int]] = field(default_factory=list)
    """Number of the task and of the annotation, of every annotation, those that chose nothing included."""
    facts: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def recognise(path: Path, head: bytes) -> bool:
    """A list of tasks with data and annotations, or of records with annotation_id; or a table with such columns."""
    keys = key_paths(head)
    if keys:
        start = {"annotations", "completions", "predictions"}
        tasks = any(key.split(".")[:2] in (["[]", one] for one in start) for key in keys)
        inner = any(key.startswith(("[].annotations.[].", "[].completions.[].", "[].predictions.[].")) for key in keys)
        few = {"[].annotation_id", "[].annotator"} & keys
        last = {key.rsplit(".", 1)[-1] for key in keys if key.startswith("[].") and key.count(".") > 1}
        values = bool({"choices", "taxonomy"} & last) or any(one.endswith("labels") for one in last)
        known = inner or any(key.startswith("[].data") for key in keys)
        return (tasks and known) or bool(few) or (values and "[].id" in keys)
    columns = {
        cell.strip().strip('"')
        for cell in head.decode("utf-8-sig", errors="replace").split("\n", 1)[0].replace("\t", ",").split(",")
    }
    return {"annotation_id", "annotator"} <= columns


def read(path: Path, options: ReadOptions) -> Statements:
    """What annotators chose as present; see `Format.read`.

    Raises:
        AmbiguousError: besides, several columns that may hold choices, or the image.
    """
    if not path.is_file():
        raise DataError(f"{path}: file not found")
    with path.open("rb") as file:
        start = file.read(4096).decode("utf-8-sig", errors="ignore").lstrip()[:1]
    if start in ("[", "{"):
        document = load(path)
        records = document if isinstance(document, list) else [document]
        if not records:
            raise DataError(f"{path}: holds no task")
        full = any(isinstance(one, dict) and {"annotations", "completions", "data"} & {*one} for one in records)
        answers = _tasks(path, records, options) if full else _records(path, records, "entry", options)
    else:
        records, lines = read_csv(path)
        answers = _records(path, records, "line", options, lines)
    return _statements(path, answers, options)


# --- full JSON ------------------------------------------------------------------------------------------------


def _tasks(path: Path, tasks: list[Any], options: ReadOptions) -> _Answers:
    answers = _Answers()
    cancelled = predicted = 0
    ignored: dict[str, int] = defaultdict(int)
    data = [part(task, "data", dict, f"{path}: task {number}") for number, task in enumerate(tasks, 1)]
    key = _image_key(path, data, options)
    for number, task in enumerate(tasks):
        where = f"{path}: task {task.get('id', number + 1)}"
        answers.places.append(part(data[number], key, str, f"{where}: data"))
        predicted += len(task.get("predictions") or [])
        made = task.get("annotations", task.get("completions"))
        for place, annotation in enumerate(checked([] if made is None else made, list, f"{where}: annotations"), 1):
            if not isinstance(annotation, dict):
                raise DataError(
                    f"{where}: annotation {place} is {shown(annotation)}; export as JSON, with the annotations in full"
                )
            if annotation.get("was_cancelled") or annotation.get("skipped"):
                cancelled += 1
                continue
            at = f"{where}: annotation {annotation.get('id', place)}"
            answers.made.append((number, _number(annotation.get("id"), place)))
            for result in checked(annotation.get("result") or [], list, f"{at}: result"):
                value = part(result, "value", dict, f"{at}: result") if "value" in checked(result, dict, at) else {}
                found = labels_in(value, at)
                if found is None:
                    ignored[str(result.get("type"))] += 1
                for label in found or ():
                    answers.said.append((number, _number(annotation.get("id"), place), str(result.get("from_name", "")), label))
    if cancelled:
        answers.left_out.append(f"{count(cancelled, 'annotation')} that the annotator skipped (was_cancelled)")
    if predicted:
        answers.facts.append(("predictions", f"{predicted:,}, not read: they are a model's"))
    if ignored:
        kinds = listed([f"{kind} ({number:,})" for kind, number in sorted(ignored.items())])
        answers.facts.append(("results that are no labels", kinds))
    return answers


def _number(value: Any, otherwise: int) -> int:
    text = str(value)
    return int(text) if text.isdecimal() and len(text) < 19 else otherwise


def _image_key(path: Path, data: list[dict[str, Any]], options: ReadOptions) -> str:
    """The key, or column, of the image among the data of a task."""
    keys = list(dict.fromkeys(key for one in data for key in one))
    if options.image_column is not None:
        if options.image_column not in keys:
            raise ObservationError(
                f"{path}: no {options.image_column!r} among {listed(keys)}{nearest(options.image_column, keys)}"
            )
        return options.image_column
    looks = [key for key in keys if likely_image(next((one[key] for one in data if one.get(key)), None))]
    if len(looks) == 1:
        return looks[0]
    named = [key for key in _IMAGE_KEYS if key in (looks or keys)]
    if named and (not looks or named[0] == "image"):
        return named[0]
    if not keys:
        raise DataError(f"{path}: the tasks have no data, so that there are no images; export the tasks with their data")
    raise AmbiguousError(
        f"{path}: {listed(looks or keys)} could be the image",
        [
            Choice({"image_column": key}, "for example " + shown(next(one[key] for one in data if key in one)))
            for key in looks or keys
        ],
    )


# --- JSON-MIN and CSV -----------------------------------------------------------------------------------------


def _records(path: Path, records: list[Any], unit: str, options: ReadOptions, lines: list[int] | None = None) -> _Answers:
    """One record for each annotation: the data of its task, and a column for each control."""
    answers = _Answers()
    for number, one in enumerate(records, 1):
        checked(one, dict, f"{path}: entry {number}")
    key = _image_key(path, [{name: value for name, value in one.items() if name not in META} for one in records], options)
    columns = label_columns(path, records, key, options)
    tasks: dict[str, int] = {}
    for number, one in enumerate(records, 1):
        where = f"{path}:{lines[number - 1]}" if lines else f"{path}: entry {number}"
        place = part(one, key, str, where)
        if not place:
            raise DataError(f"{where}: {key} is empty")
        task = tasks.setdefault(place, len(tasks))
        answers.made.append((task, _number(one.get("annotation_id"), number)))
        for name in columns:
            for label in labels_of_cell(one.get(name), f"{where}: {name}") or ():
                answers.said.append((task, _number(one.get("annotation_id"), number), name, label))
    answers.places = list(tasks)
    answers.facts.append(("columns of labels", ", ".join(f'"{name}"' for name in columns)))
    return answers


def _statements(path: Path, answers: _Answers, options: ReadOptions) -> Statements:
    if any(place.startswith("data:") for place in answers.places):
        raise DataError(f"{path}: holds images themselves (data:...), not where they are; export tasks with links to files")
    places = list(dict.fromkeys(answers.places))
    names, facts = names_of(places, options)
    name_of = dict(zip(places, names, strict=True))
    entries = Entries()
    rows = [entries.image(name_of[place]) for place in answers.places]
    controls: dict[str, set[tuple[str, LabelPath]]] = defaultdict(set)
    for _, _, control, label in answers.said:
        for depth in range(1, len(label) + 1):
            controls[label[depth - 1]].add((control, label[:depth]))
    seen = set()
    several = set()
    for task, where, control, label in answers.said:
        for depth in range(1, len(label) + 1):
            name = label[depth - 1]
            if len(controls[name]) > 1:  # the same word in two places
                name = " / ".join((*((control,) if len({c for c, _ in controls[name]}) > 1 else ()), *label[:depth]))
                several.add(name)
            if (task, where, name) not in seen:
                seen.add((task, where, name))
                entries.add(rows[task], name, 1, where)
    entries.left_out += answers.left_out
    chosen = len(entries)
    if options.unlisted == "absent":  # by each annotation for itself: what one annotator chose, another one left out
        for task, where in answers.made:
            for name in list(entries.labels):
                if (task, where, name) not in seen:
                    entries.add(rows[task], name, 0, where)
        for task in {*range(len(rows))} - {task for task, _ in answers.made}:
            for name in list(entries.labels):
                entries.add(rows[task], name, -1)  # nobody looked
    reading = [("present labels", f"{chosen:,} choices and labels of regions"), *facts, *answers.facts]
    reading.append(("other labels", "the export does not say whether they were considered"))
    if several:
        reading.append(("labels of one name", f"told apart by control and path ({listed(sorted(several), 3)})"))
    return entries.statements(path, NAME, unit="annotation", reading=reading)


# --- writing --------------------------------------------------------------------------------------------------


def write(path: Path, content: Labelled) -> None:
    """Tasks with one prediction each: what is most probable as choices, and all probabilities in the task's data.

    A control is named after its group, and "labels" for all free labels; the image's is "image". The score is the
    probability of what is least certain, so that sorting by it puts the images first that most need a look.
    """
    probabilities = content.probabilities
    if probabilities is None:
        raise DataError(f"{path}: Label Studio tasks are written with probabilities, and there are none; write coco or a table")
    labels = content.space.labels
    with writing(path) as file:
        for number, name in enumerate(content.images):
            row = probabilities[number]
            result, score = _result(content.space, row)
            task = {
                "data": {
                    "image": name,
                    "probabilities": {k: float(f"{p:.6g}") for k, p in zip(labels, row.tolist(), strict=True)},
                },
                "predictions": [{"model_version": content.model, "score": score, "result": result}],
            }
            file.write(("[\n" if number == 0 else ",\n") + dumped(task))
        file.write("\n]\n" if content.images else "[]\n")


def _result(space: LabelSpace, row: NDArray[np.float32]) -> tuple[list[dict[str, Any]], float]:
    """The most probable choice of each group and the probable free labels, and the probability of the least certain."""
    chosen: dict[str, list[tuple[str, float]]] = {}
    certain = 1.0
    for group in space.groups:
        values = row[space.columns(group)].tolist()
        if isinstance(group, OneOf):
            best = max(range(len(values)), key=values.__getitem__)
            none = 1 - sum(values)
            certain = min(certain, max(values[best], none))
            if values[best] > none:
                chosen[group.name] = [(group.labels[best], values[best])]
        else:
            certain = min(certain, max(values[0], 1 - values[0]))
            if values[0] > 0.5:
                chosen.setdefault("labels", []).append((group.label, values[0]))
    result = [
        {"from_name": control, "to_name": "image", "type": "choices", "score": float(f"{min(p for _, p in many):.6g}"),
         "value": {"choices": [label for label, _ in many]}}
        for control, many in chosen.items()
    ]  # fmt: skip
    return result, float(f"{certain:.6g}")
