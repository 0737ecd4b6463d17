"""Time and memory of reading large tables of known labels, beside pandas on the same file.

    python benchmarks/reading.py [--folder DIR]

Each table is read in a process of its own; the peak memory is that of the whole process. Times are CPU seconds of the process
that reads: these machines are shared. The tables are made first (seed 0), and kept for the next run if a folder is given.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

READERS = {
    "latentlabels": "import latentlabels as ll; start = now(); found = ll.Observed.from_table(path, unlisted='unknown')",
    "pandas": "import pandas as pd; start = now(); found = pd.read_csv(path)",
}
CODE = """
import resource, sys, time
path, now = sys.argv[1], time.process_time
{read}
print(now() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, len(found))
"""


def long_table(path: Path, rows: int, labels: int) -> None:
    """One known label of each image."""
    known = np.random.default_rng(0).integers(labels, size=rows)
    with path.open("w") as file:
        file.write("image,label\n")
        file.writelines(f"{row:07d}.jpg,label{label}\n" for row, label in enumerate(known.tolist()))


def wide_table(path: Path, rows: int, labels: int) -> None:
    """Every label of each image, a fifth of them present."""
    rng = np.random.default_rng(0)
    with path.open("w") as file:
        file.write("image," + ",".join(f"label{k}" for k in range(labels)) + "\n")
        for start in range(0, rows, 10_000):
            cells = np.full((min(10_000, rows - start), 2 * labels), ord(","), np.uint8)
            cells[:, 0::2] = (rng.random((len(cells), labels)) < 0.2) + ord("0")
            cells[:, -1] = ord("\n")
            file.writelines(f"{start + row:07d}.jpg,{line.tobytes().decode()}" for row, line in enumerate(cells))


TABLES = {
    "long, 300,000 rows, 2,000 labels": (long_table, 300_000, 2_000),
    "wide, 1,000,000 rows, 200 labels": (wide_table, 1_000_000, 200),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=None, help="where the tables are made and kept")
    folder = parser.parse_args().folder or Path(tempfile.mkdtemp())
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}")
    for name, (make, rows, labels) in TABLES.items():
        path = folder / f"{make.__name__}-{rows}-{labels}.csv"
        if not path.exists():
            make(path, rows, labels)
        for reader, read in READERS.items():
            code = CODE.format(read=read)
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", code, str(path)], capture_output=True, text=True, check=True
            )
            seconds, memory, found = done.stdout.split()
            print(
                f"{name}: {reader} {float(seconds):.2f} s of CPU, peak {float(memory):.2f} GB, {int(found):,} rows", flush=True
            )


if __name__ == "__main__":
    main()
