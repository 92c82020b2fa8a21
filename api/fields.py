"""Fields of a request, each with the one reason for which it is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import request

from api.json_body import parse_object, text_fits
from api.problems import invalid
from pipeline.contracts import NUMBER_OPTIONS, Lane, System
from pipeline.errors import InvalidJson

_SWITCHES = {True: True, False: False, "true": True, "false": False}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_LANES = {lane.name.lower(): lane for lane in Lane}
ABOUT = frozenset({"asset_id", "taken_at"})
LONGEST_ASSET = 200
YEARS = (1970, 2200)
"""In which pictures are taken."""
MOST_ITEMS = 200
"""On a page."""


def only_known(fields: Mapping[str, object], known: frozenset[str]) -> None:
    """Refuse the first field that is not one of the known."""
    for name in sorted(fields.keys() - known):
        raise invalid(name, "is not a field of this request")


def system_of(name: object) -> System:
    """A system by its name; cat_face when none is given."""
    if name is None:
        return System.CAT_FACE
    if not isinstance(name, str) or name not in list(System):
        raise invalid("pipeline", f"must be one of {', '.join(System)}")
    return System(name)


def lane_of(name: object) -> Lane:
    """A lane by its name; interactive when none is given."""
    lane = _LANES.get("interactive" if name is None else name) if isinstance(name, str | None) else None
    if lane is None:
        raise invalid("priority", "must be interactive or bulk")
    return lane


def object_in(text: str, field: str) -> dict[str, Any]:
    """A JSON object that stands as text in a form's field."""
    try:
        return parse_object(text)
    except InvalidJson:
        raise invalid(field, "must be a JSON object") from None


def options_of(value: object, field: str = "options") -> dict[str, Any]:
    """An object of switches, of numbers and of choices, which are names; whether a pipeline has them is asked later."""
    if not isinstance(value, dict):
        raise invalid(field, "must be an object of switches")
    for name, option in value.items():
        if name in NUMBER_OPTIONS:
            number_option(name, None if isinstance(option, str) else option, f"{field}.{name}")
        elif not isinstance(option, bool):
            choice_of(option, f"{field}.{name}", "must be true or false, or a name")
    return value


def choice_of(value: object, field: str, reason: str = "must be a name: small letters, digits and _") -> str:
    """A name of at most forty small letters, digits and underscores."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise invalid(field, reason)
    return value


def number_option(name: str, value: object, field: str) -> float:
    """An option that is a number, or its text in a form."""
    least, most = NUMBER_OPTIONS[name]
    found = _float(value)
    if found is None or not least <= found <= most:
        raise invalid(field, f"must be a number from {least:g} to {most:g}")
    return found


def training_of(value: object, field: str = "consent") -> bool | None:
    """Whether ``{"training": …}`` lets a picture be used for that; None where nothing is said."""
    if value is None:
        return None
    if not isinstance(value, dict) or value.keys() != {"training"} or not isinstance(value["training"], bool):
        raise invalid(field, 'must be {"training": true} or {"training": false}')
    return value["training"]


def text_of(value: object, field: str, longest: int) -> str:
    """A text of at most ``longest`` bytes in UTF-8, not empty, without control characters."""
    if not isinstance(value, str) or not value or not text_fits(value) or len(value.encode()) > longest:
        raise invalid(field, "must be a text, neither empty nor too long")
    return value


def switch_of(value: object, field: str) -> bool:
    """A switch: JSON's true or false, or their words in a form."""
    if not isinstance(value, bool | str) or value not in _SWITCHES:
        raise invalid(field, "must be true or false")
    return _SWITCHES[value]


def share_of(value: object, field: str) -> float:
    """A number from 0 to 1, or its text in a form or a query."""
    found = _float(value)
    if found is None or not 0 <= found <= 1:
        raise invalid(field, "must be a number from 0 to 1")
    return found


def _float(value: object) -> float | None:
    try:
        return float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        return None


def number_of(value: object, field: str, least: int, most: int) -> int:
    """A whole number within bounds."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise invalid(field, f"must be a whole number from {least} to {most}")
    return value


def moment_of(value: object, field: str) -> datetime:
    """A time of RFC 3339, which has an offset."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise invalid(field, "must be a time as RFC 3339 writes it, with its offset")
    return found


def about_of(given: Mapping[str, Any], field: str = "") -> dict[str, Any]:
    """``asset_id`` and ``taken_at`` of a picture, each None where nothing is said."""
    asset, taken = given.get("asset_id"), given.get("taken_at")
    moment = None if taken is None else moment_of(taken, f"{field}taken_at")
    if moment is not None and not YEARS[0] <= moment.year <= YEARS[1]:
        raise invalid(f"{field}taken_at", f"must lie between {YEARS[0]} and {YEARS[1]}")
    return {"asset_id": None if asset is None else asset_of(asset, f"{field}asset_id"), "taken_at": moment}


def asset_of(value: object, field: str = "asset_id") -> str:
    """A client's name for what it takes pictures of: it stands in addresses, so it has no slash and is no dots."""
    name = text_of(value, field, LONGEST_ASSET)
    if "/" in name or name in (".", ".."):
        raise invalid(field, "must have no slash, and more than dots")
    return name


def asked(names: set[str]) -> None:
    """Refuse a parameter of the query that this address does not have."""
    for name in sorted(request.args.keys() - names):
        raise invalid(name, "is not a parameter of this request")


def page_size() -> int:
    """``limit`` of the query; 50 when none is given."""
    limit = request.args.get("limit", "50")
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:6]) <= MOST_ITEMS):
        raise invalid("limit", f"must be a number from 1 to {MOST_ITEMS}")
    return int(limit)
