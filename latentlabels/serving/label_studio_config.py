"""What a labelling config of Label Studio asks for: its controls whose choices are labels of the run."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from ..space import LabelSpace
from .problems import ProblemError


class How(StrEnum):
    """How a control takes its choices."""

    SINGLE = "one choice"
    MULTIPLE = "every choice above one half"
    TREE = "every path of a taxonomy above one half"


class Choice(NamedTuple):
    """A choice that is a label of the space.

    Attributes:
        path: what Label Studio is told: its value, or its alias; in a taxonomy after those of the choices that it is in.
        column: of the label.
    """

    path: tuple[str, ...]
    column: int


@dataclass(frozen=True)
class Control:
    """A control of a labelling config with choices that the label space knows.

    Attributes:
        name: of the control.
        to_name: of the picture that it is about.
        key: of the task's data that holds the picture.
        how: it takes its choices.
        choices: those that are labels.
    """

    name: str
    to_name: str
    key: str
    how: How
    choices: tuple[Choice, ...]


def controls_of(config: str, space: LabelSpace) -> list[Control]:
    """The controls whose choices are labels of the space.

    Raises:
        ProblemError: the config is no XML, or has no such control.
    """
    if "<!" in re.sub(r"<!--.*?-->", "", config, flags=re.DOTALL):
        raise ProblemError("invalid", "the labelling config declares a document type or entities, which are not read")
    try:
        tree = ET.fromstring(config)
    except ET.ParseError as error:
        raise ProblemError("invalid", f"the labelling config is no XML: {error}") from None
    keys = {one.get("name", ""): one.get("value", "").removeprefix("$") for one in tree.iter("Image")}
    found = []
    for one in tree.iter():
        to_name = one.get("toName", "")
        if one.tag not in ("Choices", "Taxonomy") or to_name not in keys or one.get("perRegion") == "true":
            continue  # a choice about a region needs the region
        choices = tuple(_choices(one, {label.casefold(): k for k, label in enumerate(space.labels)}))
        if choices:
            single = How.SINGLE if one.get("choice", "single") != "multiple" else How.MULTIPLE
            how = How.TREE if one.tag == "Taxonomy" else single
            found.append(Control(one.get("name", ""), to_name, keys[to_name], how, choices))
    if not found:
        raise ProblemError(
            "invalid",
            "the labelling config has no <Choices> or <Taxonomy> about an <Image> with a <Choice> whose value is a label of "
            f"this run ({', '.join(space.labels[:10])}{', ...' if len(space.labels) > 10 else ''})",
        )
    return found


def _choices(parent: ET.Element, columns: Mapping[str, int], path: tuple[str, ...] = ()) -> Iterator[Choice]:
    """Choices that are labels, by their value or their alias, upper or lower case; of a taxonomy with their paths."""
    for one in parent:
        if one.tag != "Choice":
            yield from _choices(one, columns, path)  # choices may stand in a <View>
            continue
        names = [text for text in (one.get("alias"), one.get("value")) if text]
        said = (*path, names[0] if names else "")
        column = next((columns[name.casefold()] for name in names if name.casefold() in columns), None)
        if column is not None:
            yield Choice(said, column)
        yield from _choices(one, columns, said)
