"""`latentlabels query`: one image, given what is known of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command import Done, latentlabels, picture

from latentlabels import LatentLabels
from latentlabels.datasets.street_scenes import TOY_SPACE


def probabilities(done: Done) -> dict[str, float]:
    return {row["label"]: row["probability"] for row in done.document["labels"]}


def test_json_is_the_posterior(run: Path, image: Path) -> None:
    done = latentlabels("query", run, image, "--json")
    assert done.code == 0, done.err
    found, posterior = done.document, LatentLabels.load(run).posterior([image])
    listed = probabilities(done)
    assert set(listed) == set(TOY_SPACE.labels)  # all of them, whatever --top says
    assert list(listed.values()) == sorted(listed.values(), reverse=True)
    assert [listed[label] for label in TOY_SPACE.labels] == pytest.approx(posterior.marginals[0].tolist(), abs=1e-6)
    best = posterior.mode()
    assert found["most_probable_set"]["labels"] == [TOY_SPACE.labels[k] for k in np.flatnonzero(best[0])]
    assert found["most_probable_set"]["probability"] == pytest.approx(float(np.exp(posterior.log_prob(best)[0])), rel=1e-4)
    counts = found["num_labels"]["probabilities"]
    assert sum(counts) == pytest.approx(1, abs=1e-4)
    assert found["num_labels"]["expected"] == pytest.approx(posterior.marginals.sum(), rel=1e-3)
    assert found["groups"]["colour"] == pytest.approx(1, abs=1e-4)


def test_given_conditions_and_tells_what_was_before(run: Path, image: Path) -> None:
    before = probabilities(latentlabels("query", run, image, "--json"))
    done = latentlabels("query", run, image, "--given", "car", "--not", "striped", "--not", "red", "--json")
    after = probabilities(done)
    assert (done.document["given"], done.document["not"]) == (["car"], ["striped", "red"])
    assert (after["car"], after["bike"], after["striped"], after["red"]) == (1, 0, 0, 0)
    assert after["2-doors"] + after["4-doors"] == pytest.approx(1, abs=1e-5)
    assert before["2-doors"] + before["4-doors"] == pytest.approx(before["car"], abs=1e-5)
    assert {row["label"]: row["probability_before"] for row in done.document["labels"]} == pytest.approx(before, abs=1e-6)
    expected = LatentLabels.load(run).posterior([image]).given(["car"], ["striped", "red"]).marginals[0]
    assert [after[label] for label in TOY_SPACE.labels] == pytest.approx(expected.tolist(), abs=1e-6)


def test_text_lists_the_likeliest_labels(run: Path, image: Path) -> None:
    done = latentlabels("query", run, image, "--given", "car", "--top", 3)
    lines = done.out.splitlines()
    assert lines[0] == f"{image}, given car"
    assert lines[2].split() == ["label", "group", "probability", "before", "change"]
    assert lines[3].startswith("car")
    assert "100 %" in lines[3]
    assert lines[6] == ""  # three labels
    assert lines[7].startswith("most probable set")
    assert "car" in lines[7]
    assert lines[8].startswith("number of labels")
    assert "before" not in latentlabels("query", run, image).out  # nothing is given


def test_it_says_what_moved_and_what_did_not_and_why(run: Path, image: Path) -> None:
    done = latentlabels("query", run, image, "--given", "car", "--json")
    moved = {one["group"]: one for one in done.document["moved"]}
    unmoved = {one["group"]: one for one in done.document["unmoved"]}
    assert {*moved, *unmoved} == {group.name for group in TOY_SPACE.groups}
    before, after = (
        {row["label"]: row[key] for row in done.document["labels"]} for key in ("probability_before", "probability")
    )
    for group in TOY_SPACE.groups:
        changed = {label for label in group.labels if abs(before[label] - after[label]) >= 0.0005}
        assert (group.name in moved) == bool(changed)
        if changed:
            assert {one["label"] for one in moved[group.name]["labels"]} == changed
            for one in moved[group.name]["labels"]:
                assert (one["before"], one["after"]) == (before[one["label"]], after[one["label"]])
    assert (moved["vehicle"]["tie"], moved["doors"]["tie"]) == ("stated", "linked")
    assert unmoved["colour"]["tie"] == "independent"
    assert "groups are independent given the image" in unmoved["colour"]["reason"]

    text = latentlabels("query", run, image, "--given", "car", "--top", 100).out
    assert "colour" in (said := next(line for line in text.splitlines() if " did not move: " in line))
    assert "vehicle" not in said and said.endswith("groups are independent given the image.")
    row = next(line.split() for line in text.splitlines() if line.startswith("car "))
    assert "up" in row
    assert "down" in next(line.split() for line in text.splitlines() if line.startswith("bike "))
    alone = latentlabels("query", run, image, "--json").document
    assert (alone["moved"], alone["unmoved"]) == ([], [])  # nothing is given


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--given", "caar"], '--given caar: the label space has no label "caar"; did you mean "car"?'),
        (["--not", "stripd"], '--not stripd: the label space has no label "stripd"; did you mean "striped"?'),
        (["--given", "car", "--not", "car"], '"car" is given as present (--given) and as absent (--not); remove one'),
        (
            ["--given", "car", "--given", "bike"],
            'car, bike: impossible together, because "car" and "bike" exclude each other (group "vehicle")',
        ),
        (
            ["--given", "2-doors", "--not", "car"],
            'impossible together, because "2-doors" is known to be present and requires "car", which is known to be absent',
        ),
        (["--given", "2-doors", "--given", "bike"], '"car" (required by "2-doors")'),
        (
            [part for colour in TOY_SPACE.groups[0].labels for part in ("--not", colour)],
            'all labels of group "colour" are known to be absent, but every image shows one of them',
        ),
    ],
)
def test_what_cannot_be_is_explained(run: Path, image: Path, args: list[str], said: str) -> None:
    done = latentlabels("query", run, image, *args)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_one_image_at_a_time(run: Path, scenes: Path, tmp_path: Path) -> None:
    root = scenes / "images-by-label"
    done = latentlabels("query", run, root)
    assert (done.code, "is a folder, but query takes one image; for a folder use `latentlabels predict`" in done.err) == (
        2,
        True,
    )
    done = latentlabels("query", run, root / "night" / "*.png")
    assert (done.code, "images, but query takes one" in done.err) == (2, True)
    bad = picture(tmp_path / "bad.png")
    bad.write_bytes(b"no picture")
    done = latentlabels("query", run, bad)
    assert (done.code, f"{bad}: cannot be read as an image" in done.err) == (1, True)


def test_one_row_of_embeddings(vector_run: Path, vectors: Path, tmp_path: Path) -> None:
    rows = latentlabels("predict", vector_run, vectors).rows
    for row in ("7", "shop/07.jpg", "07.jpg"):
        done = latentlabels("query", vector_run, f"{vectors}#{row}", "--json")
        assert done.code == 0, done.err
        assert done.document["image"] == "shop/07.jpg"
        assert probabilities(done)["car"] == pytest.approx(float(rows[7]["car"]), rel=1e-4)
    np.save(tmp_path / "one.npy", np.load(vectors)["embeddings"][:1])
    assert latentlabels("query", vector_run, tmp_path / "one.npy").code == 0  # the only row
    for name, said in (
        (f"{vectors}", f"holds 40 embeddings, but one is expected; give {vectors}#ROW, a number from 0 to 39"),
        (f"{vectors}#40", 'no row "40"'),
        (f"{vectors}#-1", 'no row "-1"'),
        (f"{vectors}#none.jpg", 'no row "none.jpg"'),
        (f"{tmp_path / 'none.npz'}#1", "none.npz: file not found"),
    ):
        done = latentlabels("query", vector_run, name)
        assert (done.code, said in done.err) == (2, True), done.err


def test_a_row_of_embeddings_for_a_run_on_images(run: Path, vectors: Path) -> None:
    done = latentlabels("query", run, f"{vectors}#1")
    assert (done.code, "embeddings, but this run takes images" in done.err) == (2, True)
