"""The model card in Markdown, from the facts of `card_of`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..checks.fit_facts import encoder_used, held_out
from ..kind import Kind
from ..space import Free, LabelSpace
from ..words import count, finite, listed, number, percent_of, shown
from .formats import OUTPUT
from .snippets import WINDOWS


def card_text(facts: Mapping[str, Any]) -> str:
    """The card in Markdown."""
    graphs = facts["graphs"]
    parts = [
        f"# {graphs['labels']}",
        *([f"**Poor fit.** {facts['poor']['text']}"] if facts["poor"] else []),
        *(facts["verdict"][key] for key in ("sentence", "weakest_sentence") if facts["verdict"][key]),
        f"The probability of each of {count(len(facts['labels']), 'label')} of an image. Written by latentlabels "
        f"{facts['versions']['latentlabels']}.",
        _section("Graphs", _graphs(facts)),
        _section("Labels", _labels(facts)),
        _section("Inputs", _inputs(facts)),
        f"## Run\n\n```python\n{facts['run']}```",
        _section("How it was made", _made(facts)),
        _section("Figures", _said_figures(facts)),
        _section("Limits", _limits(facts)),
        _section("Versions", [f"{name} {number_of}" for name, number_of in facts["versions"].items()]),
    ]
    return "\n\n".join(parts) + "\n"


def _section(title: str, lines: Sequence[str]) -> str:
    return f"## {title}\n\n" + "\n".join(f"- {line}" for line in lines)


def _graphs(facts: Mapping[str, Any]) -> list[str]:
    graphs, check = facts["graphs"], facts["check"]
    names = ", ".join(facts["inputs"])
    beside = [f"{listed(graphs['beside'])}: the weights, which stay beside them"] if graphs["beside"] else []
    first = next(iter(facts["inputs"]))
    off = "; ".join(f"{name} {value:.1e}" for name, value in check["largest_difference"].items())
    return [
        f"{graphs['labels']}: {first} to {OUTPUT}, p(label given the image)",
        f"{graphs['labels_given_known']}: {names} to {OUTPUT}, p(label given the image and its known labels)",
        *beside,
        "The first dimension N is any number of images.",
        f"Each graph was compared with the model on random inputs. Largest difference of a probability: {off} "
        f"(allowed: {check['tolerance']:g}).",
    ]


def _labels(facts: Mapping[str, Any]) -> list[str]:
    """The columns in order, then the groups."""
    columns = [
        f"{place}: {shown(label)} (threshold {facts['thresholds'][label]:.4g})" for place, label in enumerate(facts["labels"])
    ]
    columns.append(f"thresholds are for {facts['thresholds_for']}, found from {facts['thresholds_from']}")
    declared, predicted = (LabelSpace.from_config(facts[key]) for key in ("groups", "predicted_groups"))
    groups = [_group(one) for one in predicted.to_config() if not isinstance(predicted.named(_name(one)), Free)]
    if declared.to_config() != predicted.to_config():
        groups.append(f"objective {facts['objective']} predicts with these groups, not with those that were declared")
    return columns + (groups or ["no groups: every label is present or absent by itself"])


def _name(entry: Mapping[str, Any]) -> str:
    return str(entry["name"])


def _group(entry: Mapping[str, Any]) -> str:
    rest = ", ".join(
        f"{key} {json.dumps(value, ensure_ascii=False)}" for key, value in entry.items() if key not in ("name", "one_of")
    )
    return f"group {shown(entry['name'])}: one of {listed(entry['one_of'], 40)}" + (f" ({rest})" if rest else "")


def _inputs(facts: Mapping[str, Any]) -> list[str]:
    return [f"{name}: {_said_input(name, found)}" for name, found in facts["inputs"].items()]


def _said_input(name: str, found: Mapping[str, Any]) -> str:
    size = f"({', '.join(map(str, found['shape']))}), {found['type']}"
    if name == Kind.EMBEDDINGS:
        return f"{size}; features of the same network as in training, not scaled"
    if name != Kind.IMAGES:
        return f"{size}; 1 known to be present, 0 known to be absent, -1 unknown"
    height, width = found["shape"][2:]
    how = f"The whole image is resized to {height} rows and {width} columns, {found['interpolation']}, whatever its shape"
    if found["resize"] == WINDOWS:
        how = (
            f"Two square windows of the image, one at each end of its long side, are resized to {height} rows and columns, "
            f"{found['interpolation']}, and put side by side"
        )
    said = (
        f"{size}; red, green and blue in [0, 1], upright, transparency over white. {how}; nothing is cut off. The graph "
        "normalises"
    )
    if found["levels"] is None:
        return f"{said}. Values are those of 8 bits, divided by 255"
    kinds = {"byte": "8 bits", "whole": "other whole numbers", "real": "floating point"}
    scales = [
        f"{kinds[kind]} from {pair[0]:g} to {pair[1]:g}" for kind, pair in found["levels"].items() if kind in kinds and pair
    ]
    return f"{said}. Black and white of its training images: {', '.join(scales)}; values are scaled from there to [0, 1]"


def _made(facts: Mapping[str, Any]) -> list[str]:
    training, how, enters = facts["training"], facts["annotation"], facts["known_labels_enter_by"]
    lines = [f"encoder: {encoder_used(facts['encoder'])}", f"objective: {facts['objective']}"]
    lines.append(f"annotation: {how['kind']}: {how['meaning']}")
    if enters != how:
        lines.append(f"known labels given to the second graph enter as {enters['kind']}: {enters['meaning']}")
    if training["num_images"] is not None:
        lines.append(f"training images: {training['num_images']:,}, data {training['data_hash'] or 'without a hash'}")
    if isinstance(training["held_out"], Mapping):
        lines.append(f"held out: {held_out(training['held_out'])}")
    counts = training["known_counts"] or {}
    if counts:
        said = [
            f"{shown(label)} {present:,}" + (f" (absent {absent:,})" if absent else "")
            for label, (present, absent) in counts.items()
        ]
        lines.append(f"images in which each label was known to be present: {', '.join(said)}")
    return lines


def _said_figures(facts: Mapping[str, Any]) -> list[str]:
    known, complete = facts["figures"]["known_labels"], facts["figures"]["complete_labels"]
    plain = known["without_image"] if isinstance(known["without_image"], Mapping) else {}
    lines = []
    if finite(known["held_out_log_likelihood"]) is not None:
        beside = plain.get("held_out_log_likelihood")
        against = "" if finite(beside) is None else f"; prevalences alone, without looking at the image: {number(beside)}"
        lines.append(f"held-out known labels, value per image: {number(known['held_out_log_likelihood'])}{against}")
    if finite(plain.get("known_map")) is not None:
        lines.append(
            f"mAP against held-out known labels: {number(plain['known_map'], 3)}; in random order: "
            f"{number(plain.get('known_map_by_chance'), 3)}"
        )
    if finite(known["predicted_count"]) is not None:
        source = known["expected_labels_source"]
        lines.append(
            f"labels per image: {number(known['predicted_count'])} predicted, {number(known['expected_labels'])} expected"
            + (f" (source: {source})" if source else "")
        )
    if not complete:
        return [*lines, "complete labels: not measured; `latentlabels evaluate` does"]
    size, without = complete.get("num_images"), complete.get("without_image", {})
    lines.append(f"complete labels of {number(size, 0)} images, in brackets prevalences alone:")
    for name, key in (("mAP", "map"), ("negative log-likelihood", "nll"), ("Brier score", "brier")):
        say = (lambda value: percent_of(value, size)) if key == "map" else number
        lines.append(f"{name}: {say(complete.get(key))} ({say(without.get(key))})")
    if "calibration_error_above" in complete:
        values = [percent_of(of.get("calibration_error_above"), size) for of in (complete, without)]
        lines.append(f"calibration error of probabilities above 5 %: {values[0]} ({values[1]})")
    lines.append(f"calibration error of all probabilities: {percent_of(complete.get('calibration_error'), size)}")
    return lines


def _limits(facts: Mapping[str, Any]) -> list[str]:
    lines = list(facts["warnings"])
    never = facts["training"]["never_known"] or []
    if never:
        lines.append(f"never known to be present in training, so that their probabilities are guesses: {listed(never, 40)}")
    lines.append(
        "Known labels that no valid label set agrees with, other numbers than 1, 0 and -1, or more known positives than the "
        "annotation describes give NaN in the whole row: a graph cannot raise an error."
    )
    images = facts["inputs"].get(Kind.IMAGES)
    if images is not None and images["levels"] is not None:
        lines.append(
            'The lines under "Run" read pictures of 8 bits, black 0 and white 255. Scale others by the black and white above.'
        )
    if facts["graphs"]["to"] == "openvino":
        lines.append(
            'Compile it with INFERENCE_PRECISION_HINT "f32". Without, OpenVINO may compute in bfloat16 or float16, and '
            "probabilities are off by more than the difference above."
        )
    lines.append(
        "The figures hold for inputs like the training images. Another camera, another way of resizing or other embeddings "
        "have to be measured again."
    )
    return lines
