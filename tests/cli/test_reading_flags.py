"""Flags that say what a table means: every choice of a refusal can be pasted back."""

from __future__ import annotations

import io
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from command import Done, latentlabels

from latentlabels.cli.app import main
from latentlabels.cli.label_options import by_column

ROWS = 24
NAMES = [f"{row:02d}.jpg" for row in range(ROWS)]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plain") / "v.npz"
    np.savez(path, embeddings=np.random.default_rng(0).normal(size=(ROWS, 3)), images=np.array(NAMES))
    return path


def choices(message: str) -> list[list[str]]:
    """The flags of each choice in a refusal: read as a shell does."""
    out: list[list[str]] = []
    for found in re.finditer(r"(?:; give|,|, or| or) (--[a-z])", message):
        words = shlex.shlex(message[found.start(1) :], posix=True, punctuation_chars=False)
        words.whitespace_split = True
        flags: list[str] = []
        for word in words:
            if len(flags) % 2 == 0 and not word.startswith("--"):
                break
            flags.append(word)
        out.append(flags)
    return out


def inspected(plain: Path, table: Path, *flags: str, depth: int = 4) -> Iterator[Done]:
    """What `inspect` says after every choice of every refusal."""
    done = latentlabels("inspect", plain, "--observed", table, *flags, "--json")
    if done.code == 0:
        yield done
        return
    assert done.code == 2 and depth, done.err
    assert not re.search(r'\b(absent|unknown|unlisted|ignore|separator|label_columns|split)="', done.err), done.err
    found = choices(done.err)
    assert found, done.err
    for one in found:
        yield from inspected(plain, table, *flags, *one, depth=depth - 1)


def values(*texts: str) -> list[str]:
    draw = np.random.default_rng(len(texts))
    return [*texts, *(texts[k] for k in draw.integers(0, len(texts), ROWS - len(texts)))]


TABLES = {
    "signs": {"cat": values("1", "-1"), "dog": values("-1", "1", "1")},
    "three values": {"cat": values("1", "0", "-1"), "dog": values("-1", "0", "1", "0")},
    "three values and empty": {"cat": values("1", "0", "-1", ""), "dog": values("-1", "0", "1", "", "0")},
    "one-hot": {name: [str(row % 2 == k) for row in range(ROWS)] for k, name in enumerate(("cat", "dog"))},
    "marks": {"cat": values("x", ""), "dog": values("", "x", "x")},
    "names with signs": {"a label, one": values("1", "-1"), "it's": values("-1", "1", "1")},
    "groups": {"colour": values("red", "blue"), "vehicle": values("car", "none", "bike")},
    "tags": {"tags": values('"red|dark"', "red", "dark")},
    "one column": {"species": values("cat", "dog", "wild cat")},
    "a strange value": {"cat": values("1", "0"), "it's so": values("1", "0", "1", "0", "may be")},
    "a split": {"cat": values("1", "0"), "dog": values("0", "1", "1"), "is_valid": values("0", "1")},
    "a site": {**{f"l{k}": values("1", "0", *"10" * (k % 3)) for k in range(11)}, "site": values("A", "B")},
}


@pytest.mark.parametrize("name", TABLES)
def test_every_choice_works(plain: Path, tmp_path: Path, name: str) -> None:
    columns = TABLES[name]
    path = tmp_path / "t.csv"
    head = ",".join(["image", *(f'"{column}"' for column in columns)])
    rows = [",".join([NAMES[row], *(cells[row] for cells in columns.values())]) for row in range(ROWS)]
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    assert latentlabels("inspect", plain, "--observed", path).code == 2  # it is ambiguous
    read = [done.document for done in inspected(plain, path)]
    assert len(read) >= 2
    assert all(document["num_images"] == ROWS and document["num_labels"] for document in read)
    said = {str([document["labels"], document["held_out"]]) for document in read}
    assert len(said) >= 2  # the choices differ


def test_an_array_of_signs_in_a_file_of_embeddings_is_asked_about(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    signs = np.where(draw.random((ROWS, 3)) < 0.6, 1, -1)
    path, labels = tmp_path / "e.npz", np.array(["a", "b", "c"])
    vectors = draw.normal(size=(ROWS, 4)).astype(np.float32)
    np.savez(path, embeddings=vectors, observed=signs, labels=labels)
    done = latentlabels("inspect", path)
    assert done.code == 2
    assert "--unknown -1" in done.err and "--absent -1" in done.err
    absent = latentlabels("inspect", path, "--absent", "-1", "--json").document
    unknown = latentlabels("inspect", path, "--unknown", "-1", "--json").document
    present = int((signs == 1).sum())
    assert (absent["known_present"], absent["known_absent"]) == (present, 3 * ROWS - present)
    assert (unknown["known_present"], unknown["known_absent"]) == (present, 0)
    missing = signs.astype(np.float32)
    missing[0, 0] = np.nan  # what is unknown is said by NaN
    np.savez(path, embeddings=vectors, observed=missing, labels=labels)
    assert latentlabels("inspect", path).code == 0


def test_values_by_column() -> None:
    assert by_column(["-1", "0"]) == ["-1", "0"]
    assert by_column(["bus=-1", "dog=0", "bus=no", "=cmd"]) == {"bus": ["-1", "no"], "dog": ["0"], "*": ["=cmd"]}


def test_flags_by_column_and_the_same_keys_in_a_config(plain: Path, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    bus, car = values("1", "-1"), values("0", "1", "1")
    path.write_text("image,bus,car\n" + "".join(f"{NAMES[row]},{bus[row]},{car[row]}\n" for row in range(ROWS)))
    flags = latentlabels("inspect", plain, "--observed", path, "--absent", "bus=-1", "--absent", "0", "--json")
    assert flags.code == 0, flags.err
    counts = {one["label"]: (one["known_present"], one["known_absent"]) for one in flags.document["labels"]}
    assert counts == {"bus": (bus.count("1"), bus.count("-1")), "car": (car.count("1"), car.count("0"))}
    config = tmp_path / "c.yaml"
    config.write_text(f"data: {{embeddings: {plain}, observed: {path}, absent: {{bus: -1, '*': 0}}}}\n")
    done = latentlabels("inspect", config, "--json")
    assert done.code == 0, done.err
    assert done.document["labels"] == flags.document["labels"]
    next_ = shlex.split(flags.document["next"])
    assert " ".join(next_[next_.index("--absent") :]) == "--absent bus=-1 --absent 0"  # the command repeats what was stated


@pytest.mark.parametrize(
    "flags, words",
    [
        (("--absent", "bsu=-1"), 'no column "bsu"'),
        (("--unlisted", "negative"), "negative"),
        (("--contradictions", "majority"), "majority"),
        (("--ignore", "nothing", "--image-column", "imgae"), 'no column "imgae"'),
    ],
)
def test_flags_that_cannot_be(plain: Path, tmp_path: Path, flags: tuple[str, ...], words: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text("image,bus\n" + "".join(f"{name},{row % 2}\n" for row, name in enumerate(NAMES)))
    done = latentlabels("inspect", plain, "--observed", path, *flags)
    assert done.code in (1, 2) and words in done.err


def test_complete_and_evaluate_offer_only_flags_that_they_have(vector_run: Path, vectors: Path, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("image,red,is_valid\n" + "".join(f"{name},{row % 2},0\n" for row, name in enumerate(NAMES)))
    for verb, option in (("complete", "--observed"), ("evaluate", "--truth")):
        done = latentlabels(verb, vector_run, option, path, "--embeddings", vectors)
        assert done.code == 2
        assert choices(done.err) == [["--ignore", "is_valid"]]
        assert "in a config" not in done.err


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_stdout_is_utf8_whatever_the_code_page(
    plain: Path, tmp_path: Path, more: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("image,猫\n" + "".join(f"{name},{row % 2}\n" for row, name in enumerate(NAMES)), encoding="utf-8")
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="cp1252"))  # as Windows redirects it
    assert main(["inspect", str(plain), "--observed", str(path), *more]) == 0
    sys.stdout.flush()
    assert "猫" in written.getvalue().decode("utf-8")
