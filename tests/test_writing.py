"""Files are written whole or not at all, and nothing in the package writes them another way."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import latentlabels
from latentlabels.writing import append_text, building, clear_leftovers, replacing, write_json, write_text, writing


@pytest.fixture(scope="module")
def dead() -> int:
    """The number of a process that has ended."""
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True)
    return int(done.stdout)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    write_text(target, "old")

    def broken() -> None:
        with replacing(target) as temporary:
            assert temporary.suffix == ".csv" and temporary.parent == tmp_path
            temporary.write_text("half of the new")
            raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="disk"):
        broken()
    assert names(tmp_path) == ["a.csv"]
    assert target.read_text() == "old"


def test_a_file_written_bit_by_bit_appears_at_the_end(tmp_path: Path) -> None:
    with writing(tmp_path / "a.txt") as file:
        file.write("vélo\r\n")
        assert "a.txt" not in names(tmp_path)
        file.write("2")
    assert (tmp_path / "a.txt").read_bytes() == "vélo\r\n2".encode()


def test_a_folder_appears_as_a_whole(tmp_path: Path) -> None:
    with building(tmp_path / "deep" / "pictures") as temporary:
        (temporary / "cat").mkdir()
        (temporary / "cat" / "1.png").write_bytes(b"1")
        assert not (tmp_path / "deep" / "pictures").exists()
    assert names(tmp_path / "deep") == ["pictures"]
    with pytest.raises(OSError), building(tmp_path / "deep" / "pictures"):
        pass
    assert names(tmp_path / "deep" / "pictures") == ["cat"]
    assert names(tmp_path / "deep") == ["pictures"]


def test_text_and_json_are_utf_8(tmp_path: Path) -> None:
    write_json(tmp_path / "b.json", {"label": "vélo 自転車"})
    assert json.loads((tmp_path / "b.json").read_bytes().decode("utf-8")) == {"label": "vélo 自転車"}
    write_json(tmp_path / "b.json", [1, 2], compact=True)
    assert (tmp_path / "b.json").read_text() == "[1, 2]\n"


def test_lines_are_added_to_what_is_there(tmp_path: Path) -> None:
    append_text(tmp_path / "rows", "vélo\n")
    append_text(tmp_path / "rows", "2\n3\n")
    assert (tmp_path / "rows").read_text(encoding="utf-8") == "vélo\n2\n3\n"


def test_a_link_is_followed_and_a_pipe_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link.csv").symlink_to(tmp_path / "there" / "real.csv")
    write_text(tmp_path / "link.csv", "new")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "there" / "real.csv").read_text() == "new"
    write_text(os.devnull, "nothing")
    assert not Path(os.devnull).is_file()


def test_what_cannot_be_written_is_named_as_the_caller_knows_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as found:
        write_text(tmp_path / "nowhere" / "a.csv", "1")
    assert found.value.filename == str(tmp_path / "nowhere" / "a.csv")


def test_a_name_of_the_longest_kind(tmp_path: Path) -> None:
    name = "ü" * 125 + ".csv"  # 254 bytes; a system allows 255
    write_text(tmp_path / name, "1")
    assert names(tmp_path) == [name]


def test_leftovers_of_a_killed_process_are_removed_and_nothing_else(tmp_path: Path, dead: int) -> None:
    (tmp_path / f".weights.{dead}.partial.safetensors").write_bytes(b"half")
    (tmp_path / f".pictures.{dead}.partial").mkdir()
    (tmp_path / f".pictures.{dead}.partial" / "1.png").write_bytes(b"half")
    (tmp_path / f".weights.{os.getppid()}.partial.safetensors").write_bytes(b"being written")
    (tmp_path / ".keep").write_text("x")
    (tmp_path / "weights.safetensors").write_bytes(b"whole")
    clear_leftovers(tmp_path)
    clear_leftovers(tmp_path / "nowhere")
    assert names(tmp_path) == [".keep", f".weights.{os.getppid()}.partial.safetensors", "weights.safetensors"]


def test_writing_a_file_again_removes_its_own_leftovers_alone(tmp_path: Path, dead: int) -> None:
    for name in ("a", "b"):
        (tmp_path / f".{name}.{dead}.partial.csv").write_bytes(b"half")
    write_text(tmp_path / "a.csv", "1")
    assert names(tmp_path) == [f".b.{dead}.partial.csv", "a.csv"]


# --- nothing else writes --------------------------------------------------------------------------------

PACKAGE = Path(latentlabels.__file__).parent
OPENING = {"open", "fdopen"}
PLAIN = {"write_text", "write_bytes", "touch", "tofile"}
"""Methods that write in place: of paths and arrays."""
WRITERS = {
    "savez", "savez_compressed", "savetxt", "to_csv", "to_parquet", "to_json", "to_feather", "to_pickle", "save_file",
    "savefig", "save", "dump", "safe_dump", "write_table", "imwrite",
}  # fmt: skip
"""Functions of other packages that write to a path or a buffer which is given to them."""
HELD = {"replacing", "building", "writing", "temporary"}
ALLOWED = {
    ("bench/fits.py", "write_text"),  # to the kernel: sets the mark of the highest memory back
    ("bench/toy_demo.py", "save"),  # of `LatentLabels`
    ("cli/fit.py", "save"),  # the same
    ("cli/mistakes.py", "write_table"),  # of `review`, by `write_text`
    ("decisions/decisions.py", "save"),  # to bytes
    ("encoders/runtime/onnx.py", "save"),  # into a folder of its own, which is removed
    ("export/formats.py", "save"),  # at the place that `replacing` gave
    ("serving/answer_file.py", "open"),  # cuts off a last line that was torn
    ("serving/uploads.py", "write_bytes"),  # into a folder of its own, which is removed
}


def called(node: ast.Call) -> str:
    target = node.func
    return target.attr if isinstance(target, ast.Attribute) else target.id if isinstance(target, ast.Name) else ""


def mode(node: ast.Call) -> str:
    """Of an `open`, "r" if it is not given."""
    place = 0 if isinstance(node.func, ast.Attribute) else 1
    given = [keyword.value for keyword in node.keywords if keyword.arg == "mode"] or node.args[place : place + 1]
    return str(given[0].value) if given and isinstance(given[0], ast.Constant) else "r"


def writes(tree: ast.Module) -> list[tuple[int, str]]:
    """Line and name of each call that writes to a file, but in a block that takes care of it or to a buffer."""
    found: list[tuple[int, str]] = []

    def visit(node: ast.AST, safe: bool, buffers: set[str]) -> None:
        if isinstance(node, ast.FunctionDef):
            made = [n for n in ast.walk(node) if isinstance(n, ast.Assign) and isinstance(n.value, ast.Call)]
            buffers = {
                t.id for n in made if called(n.value) in ("BytesIO", "StringIO") for t in n.targets if isinstance(t, ast.Name)
            }
        if isinstance(node, ast.With):
            calls = [item.context_expr for item in node.items if isinstance(item.context_expr, ast.Call)]
            safe = safe or any(called(call) in HELD for call in calls)
        if isinstance(node, ast.Call) and not safe:
            name = called(node)
            to = node.args[:1]
            buffered = bool(to) and isinstance(to[0], ast.Name) and to[0].id in buffers
            textual = name in ("to_csv", "to_json", "safe_dump", "dump") and (not to or name in ("safe_dump", "dump"))
            textual = textual and len(node.args) < 2
            opened = name in OPENING and set(mode(node)) & set("wax+")
            plain = name in PLAIN and isinstance(node.func, ast.Attribute)
            if opened or plain or (name in WRITERS and not buffered and not textual):
                found.append((node.lineno, name))
        for child in ast.iter_child_nodes(node):
            visit(child, safe, buffers)

    visit(tree, False, set())
    return found


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ('open("a", "w")', ["open"]),
        ('path.open("r+b")', ["open"]),
        ('open("a", mode="x")', ["open"]),
        ('open("a"), path.open("rb"), Image.open(path)', []),
        ("path.write_text(text), write_text(path, text)", ["write_text"]),
        ("np.savez(path, a=1)", ["savez"]),
        ("with replacing(path) as temporary:\n np.savez(temporary, a=1)", []),
        ("def f():\n buffer = io.BytesIO()\n image.save(buffer, 'PNG')", []),
        ("def f():\n image.save(path)", ["save"]),
        ("frame.to_csv(index=False), frame.to_csv(path)", ["to_csv"]),
        ("yaml.safe_dump(tree), yaml.safe_dump(tree, file)", ["safe_dump"]),
    ],
)
def test_the_search_for_writes_sees_them(source: str, seen: list[str]) -> None:
    assert [name for _, name in writes(ast.parse(source))] == seen


def test_no_other_module_writes_files() -> None:
    found = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name != "writing.py":
            found |= {(name, call) for _, call in writes(ast.parse(path.read_text(encoding="utf-8")))}
    assert found == ALLOWED  # what is allowed and no longer there is to be removed here
