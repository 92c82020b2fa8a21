"""Names of stored objects. Clients never choose one: what they name is checked and put below their tenant's prefix."""

from __future__ import annotations

import hashlib
import unicodedata
from uuid import UUID

from pipeline.errors import PathNotAllowed

LONGEST_PATH = 512
"""Bytes of a client's path, in UTF-8."""

LONGEST_KEY = 1_024
"""Bytes of a key; S3 takes no longer one."""

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Control, format (bidirectional overrides too), surrogate, line and paragraph separators."""


def artifact_key(tenant_id: UUID, sha256: str) -> str:
    """Where the bytes with that SHA-256 (hex) lie."""
    return f"t/{tenant_id}/a/{sha256[:2]}/{sha256}"


def model_key(sha256: str) -> str:
    """Where a model's file with that SHA-256 (hex) lies: below no tenant, because models belong to the installation."""
    return f"models/{sha256}"


def training_key(tenant_id: UUID, sha256: str) -> str:
    """Where a checkpoint or an output of a tenant's training with that SHA-256 (hex) lies."""
    return f"t/{tenant_id}/training/{sha256}"


def object_key(tenant_id: UUID, path: str) -> str:
    """Where a tenant's own object lies. Raises PathNotAllowed for a path that is not plain, relative and NFC."""
    if path.startswith("~") or unicodedata.normalize("NFC", path) != path:
        raise PathNotAllowed("a path is NFC text and no home folder")
    check_key(path, LONGEST_PATH)
    return f"t/{tenant_id}/o/{path}"


def objects_folder(tenant_id: UUID, prefix: str) -> str:
    """Below which key a tenant's objects of that prefix lie; all of them for an empty one. Raises PathNotAllowed."""
    return object_key(tenant_id, prefix) if prefix else f"t/{tenant_id}/o"


def line_name(path: str) -> str:
    """A path as people may read it and a row can hold it: what `check_key` refuses is escaped, and no two become one."""
    letters = (f"\\{ord(letter):06x}" if _odd(letter) else letter for letter in path)
    name = "".join(letters)
    if len(name.encode()) <= LONGEST_KEY:
        return name
    digest = hashlib.sha256(path.encode(errors="surrogatepass")).hexdigest()
    return f"{name[:200]}…\\{digest}"


def _odd(letter: str) -> bool:
    return letter == "\\" or unicodedata.category(letter) in _UNSEEN


def check_key(key: str, longest: int = LONGEST_KEY) -> None:
    """Hold every key to what means the same in a folder and in a bucket. Raises PathNotAllowed."""
    if any(_odd(letter) for letter in key):
        raise PathNotAllowed("backslash or unseen character")
    if len(key.encode()) > longest:
        raise PathNotAllowed(f"longer than {longest} bytes")
    if any(part in ("", ".", "..") for part in key.split("/")):
        raise PathNotAllowed("empty, '.' or '..' between slashes")
