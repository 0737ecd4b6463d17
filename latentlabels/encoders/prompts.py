"""Prompts: what is said of a label, from its name. CLIP reads sentences better than words (Radford et al., ICML 2021)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from ..errors import ConfigError, nearest

DEFAULT_PROMPTS = ("a photo of {}", "a photo of a {}")
_BRACES = re.compile(r"[{}]")


def spoken(name: str) -> str:
    """A label's name as words: underscores and hyphens are spaces ("traffic_light" is "traffic light")."""
    return " ".join(re.sub(r"[_\-]+", " ", name).split()) or name


def texts_of(
    labels: Sequence[str], prompts: Sequence[str] | Mapping[str, Sequence[str]] | None = None
) -> dict[str, tuple[str, ...]]:
    """The texts that stand for each label.

    Args:
        labels: their names.
        prompts: templates with one {} for the name, which hold for every label; or, by label, texts that have one {} or spell
            the label out. Labels that are left out of a mapping have the usual templates, as all have for None.

    Raises:
        ConfigError: a template without {}, or with something else in braces; a label that does not exist; an empty list.
    """
    if prompts is None:
        prompts = DEFAULT_PROMPTS
    if isinstance(prompts, Mapping):
        unknown = [label for label in prompts if label not in labels]
        if unknown:
            raise ConfigError(f'there is no label "{unknown[0]}"{nearest(str(unknown[0]), labels)}', key="model.prompts")
        own = {label: _checked(prompts[label], label, least=0) for label in prompts}
    else:
        own = {}
    usual = DEFAULT_PROMPTS if isinstance(prompts, Mapping) else _checked(prompts, None, least=1)
    return {label: tuple(text.replace("{}", spoken(label)) for text in own.get(label, usual)) for label in labels}


def _checked(given: Iterable[str], label: str | None, least: int) -> tuple[str, ...]:
    """Templates of a label, or of all, each with `least` to one {}.

    Raises:
        ConfigError: they have not.
    """
    texts = (given,) if isinstance(given, str) else tuple(given)
    if not texts:
        raise _refused(label, f'the list is empty; give texts such as "{DEFAULT_PROMPTS[0]}", or leave the key out')
    for text in texts:
        if not isinstance(text, str) or not text.strip():
            raise _refused(label, f'{text!r} is no text; give a text such as "{DEFAULT_PROMPTS[0]}"')
        places = text.count("{}")
        if not least <= places <= 1 or _BRACES.search(text.replace("{}", "")):
            expected = "{} exactly once, where the label's name goes" if least else "{} at most once, for the label's name"
            raise _refused(label, f'"{text}" needs {expected}, and no other braces; for example "{DEFAULT_PROMPTS[0]}"')
    return texts


def _refused(label: str | None, why: str) -> ConfigError:
    if label is None:
        return ConfigError(why, key="model.prompts")
    return ConfigError(f'model.prompts of "{label}": {why}')
