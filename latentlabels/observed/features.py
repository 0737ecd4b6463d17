"""What Hugging Face files say about their columns: the names behind class numbers, and which columns are images.

Three places say it: the schema of a Parquet or Arrow file (metadata `huggingface`), the features of a `datasets.Dataset`,
and the
head of a dataset card, README.md (`dataset_info.features`). See https://huggingface.co/docs/datasets/about_dataset_features.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ..errors import DataError

LABEL_FIELDS = ("category", "categories", "label", "labels", "class", "classes", "category_id")
"""Fields of a struct that hold labels, as `objects.category` does."""
_CARD = "README.md"


@dataclass(frozen=True)
class Features:
    """What is said about the columns of a data set.

    Attributes:
        classes: by column ("label", "objects.category") the names of the classes 0, 1, ...
        images: the columns of images.
        source: where it was said, for messages.
    """

    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    images: tuple[str, ...] = ()
    source: str = ""


def of_mapping(features: Mapping[str, Any], source: str) -> Features:
    """From features as `datasets.Features.to_dict` gives them: ``{"label": {"names": [...], "_type": "ClassLabel"}}``."""
    found = list(_walk(features, ""))
    classes = {
        column: tuple(map(str, one["names"])) for column, one in found if one.get("_type") == "ClassLabel" and "names" in one
    }
    return Features(classes, tuple(column for column, one in found if one.get("_type") == "Image"), source)


def _walk(feature: Any, column: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each feature with the path of its column; lists add nothing to the path."""
    if isinstance(feature, list) and feature:  # how older versions wrote a list
        yield from _walk(feature[0], column)
    elif isinstance(feature, Mapping) and isinstance(feature.get("_type"), str):
        if "feature" in feature:
            yield from _walk(feature["feature"], column)
        else:
            yield column, feature
    elif isinstance(feature, Mapping):
        for name, inner in feature.items():
            yield from _walk(inner, f"{column}.{name}" if column else str(name))


def of_schema(metadata: Mapping[bytes, bytes] | None, source: str) -> Features:
    """From the metadata of an Arrow schema; nothing where there is none.

    Raises:
        DataError: the metadata cannot be read.
    """
    text = (metadata or {}).get(b"huggingface")
    if text is None:
        return Features()
    try:
        info = json.loads(text)["info"] or {}
        return of_mapping(info.get("features") or {}, source)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"{source}: its `huggingface` metadata cannot be read; write the file again") from None


def of_card(folder: Path) -> Features:
    """From the dataset card README.md of a folder; nothing where it has none, or where the card describes no columns.

    Raises:
        DataError: the head of the card is not valid YAML; file and line are named.
    """
    path = folder / _CARD
    if not path.is_file():
        return Features()
    lines = path.read_text(encoding="utf-8", errors="replace").lstrip("\ufeff").splitlines()
    if not lines or lines[0].strip() != "---":
        return Features()
    end = next((number for number, line in enumerate(lines[1:], 1) if line.strip() == "---"), None)
    if end is None:
        return Features()
    try:
        # BaseLoader leaves every name a text: a class may be called "no" or "1"
        head = yaml.load("\n".join(lines[1:end]), Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise DataError(
            f"{path}:{2 + mark.line if mark else 1}: the head of the dataset card is not valid YAML; correct it, or state the "
            "names of the classes (data.classes)"
        ) from None
    info = head.get("dataset_info") if isinstance(head, dict) else None
    configs = info if isinstance(info, list) else [info]
    for config in configs:
        fields = config.get("features") if isinstance(config, dict) else None
        if isinstance(fields, list):
            return of_mapping(dict(_card_field(one) for one in fields if isinstance(one, dict)), str(path))
    return Features()


def _card_field(one: Mapping[str, Any]) -> tuple[str, Any]:
    return str(one.get("name", "")), _card_feature(one)


def _card_feature(one: Any) -> Any:
    """A field of a card as `to_dict` writes it; of types that do not matter here nothing is left."""
    if isinstance(one, list):  # the fields of a list of structs
        return dict(_card_field(inner) for inner in one if isinstance(inner, dict))
    if isinstance(one, str):
        return {"_type": "Image"} if one == "image" else {"_type": "Value"}
    if not isinstance(one, Mapping):
        return {"_type": "Value"}
    if isinstance(one.get("class_label"), Mapping):
        return {"_type": "ClassLabel", "names": _card_names(one["class_label"].get("names"))}
    for key in ("dtype", "sequence", "list", "large_list", "struct"):
        if key in one:
            return _card_feature(one[key])
    return {"_type": "Value"}


def _card_names(names: Any) -> Sequence[str]:
    """The names of classes: a list, or a mapping from their numbers."""
    if isinstance(names, Mapping):
        return [str(names[number]) for number in sorted(names, key=int)]
    return list(map(str, names or ()))
