"""Print pip constraints that pin every dependency of the package to the lowest version that pyproject.toml allows."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path


def constraints(text: str) -> list[str]:
    """``name==version`` for each dependency ``name>=version`` of a pyproject.toml."""
    project = tomllib.loads(text)["project"]
    found = [re.match(r"([\w.-]+)>=([\w.]+)", entry) for entry in project["dependencies"]]
    return [f"{match[1]}=={match[2]}" for match in found if match]


if __name__ == "__main__":
    print("\n".join(constraints((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))))
