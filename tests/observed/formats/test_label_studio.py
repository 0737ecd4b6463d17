"""Label Studio: JSON, JSON-MIN and CSV say the same; several annotators; predictions as it imports them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stated import IMAGES, NAMES, content, cut_off, read, refused, said

from latentlabels.errors import DataError, DataWarning, ObservationError
from latentlabels.observed import Observed
from latentlabels.observed.formats import Labelled, find
from latentlabels.space import Free, LabelSpace, OneOf

STUDIO = find("label-studio")
TIMES = {"created_at": "2024-01-01T00:00:00.1Z", "updated_at": "2024-01-01T00:00:00.1Z", "lead_time": 4.25}


def result(control: str, kind: str, value: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": "Dx_aB9",
        "from_name": control,
        "to_name": "image",
        "type": kind,
        "origin": "manual",
        "value": {kind: value, **more},
    }


def choices(control: str, *chosen: str) -> dict[str, Any]:
    return result(control, "choices", [*chosen])


def annotation(number: int, *results: dict[str, Any], who: Any = 1, cancelled: bool = False) -> dict[str, Any]:
    return {"id": number, "completed_by": who, "result": [*results], "was_cancelled": cancelled, "ground_truth": False, **TIMES}


def task(number: int, image: str, *annotations: dict[str, Any], **data: Any) -> dict[str, Any]:
    return {
        "id": number, "annotations": [*annotations], "file_upload": "x", "drafts": [], "predictions": [],
        "data": {"image": image, **data}, "meta": {}, "project": 1,
    }  # fmt: skip


BOX = result("box", "rectanglelabels", ["wheel"], x=1.5, y=2, width=3, height=4, rotation=0)
TASKS = [
    task(
        1, "/data/upload/1/ab12cd34-1.jpg",
        annotation(11, choices("tags", "blue", "a,b"), choices("kind", "car"), result("tax", "taxonomy", [["x"], ["x", "y"]])),
        annotation(12, choices("kind", "bike"), who={"id": 2, "email": "a@b.c"}),
        annotation(13, choices("kind", "bike"), who=3, cancelled=True),
    ),
    task(2, "/data/local-files/?d=dir/2.jpg", annotation(21, choices("tags", "=cmd"), BOX, BOX)),
    task(3, "s3://bucket/3.jpg", annotation(31)),
]  # fmt: skip
SAID = {
    "1.jpg": {"blue": 1, "a,b": 1, "car": 1, "x": 1, "y": 1, "bike": 1},
    "dir/2.jpg": {"=cmd": 1, "wheel": 1},
    "3.jpg": {},
}


def of_cell(results: list[dict[str, Any]]) -> Any:
    """One control of one annotation, as JSON-MIN holds it: a single choice as a text, else an object, regions in a list."""
    if [one["type"] for one in results] == ["choices"]:
        many = results[0]["value"]["choices"]
        return many[0] if len(many) == 1 else {"choices": many}
    return [one["value"] for one in results]


def records(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """JSON-MIN as Label Studio writes it: data, id, controls, annotator."""
    rows = []
    for one in tasks:
        for made in one["annotations"]:
            if made["was_cancelled"]:
                continue
            controls = {
                r["from_name"]: of_cell([s for s in made["result"] if s["from_name"] == r["from_name"]]) for r in made["result"]
            }
            who = made["completed_by"] if isinstance(made["completed_by"], int) else made["completed_by"]["email"]
            rows.append({**one["data"], "id": one["id"], **controls, "annotator": who, "annotation_id": made["id"], **TIMES})
    return rows


def table(tasks: list[dict[str, Any]], delimiter: str = ",") -> str:
    """The CSV: columns in alphabetical order, results as JSON."""
    rows = [
        {k: json.dumps(v, ensure_ascii=False) if isinstance(v, list | dict) else v for k, v in row.items()}
        for row in records(tasks)
    ]
    out = io.StringIO()
    columns = sorted({key for row in rows for key in row})
    writer = csv.DictWriter(out, columns, quoting=csv.QUOTE_NONNUMERIC, delimiter=delimiter)
    writer.writeheader(), writer.writerows(rows)
    return out.getvalue()


def save(folder: Path, what: Any, name: str = "export.json", **how: Any) -> Path:
    path = folder / name
    text = what if isinstance(what, str) else json.dumps(what, ensure_ascii=False, **how)
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("indent", [None, 2])
def test_json(tmp_path: Path, indent: int | None) -> None:
    found = read(save(tmp_path, TASKS, indent=indent), "label-studio")
    assert said(found) == SAID and found.unlisted is None
    assert found.unit == "annotation" and found.where is not None
    assert found.where.tolist() == [11] * 5 + [12] + [21] * 2  # each annotator's statements are entries of their own
    assert found.left_out == ("1 annotation that the annotator skipped (was_cancelled)",)


@pytest.mark.parametrize("indent", [None, 2])
def test_json_min_says_the_same(tmp_path: Path, indent: int | None) -> None:
    found = read(save(tmp_path, records(TASKS), indent=indent), "label-studio")
    assert said(found) == SAID
    assert found.where is not None and {*found.where.tolist()} == {11, 12, 21}


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_csv_says_the_same_once_its_columns_are_named(tmp_path: Path, delimiter: str) -> None:
    path = save(tmp_path, table(TASKS, delimiter), "export.csv")
    columns = ("tags", "kind", "tax", "box")
    assert said(read(path, "label-studio", label_columns=columns)) == SAID
    assert "'kind' may hold choices or other data" in refused(path, "label-studio", ambiguous="refuse")


def test_csv_of_one_control_of_single_choices(tmp_path: Path) -> None:
    tasks = [
        task(n, f"/data/upload/1/ab12cd34-{n}.jpg", annotation(n, choices("kind", k))) for n, k in enumerate(("car", "bike"))
    ]
    assert said(read(save(tmp_path, table(tasks)), ambiguous="refuse")) == {"0.jpg": {"car": 1}, "1.jpg": {"bike": 1}}


def test_csv_with_further_data_of_the_task_is_asked_for(tmp_path: Path) -> None:
    kinds = ["car", "bike", "car", "car", "bike"]
    tasks = [
        task(n, f"{n}.jpg", annotation(n, choices("kind", k)), site="north", caption=f"photo number {n}")
        for n, k in enumerate(kinds)
    ]
    path = save(tmp_path, table(tasks))
    assert "label_columns=" in refused(path, "label-studio", ambiguous="refuse")
    expected = {f"{n}.jpg": {k: 1} for n, k in enumerate(kinds)}
    assert said(read(path, label_columns=("kind",), ambiguous="refuse")) == expected
    assert said(read(path, ignore=("site,caption",), ambiguous="refuse")) == expected
    assert said(read(path, space=LabelSpace.free(["car", "bike", "bus"]), ambiguous="refuse")) == expected
    with pytest.warns(DataWarning, match="may hold choices or other data"):
        assert {*read(path).labels} == {"car", "bike", "north"}
    assert said(read(save(tmp_path, records(tasks)), ambiguous="refuse")) == expected  # JSON-MIN tells them by their place


def test_which_data_is_the_image(tmp_path: Path) -> None:
    tasks = [task(1, "x", annotation(1, choices("kind", "car")), before="a.jpg", after="b.jpg")]
    path = save(tmp_path, [{**tasks[0], "data": {"before": "a.jpg", "after": "b.jpg", "text": "hello"}}])
    message = refused(path, "label-studio")
    assert "before, after could be the image" in message and 'image_column="before" (for example "a.jpg")' in message
    assert said(read(path, image_column="after")) == {"b.jpg": {"car": 1}}
    assert "did you mean" in refused(path, "label-studio", image_column="aftr")
    path = save(tmp_path, [{**tasks[0], "data": {"link": "http://x.org/a.jpg", "text": "hello"}}])
    assert said(read(path)) == {"a.jpg": {"car": 1}}


def test_one_word_in_two_controls_stays_two_labels(tmp_path: Path) -> None:
    one = annotation(1, choices("rusty", "yes"), choices("wet", "no"))
    two = annotation(2, choices("rusty", "no"), choices("wet", "yes"), choices("kind", "car"))
    found = read(save(tmp_path, [task(1, "1.jpg", one), task(2, "2.jpg", two)]))
    assert said(found) == {"1.jpg": {"rusty / yes": 1, "wet / no": 1}, "2.jpg": {"rusty / no": 1, "wet / yes": 1, "car": 1}}


def test_one_word_in_two_places_of_a_taxonomy(tmp_path: Path) -> None:
    paths = [["car", "red"], ["bike", "red"], ["bike", "old"]]
    found = read(save(tmp_path, [task(1, "1.jpg", annotation(1, result("tax", "taxonomy", paths)))]))
    assert said(found) == {"1.jpg": {"car": 1, "car / red": 1, "bike": 1, "bike / red": 1, "old": 1}}


def test_what_is_no_label_is_counted(tmp_path: Path) -> None:
    text = result("note", "text", ["fine"]) | {"type": "textarea"}
    one = task(1, "1.jpg", annotation(1, text, result("stars", "rating", 3), choices("kind", "car")))
    one["predictions"] = [{"result": [choices("kind", "bike")], "score": 0.9}]
    found = read(save(tmp_path, [one]))
    assert said(found) == {"1.jpg": {"car": 1}}
    facts = dict(found.reading)
    assert facts["results that are no labels"] == "rating (1), textarea (1)" and facts["predictions"].startswith("1,")


def test_the_older_names_of_keys(tmp_path: Path) -> None:
    one = {
        "id": 1,
        "data": {"image": "1.jpg"},
        "completions": [{"id": 1001, "result": [choices("kind", "car")], "skipped": False}],
    }
    assert said(read(save(tmp_path, [one]), "label-studio")) == {"1.jpg": {"car": 1}}


def test_tasks_without_annotations_stay_images(tmp_path: Path) -> None:
    found = read(save(tmp_path, [task(1, "1.jpg"), task(2, "2.jpg", annotation(1, choices("kind", "car")))]))
    assert said(found) == {"1.jpg": {}, "2.jpg": {"car": 1}}


def test_names_that_mean_something_elsewhere(tmp_path: Path) -> None:
    tasks = [task(n, name, annotation(n, choices("tags", *NAMES))) for n, name in enumerate(IMAGES)]
    for number, what in enumerate((tasks, records(tasks), table(tasks))):
        found = read(save(tmp_path, what, f"export{number}"), "label-studio")
        assert tuple(found.images) == IMAGES and tuple(found.labels) == NAMES


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([{"id": 5, "annotations": []}], 'task 1: no "data"'),
        ([task(5, "1.jpg", 3)], "task 5: annotation 1 is 3; export as JSON"),  # type: ignore[arg-type]
        ([{**task(5, "1.jpg"), "annotations": {}}], "task 5: annotations: expected a list"),
        ([task(5, "1.jpg", annotation(7, choices("kind", "")))], "task 5: annotation 7: choices: expected the name of a label"),
        ([task(5, "1.jpg", annotation(7, {"value": 3}))], "annotation 7"),
        ([{**task(5, "1.jpg"), "data": {"image": 3}}], 'task 5: data: "image": expected a text, not 3'),
        ([task(5, "data:image/png;base64,AAAA")], "holds images themselves"),
        ([], "holds no task"),
        ([{"image": "1.jpg", "id": 1, "annotator": 1}], "no column holds choices"),
        ([None], "expected an object"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, document: Any, expected: str) -> None:
    assert expected in refused(save(tmp_path, document), "label-studio")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('annotation_id,annotator,choice,id,image\n1,1,"{""choices"":[""a""",1,1.jpg\n', "begins as JSON, but is not valid"),
        ("annotation_id,annotator,choice,id,image\n1,1,a,1\n", ":2: 4 cells, but the header has 5 columns"),
        ('annotation_id,annotator,choice,id,image\n1,1,a,1,1.jpg\n2,2,"b', ":3: not valid CSV"),
        ("annotation_id,annotator,choice,id,image\n1,1,a,1,\n", ":2: image is empty"),
        ("annotation_id,annotator,choice,id,image\n", "has a header but no rows"),
        ("annotation_id,annotator,id,image\n1,1,1,1.jpg\n", "no column holds choices"),
    ],
)
def test_a_csv_that_is_wrong(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in refused(save(tmp_path, text, "export.csv"), "label-studio")


def test_a_file_that_is_cut_off(tmp_path: Path) -> None:
    path = cut_off(lambda p: p.write_text(json.dumps(TASKS)), tmp_path / "export.json", 0.7)
    assert "not valid JSON" in refused(path, "label-studio")


@pytest.mark.parametrize(
    "head", [b'[{"image": "1.jpg", "label": "blue"}]', b'{"images": []}', b"image,label\n", b"[]", b"[1, 2]"]
)
def test_other_files_are_not_taken_for_it(tmp_path: Path, head: bytes) -> None:
    assert not STUDIO.recognise(tmp_path / "x.json", head)


def test_recognised_by_its_beginning_alone(tmp_path: Path) -> None:
    many = [dict(BOX) for _ in range(200)]
    tasks = [task(1, "1.jpg", annotation(1, *many))]
    assert len(json.dumps(tasks)) > 10_000
    assert said(read(save(tmp_path, tasks), "label-studio")) == {"1.jpg": {"wheel": 1}}
    assert said(read(save(tmp_path, records(tasks)), "label-studio")) == {"1.jpg": {"wheel": 1}}


# --- predictions ----------------------------------------------------------------------------------------------

SPACE = LabelSpace(
    [OneOf("colour", ["red", "blue"]), Free("=cmd"), OneOf("vehicle", ["car", "bike"], optional=True), Free("a,b"), Free("c")]
)


def test_predictions(tmp_path: Path) -> None:
    rows = np.asarray([[0.25, 0.75, 0.875, 0.125, 0.125, 0.625, 0.25], [1, 0, 0, 0.25, 0.5, 0, 0]], np.float32)
    STUDIO.write(tmp_path / "x.json", Labelled(("1.jpg", "\u05e9.jpg"), SPACE, None, rows, "model 1"))
    tasks = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert [one["data"]["image"] for one in tasks] == ["1.jpg", "\u05e9.jpg"]
    for one, row in zip(tasks, rows.tolist(), strict=True):
        assert one["data"]["probabilities"] == dict(zip(SPACE.labels, row, strict=True))
        assert len(one["predictions"]) == 1 and one["predictions"][0]["model_version"] == "model 1"
    first, second = (one["predictions"][0] for one in tasks)
    assert {r["from_name"]: (r["value"]["choices"], r["score"]) for r in first["result"]} == {
        "colour": (["blue"], 0.75),
        "labels": (["=cmd", "a,b"], 0.625),  # no vehicle: none is more probable than either
    }
    assert first["score"] == 0.625  # of what is least certain
    assert {r["from_name"]: r["value"]["choices"] for r in second["result"]} == {"colour": ["red"], "vehicle": ["bike"]}
    assert second["score"] == 0.5
    assert all(r["to_name"] == "image" and r["type"] == "choices" for one in (first, second) for r in one["result"])


def test_predictions_are_no_known_labels(tmp_path: Path) -> None:
    STUDIO.write(tmp_path / "x.json", content(probabilities=[[0.9, 0.1, 0.2]]))
    found = read(tmp_path / "x.json", "label-studio")
    assert said(found) == {"=cmd.png": {}} and "not read" in dict(found.reading)["predictions"]


def test_without_probabilities_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="with probabilities"):
        STUDIO.write(tmp_path / "x.json", content([[1, 0, -1]]))
    assert not (tmp_path / "x.json").exists()


def test_strict_asks_too(tmp_path: Path) -> None:
    tasks = [task(n, f"{n}.jpg", annotation(n, choices("kind", "car")), site="north") for n in range(4)]
    with pytest.raises(ObservationError, match="may hold choices"):
        read(save(tmp_path, table(tasks)), strict=True)


def _disagreeing(folder: Path) -> Path:
    """Three annotators say cat, dog, dog of one image; cat and nothing of another one; nobody has seen the third."""
    answers = [[["cat"], ["dog"], ["dog"]], [["cat"], []], []]
    tasks = []
    for number, chosen in enumerate(answers):
        made = [
            {
                "id": 10 * number + place,
                "was_cancelled": False,
                "result": [{"from_name": "c", "to_name": "image", "type": "choices", "value": {"choices": labels}}]
                if labels
                else [],
            }
            for place, labels in enumerate(chosen, 1)
        ]
        tasks.append({"id": number, "data": {"image": f"{number}.png"}, "annotations": made})
    path = folder / "export.json"
    path.write_text(json.dumps(tasks), encoding="utf-8")
    return path


@pytest.mark.filterwarnings("ignore:.*stated more than once")
def test_with_unlisted_absent_each_annotation_is_complete_for_itself(tmp_path: Path) -> None:
    path = _disagreeing(tmp_path)
    with pytest.raises(ObservationError, match="3 contradictions") as caught:
        Observed.from_table(path, unlisted="absent")
    assert "0.png" in str(caught.value) and "1.png" in str(caught.value)
    with pytest.warns(DataWarning, match="settled by a vote"):
        vote = Observed.from_table(path, unlisted="absent", contradictions="vote")
    assert vote.space.labels == ("cat", "dog")
    assert vote.values.tolist() == [[0, 1], [-1, 0], [-1, -1]]  # 2 against 1; 1 against 1; nobody looked
    with pytest.warns(DataWarning, match="count as unknown"):
        unknown = Observed.from_table(path, unlisted="absent", contradictions="unknown")
    assert unknown.values.tolist() == [[-1, -1], [-1, 0], [-1, -1]]
