"""`latentlabels sample-complete` and `fit --complete`: from a random sample to a fit that uses the labels."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command import TINY, Done, image_folder, latentlabels, picture


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    """40 pictures of three labels."""
    return image_folder(tmp_path / "animals", cat=20, dog=12, owl=8)


def read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def sampled(animals: Path, *args: object) -> Path:
    table = animals.parent / "complete.csv"
    table.unlink(missing_ok=True)
    done = latentlabels("sample-complete", animals, "-o", table, *args)
    assert done.code == 0, done.err
    return table


def filled(animals: Path, say: Callable[[dict[str, str]], dict[str, str]], number: int = 12) -> Path:
    """A sample with cells by a function of the row; otherwise what the folder says and nothing else."""
    rows = read(sampled(animals, "-n", number))
    return write(animals.parent / "filled.csv", [by_folder(row) | say(row) for row in rows])


def by_folder(row: dict[str, str]) -> dict[str, str]:
    return {"image": row["image"]} | {label: str(int(row["image"].startswith(label))) for label in row if label != "image"}


def inspect(animals: Path, table: Path, *args: object) -> Done:
    return latentlabels("inspect", animals, "--complete", table, *args)


def test_the_table_has_a_row_for_each_image_drawn_and_a_column_for_each_label(animals: Path) -> None:
    table = animals.parent / "complete.csv"
    done = latentlabels("sample-complete", animals, "-n", 10, "-o", table)
    assert done.code == 0
    rows = read(table)
    assert list(rows[0]) == ["image", "cat", "dog", "owl"]
    assert len({row["image"] for row in rows}) == 10
    assert all((animals / row["image"]).is_file() for row in rows)
    assert all(row[label] == "" for row in rows for label in ("cat", "dog", "owl"))
    assert "10 images of 40, drawn at random" in done.err
    assert "write 1 (present) or 0 (absent) into every cell" in done.err
    assert f"latentlabels fit --images {animals} --complete {table} --set annotation.kind=weighted-positive" in done.err


def test_each_image_is_drawn_equally_often_and_the_order_is_random(animals: Path) -> None:
    from latentlabels.config import read_config
    from latentlabels.fitting.sample_images import sample_images

    config = read_config(None, (), {"data.images": str(animals)})
    draws = [sample_images(config, 10, seed).images for seed in range(60)]
    assert draws[0] == sample_images(config, 10, 0).images
    for some in (draws, [draw[:5] for draw in draws]):  # the first half is a sample, too
        names = [name for draw in some for name in draw]
        counts = np.array([names.count(f"cat/{number}.png") for number in range(20)])
        expected = len(names) / 40
        assert (np.abs(counts - expected) < 4.5 * np.sqrt(expected)).all()
        share = sum(name.startswith("owl/") for name in names) / len(names)
        assert abs(share - 0.2) < 4 * np.sqrt(0.2 * 0.8 / len(names))


def test_stdout_and_json(animals: Path) -> None:
    done = latentlabels("sample-complete", animals, "-n", 5)
    assert len(done.rows) == 5
    assert "next: latentlabels fit" in done.err
    found = latentlabels("sample-complete", animals, "-n", 5, "--json").document
    assert found["images"] == [row["image"] for row in done.rows]
    assert (found["labels"], found["num_images"], found["table"]) == (["cat", "dog", "owl"], 40, None)


def test_nothing_is_written_over_and_more_images_than_there_are_is_an_error(animals: Path) -> None:
    table = sampled(animals, "-n", 5)
    done = latentlabels("sample-complete", animals, "-o", table)
    assert (done.code, done.out) == (2, "")
    assert "exists and is never overwritten" in done.err
    done = latentlabels("sample-complete", animals, "-n", 41, "-o", animals.parent / "new.csv")
    assert done.code == 1
    assert "41 images wanted, but there are 40 images; give -n 40 at most" in done.err
    assert not (animals.parent / "new.csv").exists()
    assert latentlabels("sample-complete", animals, "-o", animals.parent / "new.pdf").code == 2


def test_a_flat_folder_needs_labels_and_a_picture_that_cannot_be_read_is_not_drawn(tmp_path: Path) -> None:
    for number in range(4):
        picture(tmp_path / "flat" / f"{number}.png", number)
    (tmp_path / "flat" / "bad.png").write_bytes(b"no picture")
    done = latentlabels("sample-complete", tmp_path / "flat", "-n", 2)
    assert done.code == 2
    assert "--labels labels.yaml" in done.err
    (tmp_path / "labels.yaml").write_text("- car\n- {name: colour, one_of: [red, blue]}\n")
    done = latentlabels("sample-complete", tmp_path / "flat", "-n", 4, "--labels", tmp_path / "labels.yaml")
    assert [list(row) for row in done.rows[:1]] == [["image", "car", "red", "blue"]]
    assert sorted(row["image"] for row in done.rows) == ["0.png", "1.png", "2.png", "3.png"]
    done = latentlabels("sample-complete", tmp_path / "flat", "-n", 5, "--labels", tmp_path / "labels.yaml")
    assert "5 images wanted, but 1 image of 5 cannot be read; give -n 4 at most" in done.err


def test_more_images_come_after_those_that_were_labelled_before(animals: Path) -> None:
    table = filled(animals, lambda row: {})
    done = latentlabels("sample-complete", animals, "-n", 20, "--complete", table)
    assert done.rows[:12] == read(table)
    assert len({row["image"] for row in done.rows}) == 32
    assert all(row["cat"] == "" for row in done.rows[12:])
    done = latentlabels("sample-complete", animals, "-n", 29, "--complete", table)
    assert "there are 28 images that" in done.err


def test_embeddings_with_names_can_be_sampled(vectors: Path) -> None:
    rows = latentlabels("sample-complete", vectors, "-n", 3).rows
    assert list(rows[0]) == ["image", "red", "blue", "car", "striped"]
    assert all(row["image"].startswith("shop/") for row in rows)


def test_a_fit_uses_the_table(animals: Path, tmp_path: Path) -> None:
    table = filled(animals, lambda row: {"owl": "1"})
    learn = ("--set", "annotation.kind=weighted-positive", "--set", "annotation.weights=learn")
    done = latentlabels("fit", "--images", animals, "--complete", table, *TINY, *learn, "--out", tmp_path / "run", "--json")
    assert done.code == 0, done.err
    assert done.document["num_complete"] == 12
    assert done.document["learned"]["weights"]["num_known"] == 28
    owls = sum(row["image"].startswith("owl/") for row in read(table))
    assert done.document["known_present"] == 40 + 12 - owls


def test_fit_and_report_say_what_was_learned_and_from_how_many(animals: Path, tmp_path: Path) -> None:
    table = filled(animals, lambda row: {"owl": "1"}, 20)
    learn = ("--set", "annotation.kind=weighted-positive", "--set", "annotation.weights=learn")
    run = tmp_path / "run"
    done = latentlabels("fit", "--images", animals, "--complete", table, *TINY, *learn, "--out", run)
    assert done.code == 0, done.err
    assert " expected, from 20 complete images" in done.out
    assert "note: Half of the weights are known to within a factor of " in done.out
    assert "note: 0 of 20 known labels are mistakes by the complete labels of their images" in done.out
    page = (run / "report.html").read_text()
    assert "How labels are named" in page
    assert "Learned from 20 complete images and 20 images with a known label" in page
    assert " were expected, from 20 complete images" in page
    weights = json.loads((run / "diagnostics.json").read_text())["learned"]["weights"]
    assert all(f"{number:.3f}"[:4] in page for number in weights["estimate"])


def test_inspect_learns_and_names_what_is_missing(animals: Path) -> None:
    learn = ("--set", "annotation.kind=weighted-positive", "--set", "annotation.weights=learn")
    table = filled(animals, lambda row: {"owl": "1"}, 20)
    found = inspect(animals, table, *learn, "--json").document
    assert found["learned"]["weights"]["num_complete"] == 20
    assert [one["kind"] for one in found["complete_images"]] == ["mistaken", "learned"]
    done = latentlabels("inspect", animals, *learn)
    assert done.code == 2
    assert "there is no complete image" in done.err
    assert "note: There are no completely labelled images to tell" in latentlabels("inspect", animals).out


def test_labels_of_the_folder_that_the_table_denies_are_counted(animals: Path) -> None:
    first: list[str] = []

    def say(row: dict[str, str]) -> dict[str, str]:
        first.append(row["image"])
        own = row["image"].split("/")[0]
        other = "dog" if own == "cat" else "cat"
        return {own: "0", other: "1"} if len(first) <= 3 else {}

    done = inspect(animals, filled(animals, say), "--json")
    assert done.code == 0, done.err
    found = done.document["completed"]
    assert (found["num_complete"], found["num_checked"], found["num_mistaken"]) == (12, 12, 3)
    assert {name for name, _ in found["mistaken"]} == set(first[:3])


# --- tables that are wrong ------------------------------------------------------------------------------


def test_rows_with_empty_cells_are_partly_known(animals: Path) -> None:
    rows = [by_folder(row) for row in read(sampled(animals, "-n", 12))]
    for row in rows[:2]:
        row |= {label: "" for label in ("cat", "dog", "owl") if row[label] == "0"}
    rows[2] |= {"cat": "", "dog": "", "owl": ""}
    table = write(animals.parent / "filled.csv", rows)
    found = inspect(animals, table, "--json").document
    assert (found["completed"]["num_complete"], found["completed"]["num_partial"]) == (9, 2)
    said = "\n".join(found["remarks"])
    assert "2 rows with empty cells" in said
    assert "not as complete images; 1 row not filled in" in said
    assert found["known_absent"] == 18


def test_a_partial_row_of_several_present_labels_is_refused_where_one_is_known_of_each_image(animals: Path) -> None:
    rows = [by_folder(row) for row in read(sampled(animals, "-n", 12))]
    rows[0] |= {"cat": "1", "dog": "1", "owl": ""}
    table = write(animals.parent / "filled.csv", rows)
    weighted = ("--set", "annotation.kind=weighted-positive", "--set", "annotation.weights=learn")
    done = inspect(animals, table, *weighted)
    assert done.code == 1
    assert f"1 row with empty cells and several present labels ({rows[0]['image']})" in done.err
    assert inspect(animals, table).code == 0  # the uniform pick describes several


@pytest.mark.parametrize(
    ("say", "expected"),
    [
        (lambda row: {"cat": "", "dog": "", "owl": ""}, "nothing is filled in"),
        (lambda row: {"owl": ""}, '12 rows is complete; "owl" is unknown in 12 of 12'),
        (lambda row: {"image": f"elsewhere/{row['image'].replace('/', '-')}"}, "none of its 12 images is among the images"),
        (lambda row: {"cat": "perhaps"}, "write 1 (present), 0 (absent) or nothing (unknown) into each cell"),
    ],
)
def test_tables_that_say_nothing(animals: Path, say: Callable[[dict[str, str]], dict[str, str]], expected: str) -> None:
    done = inspect(animals, filled(animals, say))
    assert done.code == 1
    assert expected in done.err


def test_rows_without_an_image_are_left_out_or_refused(animals: Path) -> None:
    rows = [by_folder(row) for row in read(sampled(animals, "-n", 12))]
    rows[0]["image"] = "cat/none.png"
    table = write(animals.parent / "filled.csv", rows)
    found = inspect(animals, table, "--json").document
    assert found["completed"]["num_complete"] == 11
    assert any("1 row left out, because the fit has no such image: cat/none.png" in one for one in found["remarks"])
    done = inspect(animals, table, "--strict")
    assert done.code == 1
    assert "cat/none.png" in done.err


def test_rows_that_contradict_the_label_space_are_refused_with_their_image(animals: Path) -> None:
    (animals.parent / "labels.yaml").write_text("- {name: kind, one_of: [cat, dog, owl]}\n")
    table = filled(animals, lambda row: {"cat": "1", "dog": "1"})
    done = inspect(animals, table, "--labels", animals.parent / "labels.yaml")
    assert done.code == 1
    assert read(table)[0]["image"] in done.err
    table = filled(animals, lambda row: {"cat": "0", "dog": "0", "owl": "0"})  # one of them is always present
    assert inspect(animals, table, "--labels", animals.parent / "labels.yaml").code == 1


def test_complete_images_without_a_label_teach_no_weights(animals: Path) -> None:
    table = filled(animals, lambda row: {"cat": "0", "dog": "0", "owl": "0"})
    found = inspect(animals, table, "--json")
    assert found.code == 0, found.err
    assert found.document["expected_labels"] < 0.6
    learn = ("--set", "annotation.kind=weighted-positive", "--set", "annotation.weights=learn")
    done = latentlabels("fit", "--images", animals, "--complete", table, *TINY, *learn, "--out", animals.parent / "run")
    assert done.code == 2
    assert "none of the 12 complete images shows a label" in done.err
