"""Storage in a local folder: for one host, the demo and tests. Its signed links are paths that the API serves."""

from __future__ import annotations

import errno
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlencode

from pipeline.errors import FileTooLarge, InputCorrupt, InputMissing, PathNotAllowed, StorageUnavailable
from storage import files
from storage.base import READS, ObjectInfo, check_link, probe
from storage.keys import check_key
from storage.walk import Kind, walk

_T = TypeVar("_T")
_UNKNOWN = "application/octet-stream"
_ABOUT = ".about"
_LOCK = ".lock"
_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EISDIR})
_LINK_FIELDS = ("expires", "type", "name")


def _now() -> float:
    """Seconds since 1970. A link is dated for whoever holds it, so here the clock on the wall is the right one."""
    return datetime.now(UTC).timestamp()


class LocalStorage:
    """Objects are plain files, each at its key's path below ``root``, so that others may put some there by hand.

    Media type and SHA-256 of what we put lie in ``.about``, unfinished writes in ``.drafts``.
    """

    def __init__(self, root: Path, signing_key: bytes, clock: Callable[[], float] = _now) -> None:
        self._root = root
        self._signing_key = signing_key
        self._clock = clock

    def put(self, key: str, content: bytes, media_type: str) -> None:
        _check(key)
        about = _about_text(key, content, media_type)
        with _translated(f"put {key}"):
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._about(key) == about and self._read(key, None) == content:
                return
            self._replace(key, content, about)

    def get(self, key: str, sha256: str | None = None, *, max_bytes: int | None = None) -> bytes:
        _check(key)
        for _ in range(READS):
            with _translated(f"get {key}"):
                wanted = sha256 or self._about(key).get("sha256")
                content = self._read(key, max_bytes)
            if content is None:
                raise InputMissing(key)
            if wanted is None or hashlib.sha256(content).hexdigest() == wanted:
                return content
        raise InputCorrupt(f"{key} is not what was stored")

    def head(self, key: str) -> ObjectInfo | None:
        _check(key)
        with _translated(f"head {key}"):
            about = self._about(key)
            size = self._if_there(lambda: files.size(self._root, key))
        return None if size is None else ObjectInfo(size, about.get("media_type", _UNKNOWN), about.get("sha256"))

    def delete(self, key: str) -> None:
        _check(key)
        with _translated(f"delete {key}"), files.locked(self._root, _LOCK):
            self._if_there(lambda: files.remove(self._root, key))
            files.remove(self._root, _about_path(key))

    def walk(self, folder: str, after: str = "") -> Iterator[str]:
        _check(folder)
        with _translated(f"list {folder}"):
            try:
                for path, kind in walk(self._root, folder, after):
                    if kind is Kind.CLOSED:
                        raise PermissionError(errno.EACCES, f"cannot look into {path}")
                    if kind is Kind.FILE:
                        yield path
            except OSError as error:
                if error.errno not in _NOT_THERE or not self._root.is_dir():
                    raise

    def signed_url(self, key: str, *, expires_s: int, media_type: str, filename: str) -> str:
        _check(key)
        check_link(expires_s, media_type, filename)
        fields = {"expires": str(int(self._clock()) + expires_s), "type": media_type, "name": filename}
        return f"/v1/files/{quote(key)}?{urlencode({**fields, 'signature': self._signature(key, fields)})}"

    def verify(self, key: str, query: Mapping[str, str]) -> bool:
        """Whether a link's path (below ``/v1/files/``, unquoted) and query are ours, untouched and not expired."""
        if query.keys() != {*_LINK_FIELDS, "signature"}:
            return False
        ours = self._signature(key, query).encode()
        if not hmac.compare_digest(ours, query["signature"].encode("utf-8", "surrogatepass")):
            return False
        return int(query["expires"]) > self._clock()

    def check(self) -> None:
        probe(self)

    def _replace(self, key: str, content: bytes, about: Mapping[str, str]) -> None:
        """Put object and note in their places, one right after the other: whoever reads in between reads again.

        The object survives a power cut. The note need not, unless an older one would stay and contradict the object.
        """
        old = self._about(key).get("sha256")
        overwrites = old is not None and old != about["sha256"]
        with (
            files.Draft(self._root, json.dumps(about).encode(), durable=overwrites) as note,
            files.Draft(self._root, content, durable=True) as draft,
            files.locked(self._root, _LOCK),
        ):
            note.publish(_about_path(key))
            draft.publish(key)

    def _read(self, key: str, max_bytes: int | None) -> bytes | None:
        def read() -> bytes:
            content = files.read(self._root, key, max_bytes)
            if content is None:
                raise FileTooLarge(f"{key} is larger than {max_bytes} bytes")
            return content

        return self._if_there(read)

    def _about(self, key: str) -> dict[str, str]:
        """What was noted at ``put``; empty for a file of somebody else's, or where the note was lost."""
        text = self._if_there(lambda: files.read(self._root, _about_path(key)))
        try:
            return dict(json.loads(text or b"{}"))
        except (TypeError, ValueError):
            return {}

    def _if_there(self, action: Callable[[], _T]) -> _T | None:
        try:
            return action()
        except OSError as error:
            # Without the root everything would seem to be missing, and a missing picture is no reason to try again.
            if error.errno in _NOT_THERE and self._root.is_dir():
                return None
            raise

    def _signature(self, key: str, fields: Mapping[str, str]) -> str:
        message = json.dumps([key, *(fields[name] for name in _LINK_FIELDS)])
        return hmac.new(self._signing_key, message.encode(), hashlib.sha256).hexdigest()


def _check(key: str) -> None:
    check_key(key)
    if key.startswith("."):
        raise PathNotAllowed("names that begin with a dot are ours")


def _about_path(key: str) -> str:
    """Flat, by the key's digest: a name of any length stays short."""
    name = hashlib.sha256(key.encode()).hexdigest()
    return f"{_ABOUT}/{name[:2]}/{name}.json"


def _about_text(key: str, content: bytes, media_type: str) -> dict[str, str]:
    return {"key": key, "media_type": media_type, "sha256": hashlib.sha256(content).hexdigest()}


@contextmanager
def _translated(action: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(f"cannot {action}: {error.strerror or error}") from error
