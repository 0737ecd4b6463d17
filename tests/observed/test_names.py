"""Which name means which image: every right pairing is found, and what is unclear is left open."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentlabels.observed import match_names
from latentlabels.observed.names import KnownNames, label_name, near_equal, nfc, rough

NFC, NFD = (unicodedata.normalize(form, "\u00e9t\u00e9") for form in ("NFC", "NFD"))


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
        ([f"{NFC}.png"], ["a.png", f"{NFD}.png"], [1]),  # one accent, two spellings
        ([f"{NFD}.png", f"{NFC}.png"], [f"{NFC}.png", f"{NFD}.png"], [1, 0]),  # what is equal comes first
        ([f"{NFC}/a.png"], [f"photos/{NFD}/a.png", "photos/b/a.png"], [0]),
        ([f"{NFC}.png", f"{NFD}.png"], [f"{NFD}.png"], [None, 0]),
        ([NFC], [f"{NFD}.png"], [0]),
        ([f"e\u0301{NFC}"], [f"\u00e9{NFD}", f"e\u0301{NFD}"], [None]),  # two files that look the same
        (["a\udcff.png"], ["b.png", "a\udcff.png"], [1]),  # a byte that is not UTF-8
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


# --- names of labels --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        (["Car", "car", "CAR", "bike"], [("Car", "car", "CAR")]),
        ([NFC, NFD, "red", "red "], [(NFC, NFD), ("red", "red ")]),
        (["red car", "red  car", "Red\u00a0car", "redcar"], [("red car", "red  car", "Red\u00a0car", "redcar")]),
        (["car", "car"], []),
        (["STRASSE", "stra\u00dfe"], [("STRASSE", "stra\u00dfe")]),
        (["a\u200bb", "ab"], [("a\u200bb", "ab")]),  # a sign that nobody sees
        (["car", "cars", "\u00e9", "e", "A", "A-", "_A"], []),
        (["t-shirt", "tshirt", "T_shirt", "t\u2011Shirt"], [("t-shirt", "tshirt", "T_shirt", "t\u2011Shirt")]),
        (["\uff43\uff41\uff52", "car"], [("\uff43\uff41\uff52", "car")]),  # full width
        ([], []),
    ],
)
def test_names_that_are_nearly_equal(names: list[str], groups: list[tuple[str, ...]]) -> None:
    assert near_equal(names) == groups


@given(st.lists(st.text(alphabet="aAeE\u0301\u00e9\u00c9 \u00df\u0130\u0131\ufb01", max_size=4), max_size=8))
def test_names_of_one_rough_form_are_grouped_and_no_others(names: list[str]) -> None:
    groups = near_equal(names)
    together = {frozenset((a, b)) for group in groups for a in group for b in group if a != b}
    assert together == {frozenset((a, b)) for a in names for b in names if a != b and rough(a) == rough(b)}
    for name in names:  # neither Unicode form, blanks nor case tell names apart
        assert rough(name) == rough(f" {unicodedata.normalize('NFD', name)}\u2009") == rough(rough(name))
        assert label_name(name) == label_name(f"\t{label_name(name)}  ") == nfc(name.strip())


@pytest.mark.parametrize(
    ("given_name", "found"),
    [
        ("car", ("car", "exact")),
        ("Car", ("Car", "exact")),
        (" car", ("car", "form")),
        (NFD, (NFC, "form")),
        ("red CAR", ("red car", "case")),
        ("redcar", ("red car", "case")),
        ("CAR", None),  # two are like it
        ("cat", None),
        ("x ", None),  # two that differ in blanks alone
        ("x", ("x", "exact")),
        ("", None),
    ],
)
def test_a_name_is_found_among_known_ones(given_name: str, found: tuple[str, str] | None) -> None:
    match = KnownNames(["car", "Car", NFC, "red car", "x", " x"]).find(given_name)
    assert match == found
