"""JSON as we take it: one object, small, shallow, no key twice, nothing that another reader would see otherwise."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from flask import Request

from api.problems import invalid
from pipeline.errors import InvalidJson, PayloadTooLarge, UnsupportedContentType

MOST_BYTES = 64 * 1024
MOST_DEPTH = 16
MOST_DIGITS = 18
"""Longer integers do not fit a 64-bit column."""


def read_object(request: Request, most: int = MOST_BYTES) -> dict[str, Any]:
    """The body's JSON object, of ``most`` bytes at most. Raises UnsupportedContentType, PayloadTooLarge, InvalidJson or INVALID_FIELD."""
    if request.mimetype != "application/json" or request.content_encoding not in (None, "identity"):
        raise UnsupportedContentType
    if (request.content_length or 0) > most:
        raise PayloadTooLarge
    body = request.stream.read(most + 1)
    if len(body) > most:
        raise PayloadTooLarge
    return parse_object(body)


def parse_object(body: bytes | str) -> dict[str, Any]:
    """A JSON object from its text. Raises InvalidJson or INVALID_FIELD."""
    try:
        value = json.loads(body, object_pairs_hook=_object, parse_constant=_not_json, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise InvalidJson(type(error).__name__) from None
    if not isinstance(value, dict):
        raise InvalidJson("not an object")
    _check(value, "body", 1)
    return value


def text_fits(text: str) -> bool:
    """Whether UTF-8 and Postgres can hold it: no lone surrogate, no NUL, no other control character."""
    return not any(c < " " or c == "\x7f" or "\ud800" <= c <= "\udfff" for c in text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise InvalidJson("a key stands twice")
    return made


def _not_json(name: str) -> NoReturn:
    raise InvalidJson(name)


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > MOST_DIGITS:
        raise invalid("body", "holds an integer that is too large")
    return int(digits)


def _check(value: object, field: str, depth: int) -> None:
    if depth > MOST_DEPTH:
        raise InvalidJson("too deep")
    if isinstance(value, str) and not text_fits(value):
        raise invalid(field, "holds characters that are not text")
    if isinstance(value, dict):
        for name, item in value.items():
            _check(name, "body", depth)
            _check(item, name if depth == 1 else field, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, field, depth + 1)
