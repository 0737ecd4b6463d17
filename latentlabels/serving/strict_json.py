"""JSON as RFC 8259 has it: in UTF-8, without NaN, and without a key that is given twice, whose meaning nobody can know."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from .problems import ProblemError


def check_json(body: bytes) -> None:
    """Check the body of a request.

    Raises:
        ProblemError: what cannot be read, and why.
    """
    try:
        json.loads(body.decode("utf-8-sig"), object_pairs_hook=_unique, parse_constant=_refused, parse_int=_integer)
    except UnicodeDecodeError:
        raise ProblemError("bad-request", "the body is not UTF-8; send JSON in UTF-8") from None
    except RecursionError:
        raise ProblemError("bad-request", "the body is nested too deeply; see /openapi.json for what is expected") from None
    except json.JSONDecodeError as error:
        raise ProblemError("bad-request", f"the body is not JSON: {error.msg} at character {error.pos}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for number, (key, _) in enumerate(pairs) if key in dict(pairs[:number]))
        raise ProblemError("bad-request", f'the key "{_short(twice)}" is given twice; give it once')
    return found


def _refused(text: str) -> NoReturn:
    raise ProblemError("bad-request", f"{text} is not JSON; leave it out, or send null")


def _integer(text: str) -> int:
    if len(text) > 100:
        raise ProblemError("bad-request", f"a number of {len(text):,} digits is too long")
    return int(text)


def _short(text: str) -> str:
    return text[:100].encode("utf-8", "replace").decode()
