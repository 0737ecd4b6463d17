"""What a table of completely labelled images said of the inputs that it was read for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Completed:
    """Counts of a table whose rows say all about an image.

    Attributes:
        table: its file.
        num_complete: images whose labels it states completely.
        num_partial: images with some stated labels.
        num_checked: labels that were known to be present of the complete images before.
        num_mistaken: how many of those the table says are absent.
        mistaken: some of them, (image, label) each.
    """

    table: str
    num_complete: int
    num_partial: int
    num_checked: int
    num_mistaken: int
    mistaken: tuple[tuple[str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self) | {"mistaken": [list(one) for one in self.mistaken]}
