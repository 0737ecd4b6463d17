"""A JavaScript engine for tests: node where it is installed, else headless Chromium."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NODE = shutil.which("node")
CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)

_OPEN: list[Any] = []  # Playwright refuses to start twice at a time


def run_script(files: Sequence[Path], body: str, given: Any) -> Any:
    """What the body of a function of `given` returns, after some scripts have run; all values are JSON."""
    scripts = "\n".join(file.read_text(encoding="utf-8") for file in files)
    if NODE is not None:
        code = f"{scripts}\nconst given = JSON.parse(require('fs').readFileSync(0, 'utf8'));\n"
        code += f"process.stdout.write(JSON.stringify((() => {{ {body} }})()));"
        done = subprocess.run([NODE, "-e", code], input=json.dumps(given), capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    with chromium() as browser:
        page = browser.new_page()
        page.set_content("<!DOCTYPE html><title>scripts</title>")
        page.add_script_tag(content=scripts)
        return json.loads(page.evaluate(f"(given) => JSON.stringify((() => {{ {body} }})())", given))


@contextmanager
def chromium() -> Iterator[Any]:
    """Headless Chromium, driven by Playwright; a test is skipped where either is missing. Within another one it is that one."""
    if _OPEN:
        yield _OPEN[0]
        return
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        _OPEN.append(browser)
        try:
            yield browser
        finally:
            _OPEN.clear()
            browser.close()


def serious(page: Any) -> list[str]:
    """What axe-core finds on a page that is serious or critical: the rule, and the elements."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page).response["violations"]
    return [
        f"{rule['id']}: {node['target']} {node.get('failureSummary', '')}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def overflow(page: Any) -> int:
    """Pixels by which a page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
