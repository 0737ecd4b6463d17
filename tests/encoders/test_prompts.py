"""Prompts: texts from label names, and what is no prompt."""

from __future__ import annotations

import pytest

from latentlabels.encoders.prompts import DEFAULT_PROMPTS, spoken, texts_of
from latentlabels.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("traffic_light", "traffic light"),
        ("2-doors", "2 doors"),
        ("__a--b_ c", "a b c"),
        ("Hund", "Hund"),
        ("-", "-"),  # nothing would be left of it
    ],
)
def test_a_name_is_read_as_words(name: str, said: str):
    assert spoken(name) == said


def test_each_template_is_filled_for_each_label():
    assert texts_of(["a_b", "c"], ["{} there", "see {}!"]) == {"a_b": ("a b there", "see a b!"), "c": ("c there", "see c!")}
    usual = texts_of(["a_b"])
    assert usual == {"a_b": tuple(text.format("a b") for text in DEFAULT_PROMPTS)}
    assert texts_of(["{}"], ["see {}"]) == {"{}": ("see {}",)}  # a label of any name


def test_a_label_may_have_texts_of_its_own_and_the_others_keep_the_usual_ones():
    found = texts_of(["bike", "car"], {"bike": ["a bicycle", "{} riders"]})
    assert found["bike"] == ("a bicycle", "bike riders")
    assert found["car"] == texts_of(["car"])["car"]


@pytest.mark.parametrize(
    ("prompts", "said"),
    [
        (["a photo"], 'model.prompts: "a photo" needs {} exactly once'),
        (["{} and {}"], "needs {} exactly once"),
        (["a {label}"], "needs {} exactly once"),
        (["{} in {place}"], "no other braces"),
        (["{} }"], "no other braces"),
        ([" "], "is no text"),
        ([3], "3 is no text"),
        ([], "the list is empty"),
        ({"bike": []}, 'model.prompts of "bike": the list is empty'),
        ({"bike": ["{} {}"]}, 'of "bike": "{} {}" needs {} at most once'),
        ({"bkie": ["x"]}, 'there is no label "bkie"; did you mean "bike"'),
    ],
)
def test_what_is_no_prompt_is_said(prompts, said: str):
    with pytest.raises(ConfigError) as error:
        texts_of(["bike", "car"], prompts)
    assert said in str(error.value)
