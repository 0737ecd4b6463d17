"""Execute the notebooks and keep the copies with their pictures in docs/notebooks, where GitHub shows them.

    python notebooks/publish.py              those whose copy is not in step with them
    python notebooks/publish.py --all        all of them
    python notebooks/publish.py 01 --small   one, in the small setting of the tests

The notebooks themselves hold no outputs, so that a change of one can be read. `make notebooks` calls this.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

HERE = Path(__file__).parent
PUBLISHED = HERE.parent / "docs" / "notebooks"
LARGEST = 600_000  # bytes of a copy
FORMS = ((900, 128), (750, 64), (600, 32))  # pixels of a picture's width, and its colours: the first that is small enough


def in_step(source: Path, copy: Path) -> bool:
    """Whether a copy has the cells of its notebook."""
    return copy.exists() and cells(source) == cells(copy)


def cells(path: Path) -> list[tuple[str, str]]:
    """The kind and the text of each cell; links lead from the folder of the notebooks."""
    notebook = nbformat.read(path, as_version=4)
    back = path.parent.resolve() == PUBLISHED.resolve()
    return [(cell.cell_type, relinked(cell.source, back=True) if back else cell.source) for cell in notebook.cells]


def relinked(text: str, back: bool = False) -> str:
    """The text of a cell with its links as they lead from docs/notebooks; or, with `back`, from notebooks."""
    if back:
        return re.sub(r"\]\(\.\./\.\./", "](../", text)
    return re.sub(r"\]\(\.\./", "](../../", text)


def executed(notebook: Any, small: bool) -> Any:
    """The notebook with the outputs of its cells, run from top to bottom in an empty folder."""
    os.environ.pop("MPLBACKEND", None)  # the kernel's own shows pictures
    os.environ.pop("LATENTLABELS_PHOTOS", None)  # pictures that are ours
    os.environ.pop("LATENTLABELS_SMOKE", None)
    if small:
        os.environ["LATENTLABELS_SMOKE"] = "1"
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH", "")]))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TMPDIR"] = folder
        NotebookClient(
            notebook, timeout=1800, kernel_name="python3", record_timing=False, resources={"metadata": {"path": folder}}
        ).execute()
        for output in outputs(notebook):
            shorten(output, folder)
    return notebook


def outputs(notebook: Any) -> Iterator[Any]:
    """The outputs of all cells."""
    for cell in notebook.cells:
        yield from cell.get("outputs", ())


def shorten(output: Any, folder: str) -> None:
    """Leave out what is there twice, and where on this machine the notebook ran."""
    if output.output_type == "stream":
        output.text = output.text.replace(folder, "/tmp")
    data = output.get("data", {})
    if "image/png" in data:
        data.pop("image/jpeg", None)  # the same picture once more
    for kind, value in data.items():
        if kind != "image/png" and isinstance(value, str):
            data[kind] = value.replace(folder, "/tmp")


def small_png(encoded: str, width: int, colours: int) -> str:
    """A picture of at most so many pixels in width, and of so many colours, both in base64."""
    picture = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")
    if picture.width > width:
        picture = picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.quantize(colours, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode()


def publish(source: Path, copy: Path, small: bool = False) -> int:
    """Write the executed copy of a notebook; its size in bytes.

    Raises:
        CellExecutionError: a cell fails.
        ValueError: the copy is too large.
    """
    notebook = executed(nbformat.read(source, as_version=4), small)
    for cell in notebook.cells:
        cell.source = relinked(cell.source)
        cell.metadata = {}
    pictures = [
        (output.data, output.data["image/png"]) for output in outputs(notebook) if "image/png" in output.get("data", {})
    ]
    for width, colours in FORMS:
        for data, picture in pictures:
            data["image/png"] = small_png(picture, width, colours)
        text = nbformat.writes(notebook) + "\n"
        if len(text.encode()) <= LARGEST:
            break
    if len(text.encode()) > LARGEST:
        raise ValueError(f"{copy.name} would have {len(text.encode()):,} bytes, more than {LARGEST:,}; let it show less")
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text(text, encoding="utf-8")
    return len(text.encode())


def main() -> None:
    """Publish what is not in step."""
    parser = argparse.ArgumentParser(description="Execute the notebooks and keep the copies with their pictures.")
    parser.add_argument("names", nargs="*", help="beginnings of names; default: all of them")
    parser.add_argument("--all", action="store_true", help="also those whose copy is in step")
    parser.add_argument("--small", action="store_true", help="in the small setting of the tests: poorer answers")
    asked = parser.parse_args()
    for source in sorted(HERE.glob("*.ipynb")):
        copy = PUBLISHED / source.name
        if asked.names and not source.name.startswith(tuple(asked.names)):
            continue
        if not asked.all and in_step(source, copy):
            print(f"{source.name}: in step", file=sys.stderr)
            continue
        print(f"{source.name}: {publish(source, copy, asked.small):,} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
