"""Which name means which image: every right pairing is found, and what is unclear is left open."""

from __future__ import annotations

import numpy as np
import pytest

from latentlabels.observed import match_names


@pytest.mark.parametrize(
    ("wanted", "stored", "found"),
    [
        (["a.png", "b.png"], ["b.png", "a.png"], [1, 0]),
        (["photos/a.png", "photos/b.png"], ["b.png", "a.png"], [1, 0]),  # one side knows the folder
        (["a.png"], ["/data/photos/a.png"], [0]),
        (["photos/1/a.png", "photos/2/a.png"], ["export/2/a.png", "export/1/a.png"], [1, 0]),  # another folder above
        (["a", "b"], ["b.jpg", "a.jpg"], [1, 0]),  # names without the ending of the file
        (["photos\\a.png"], ["photos/a.png"], [0]),
        (["a.png", "new.png"], ["a.png", "old.png"], [0, None]),
        (["a.png"], ["1/a.png", "2/a.png"], [None]),  # it could be either
        (["1/a.png", "2/a.png"], ["a.png"], [None, None]),  # both could be it
        (["a.png", "old/a.png"], ["a.png"], [0, None]),  # the better fit has it
        (["a.png"], ["a.png", "x/a.png"], [0]),  # what is equal comes first
        (["a.png"], ["a.png", "a.png"], [None]),
        (["a.png", "a.png"], ["a.png"], [0, 0]),  # the same image, asked for twice
        (["2020.01", "2020.02"], ["2020.03", "2020.04"], [None, None]),  # a dot in a name is no ending
        ([], ["a.png"], []),
        (["a.png"], [], [None]),
    ],
)
def test_pairs(wanted: list[str], stored: list[str], found: list[int | None]) -> None:
    assert match_names(wanted, stored) == found


def test_any_order_in_any_folder_is_found_again() -> None:
    rng = np.random.default_rng(0)
    names = [f"{folder}/{number}.png" for folder in ("cat", "dog", "cat/young") for number in range(20)]
    for before in ("", "export/", "/data/"):
        order = rng.permutation(len(names))
        assert match_names([before + names[i] for i in order], [f"photos/{name}" for name in names]) == order.tolist()
