"""Ids and names in addresses. One that cannot be ours is as unknown as one that is not there."""

from __future__ import annotations

import re
from uuid import UUID

from flask import g

from pipeline.errors import NotFound

UUID_TEXT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ARTIFACT = re.compile(r"[a-z][a-z0-9_]{0,63}")
_KEY_ID = re.compile(r"[0-9A-Za-z]{1,32}")


def scan_id_of(text: str) -> UUID:
    """A scan's id, for the log too. Raises NotFound."""
    found = uuid_of(text)
    g.scan_id = text
    return found


def uuid_of(text: str) -> UUID:
    """The id of a batch or a training. Raises NotFound."""
    if not UUID_TEXT.fullmatch(text):
        raise NotFound
    return UUID(text)


def artifact_name_of(text: str) -> str:
    """An artifact's name. Raises NotFound."""
    if not _ARTIFACT.fullmatch(text):
        raise NotFound
    return text


def key_id_of(text: str) -> str:
    """An API key's id. Raises NotFound."""
    if not _KEY_ID.fullmatch(text):
        raise NotFound
    return text
