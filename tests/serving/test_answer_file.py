"""The table of answers: what was acknowledged is there after a kill, and the table never contradicts itself."""

from __future__ import annotations

import errno
import resource
import threading
from pathlib import Path

import pytest

from latentlabels import Observed
from latentlabels.datasets.street_scenes import TOY_SPACE
from latentlabels.errors import DataError
from latentlabels.serving.answer_file import AnswerFile, Entry
from latentlabels.serving.answering import Answering
from latentlabels.serving.problems import ProblemError

HEAD = "image,label,value,kind,decision\n"
OLD_HEAD = "image,label,value\n"  # of earlier versions
LINE, OLD_LINE = "b.png,smoke,0,mistake,change\n", "b.png,smoke,0\n"


@pytest.mark.parametrize("cut", range(1, len(OLD_LINE) + 1))
def test_wherever_the_last_line_is_torn_what_came_before_is_kept(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "answers.csv"
    whole = OLD_HEAD + "a.png,car,1\n"
    path.write_text(whole + OLD_LINE[:cut])
    found = AnswerFile(path)
    assert found.entries[0] == Entry("a.png", "car", 1)
    assert found.entries[1:] in ([], [Entry("b.png", "smoke", 0)])
    assert bool(found.entries[1:]) == (cut >= len("b.png,smoke,0"))
    found.add([Entry("c.png", "tree", None, "complete")])
    again = AnswerFile(path)
    assert again.entries == found.entries and again.entries[-1] == Entry("c.png", "tree", None, "complete")
    assert path.read_text().startswith(HEAD + "a.png,car,1,,\n")  # the earlier table has the further columns now


@pytest.mark.parametrize("cut", range(1, len(LINE) + 1))
def test_a_torn_line_of_five_columns(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "answers.csv"
    path.write_text(HEAD + "a.png,car,1,question,\n" + LINE[:cut])
    found = AnswerFile(path)
    whole = {"b.png,smoke,0,mistake,": "", LINE.strip(): "change", LINE: "change"}
    expected = [Entry("b.png", "smoke", 0, "mistake", whole[LINE[:cut]])] if LINE[:cut] in whole else []
    assert found.entries == [Entry("a.png", "car", 1, "question"), *expected]
    found.add([Entry("c.png", "tree", None)])
    assert AnswerFile(path).entries == found.entries


@pytest.mark.parametrize("cut", range(len(HEAD)))
def test_a_torn_head_is_begun_again(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "answers.csv"
    path.write_text(HEAD[:cut])
    found = AnswerFile(path)
    found.add([Entry("a.png", "car", 1)])
    assert path.read_text() == HEAD + "a.png,car,1,,\n"


@pytest.mark.parametrize("text", ["name,car\na,1\n", "x" * 40, HEAD + "a,car,2,,\n", HEAD + "a,car,1\n", OLD_HEAD + "a,car\n"])
def test_another_file_is_refused_and_left_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "answers.csv"
    path.write_text(text)
    with pytest.raises(DataError):
        AnswerFile(path)
    assert path.read_text() == text


def test_the_table_is_read_as_known_labels_with_absences(tmp_path: Path) -> None:
    names = [f"{row}.png" for row in range(5)]
    answering = Answering(tmp_path / "answers.csv", names, TOY_SPACE)
    answering.add("0.png", "smoke", None, 0)
    answering.add("1.png", None, "colour", "red")
    answering.add("1.png", None, "colour", "blue")  # takes the place of red
    answering.add("2.png", None, "vehicle", "none")
    answering.add("3.png", "tree", None, None)
    answering.add("4.png", "tree", None, 1)
    answering.add("4.png", "tree", None, 0)
    found = Observed.from_table(tmp_path / "answers.csv", TOY_SPACE, unlisted="unknown")
    by_name = dict(zip(found.images or (), found.values, strict=True))
    for row, name in enumerate(names):
        if (answering.values[row] != -1).any():
            assert (by_name[name] == answering.values[row]).all()
    assert by_name["1.png"][TOY_SPACE.index("blue")] == 1 and by_name["1.png"][TOY_SPACE.index("red")] == -1
    assert by_name["4.png"][TOY_SPACE.index("tree")] == 0
    again = Answering(tmp_path / "answers.csv", names, TOY_SPACE)
    assert (again.values == answering.values).all() and (again.asked == answering.asked).all()


def test_a_full_disk_leaves_the_table_as_it_was(tmp_path: Path) -> None:
    names = [f"{row}.png" for row in range(9)]
    answering = Answering(tmp_path / "answers.csv", names, TOY_SPACE)
    answering.add("0.png", "smoke", None, 0)
    before = (tmp_path / "answers.csv").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        for image, value, room in (("1.png", 1, 9), ("0.png", 1, -3)):  # another line; one in place of an earlier one
            resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + room, hard))
            with pytest.raises(ProblemError, match="was not saved") as error:
                answering.add(image, "smoke", None, value)
            assert error.value.status == 507
            assert (tmp_path / "answers.csv").read_bytes() == before
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert answering.of("1.png").max() == -1 and answering.of("0.png")[TOY_SPACE.index("smoke")] == 0
    answering.add("1.png", "smoke", None, 1)
    assert (tmp_path / "answers.csv").read_bytes() == before + b"1.png,smoke,1,,\n"


def test_what_could_not_be_taken_back_is_before_the_next_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering = Answering(tmp_path / "answers.csv", ["a", "b"], TOY_SPACE)
    answering.add("a", "smoke", None, 0)
    before = (tmp_path / "answers.csv").read_bytes()

    def torn(path: Path, text: str) -> None:
        with path.open("a") as file:
            file.write(text[:5])
        raise OSError(errno.EIO, "Input/output error")

    def refused(self: AnswerFile, size: int) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patched:
        patched.setattr("latentlabels.serving.answer_file.append_text", torn)
        patched.setattr(AnswerFile, "_cut", refused)
        for _ in range(2):
            with pytest.raises(ProblemError) as error:
                answering.add("b", "smoke", None, 1)
            assert error.value.status == 503
    answering.add("b", "smoke", None, 1)
    assert (tmp_path / "answers.csv").read_bytes() == before + b"b,smoke,1,,\n"


def test_a_table_that_was_removed_is_written_again_with_all_answers(tmp_path: Path) -> None:
    answering = Answering(tmp_path / "answers.csv", ["a", "b"], TOY_SPACE)
    answering.add("a", "smoke", None, 0)
    (tmp_path / "answers.csv").unlink()
    answering.add("b", "smoke", None, 1)
    assert (tmp_path / "answers.csv").read_text() == HEAD + "a,smoke,0,,\nb,smoke,1,,\n"


def test_answers_that_cannot_both_be_true_are_refused_and_not_written(tmp_path: Path) -> None:
    answering = Answering(tmp_path / "answers.csv", ["a"], TOY_SPACE)
    answering.add("a", "car", None, 0)
    before = (tmp_path / "answers.csv").read_bytes()
    with pytest.raises(ProblemError, match="requires"):
        answering.add("a", "2-doors", None, 1)
    with pytest.raises(ProblemError):
        answering.add("a", "cars", None, 1)
    with pytest.raises(ProblemError):
        answering.add("a", None, "colour", 1)
    assert (tmp_path / "answers.csv").read_bytes() == before


def test_many_threads_lose_nothing(tmp_path: Path) -> None:
    names = [f"{row}.png" for row in range(64)]
    answering = Answering(tmp_path / "answers.csv", names, TOY_SPACE)

    def work(part: int) -> None:
        for row in range(part, 64, 8):
            answering.add(names[row], "smoke", None, 1)
            if row % 3 == 0:
                answering.add(names[row], "smoke", None, 0)

    threads = [threading.Thread(target=work, args=(part,)) for part in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    again = Answering(tmp_path / "answers.csv", names, TOY_SPACE)
    smoke = TOY_SPACE.index("smoke")
    assert again.values[:, smoke].tolist() == [0 if row % 3 == 0 else 1 for row in range(64)]
    assert len(again) == 64
