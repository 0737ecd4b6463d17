"""The constraints of `make test-lowest` pin every dependency."""

from __future__ import annotations

import tomllib
from pathlib import Path

from lowest import constraints

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"


def test_every_dependency_is_pinned_to_its_lower_bound() -> None:
    text = PYPROJECT.read_text(encoding="utf-8")
    found = constraints(text)
    assert len(found) == len(tomllib.loads(text)["project"]["dependencies"])
    assert constraints('[project]\ndependencies = ["a-b>=1.2,<2", "c.d>=0.3"]') == ["a-b==1.2", "c.d==0.3"]
