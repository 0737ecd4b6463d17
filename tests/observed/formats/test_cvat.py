"""CVAT for images 1.1."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
from stated import IMAGES, NAMES, content, read, refused, said

from latentlabels.errors import DataError
from latentlabels.observed.formats import find


def xml(*images: str, labels: tuple[str, ...] = ("cat", "dog"), of: str = "task") -> str:
    """As CVAT writes it; `of` is what was exported: a task, a job or a project."""
    declared = "".join(
        f"<label><name>{quoteattr(name)[1:-1]}</name><color>#fff</color><type>any</type><attributes></attributes></label>\n"
        for name in labels
    )
    part = "<label><name>nose</name><parent>cat</parent></label>"
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n'
        f"<meta><{of}><id>7</id><labels>\n{declared}"
        f"{part}</labels></{of}><dumped>2024-01-01</dumped></meta>\n" + "\n".join(images) + "\n</annotations>\n"
    )


def image(number: int, name: str, *shapes: str, **more: str) -> str:
    rest = "".join(f" {key}={quoteattr(value)}" for key, value in more.items())
    return f'<image id="{number}" name={quoteattr(name)}{rest} width="640" height="480">\n{"".join(shapes)}</image>'


def tag(label: str, inner: str = "") -> str:
    return f'<tag label={quoteattr(label)} source="manual">{inner}</tag>\n'


def box(label: str, inner: str = "") -> str:
    return f'<box label={quoteattr(label)} occluded="0" xtl="1.0" ytl="2.0" xbr="3.0" ybr="4.0" z_order="0">{inner}</box>\n'


MASK = '<mask label="dog" source="manual" occluded="0" rle="5, 3" left="1" top="2" width="3" height="4" z_order="0"></mask>\n'
SKELETON = '<skeleton label="cat" z_order="0"><points label="nose" points="1.0,2.0"></points></skeleton>\n'


def save(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("of", ["task", "job", "project"])
def test_tags_and_shapes(tmp_path: Path, of: str) -> None:
    text = xml(
        image(0, "a.jpg", tag("cat"), tag("dog")), image(3, "dir/b.jpg", box("dog"), box("dog"), MASK), image(4, "c.jpg"),
        image(5, "d.jpg", SKELETON), of=of,
    )  # fmt: skip
    found = read(save(tmp_path / "annotations.xml", text), "cvat")
    assert said(found) == {"a.jpg": {"cat": 1, "dog": 1}, "dir/b.jpg": {"dog": 1}, "c.jpg": {}, "d.jpg": {"cat": 1}}
    assert tuple(found.labels) == ("cat", "dog")  # a part of a skeleton is none
    assert found.unlisted is None and found.extra == {}
    assert found.where is not None and found.where.tolist() == [0, 0, 3, 5] and found.unit == "image id"


def test_subsets_and_attributes(tmp_path: Path) -> None:
    colour = '<attribute name="colour">red</attribute>'
    text = xml(
        image(0, "a.jpg", tag("cat", colour), subset="Train"),
        image(1, "b.jpg", box("dog"), subset="Validation"),
        image(2, "c.jpg"),
    )
    found = read(save(tmp_path / "annotations.xml", text), "cvat")
    assert found.extra == {"split": ("train", "val", "")}
    assert dict(found.reading)["attributes"] == "not read (colour)"


def test_folders(tmp_path: Path) -> None:
    save(tmp_path / "a" / "annotations.xml", xml(image(0, "a.jpg", tag("cat"))))
    assert said(read(tmp_path / "a", "cvat")) == {"a.jpg": {"cat": 1}}
    save(tmp_path / "b" / "train.xml", xml(image(0, "a.jpg", tag("cat"))))  # as Datumaro writes the format
    save(tmp_path / "b" / "val.xml", xml(image(0, "b.jpg", tag("dog"))))
    found = read(tmp_path / "b", "cvat")
    assert said(found) == {"a.jpg": {"cat": 1}, "b.jpg": {"dog": 1}} and found.extra == {"split": ("train", "val")}


def test_images_of_one_name_are_joined_and_said(tmp_path: Path) -> None:
    found = read(save(tmp_path / "x.xml", xml(image(0, "a.jpg", tag("cat")), image(1, "a.jpg", tag("dog")))), "cvat")
    assert said(found) == {"a.jpg": {"cat": 1, "dog": 1}} and "1 image with the name" in found.left_out[0]


def test_names_that_mean_something_elsewhere(tmp_path: Path) -> None:
    names = tuple(name for name in NAMES if "\t" not in name)  # attributes of XML hold no tabs
    found = read(
        save(tmp_path / "x.xml", xml(*(image(n, name, *map(tag, names)) for n, name in enumerate(IMAGES)), labels=names))
    )
    assert tuple(found.images) == IMAGES and tuple(found.labels) == names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (xml(image(0, "a.jpg", tag("cow"))), 'image "a.jpg": label "cow" is not among those of the task (cat, dog)'),
        (xml(image(0, "a.jpg", "<tag/>")), 'image "a.jpg": a <tag> without a label'),
        (xml(image(4, "", tag("cat"))), "image 4 has no name"),
        (xml('<track id="0" label="cat"><box frame="1"/></track>'), 'export the task as "CVAT for images 1.1"'),
        (xml(image(0, "a.jpg", tag("cat")))[:-30], ": not valid XML"),
        ("<annotation></annotation>", "the root is <annotation>, but a CVAT file has <annotations>"),
        ("", ":1: not valid XML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in refused(save(tmp_path / "x.xml", text), "cvat")


def test_no_file(tmp_path: Path) -> None:
    assert "file not found" in refused(tmp_path / "no.xml", "cvat")
    assert "holds no XML file" in refused(tmp_path, "cvat")
    assert not find("cvat").recognise(tmp_path, b"") and not find("cvat").recognise(tmp_path / "x.xml", b"<annotation>")


def test_it_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="write coco"):
        find("cvat").write(tmp_path / "x.xml", content([[1, 0, -1]]))
