"""`fit` with several processes, as Lightning starts them: each runs the whole command, one of them writes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import MIXED, draw


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "ddp_spawn"])  # the command once more, or a copy of this process
def test_two_processes_on_the_cpu_write_one_run(strategy: str, tmp_path: Path):
    data = draw(MIXED, 120)
    np.savez(tmp_path / "data.npz", embeddings=data.inputs, observed=data.observed, labels=np.array(MIXED.labels))
    overrides = [
        "fit.epochs=2",
        "fit.accelerator=cpu",
        "fit.devices=2",
        f"fit.strategy={strategy}",
        "model.expected_labels=2.7",
    ]
    command = [sys.executable, "-m", "latentlabels", "fit", "--embeddings", "data.npz", "--out", "run", "--json"]
    for override in overrides:
        command += ["--set", override]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("LOCAL_RANK", "PYTEST"))}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["run"].endswith("run")  # one document, though two processes ran
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [0, 1]
    assert re.findall(r"^epoch (\d of 2): ", done.stderr, re.MULTILINE) == ["1 of 2", "2 of 2"]  # by one of the processes
    assert (tmp_path / "run" / "weights.safetensors").exists()
