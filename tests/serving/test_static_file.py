"""`explore --static`: a file that shows what the run says, and needs no service."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
from browser import run_script
from command import latentlabels
from served import Fitted

from latentlabels import LatentLabels
from latentlabels.show.card import SCRIPTS


def _document(file: Path) -> dict:
    found = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', file.read_text(encoding="utf-8"))
    assert found is not None
    return json.loads(found[1])


def test_holds_what_the_model_says_of_its_images(fitted: Fitted, tmp_path: Path):
    done = latentlabels("explore", fitted.run, "--static", "-o", tmp_path / "explore.html", "--json")
    assert done.code == 0, done.err
    given = _document(tmp_path / "explore.html")
    assert done.document["num_images"] == len(given["images"]) >= 20
    body = (
        "const space = new LatentLabels.Space(given.space); return given.images.map(one => [...space.condition(one.card, {})]);"
    )
    found = run_script([SCRIPTS / "space.js"], body, given)
    model = LatentLabels.load(fitted.run)
    want = model.posterior([fitted.images / image["name"] for image in given["images"]])
    np.testing.assert_allclose(found, want.marginals, atol=1e-5)
    assert all(image["picture"].startswith("data:image/jpeg;base64,") for image in given["images"])


def test_needs_the_name_of_a_file_and_a_run(fitted: Fitted, tmp_path: Path):
    done = latentlabels("explore", fitted.run, "--static")
    assert done.code == 2 and "-o FILE" in done.err
    done = latentlabels("explore", tmp_path / "none", "--static", "-o", tmp_path / "explore.html")
    assert done.code == 2 and "run folder not found" in done.err
    assert not (tmp_path / "explore.html").exists()
