"""One file from an address or a folder: resumed where it broke off, bounded, in its place only when its digest is right."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import urljoin

import httpx

TRIES: Final = 4
"""In a row without a byte; every byte that arrives starts the count again."""
PAUSE_S: Final = 0.5
MOST_BYTES: Final = 2 * 2**30
"""Of a file whose manifest does not say how large it is."""
MOST_REDIRECTS: Final = 5
TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0)
_PIECE: Final = 1 << 18
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class FetchRefused(Exception):
    """What came, or where it would come from, is not what the manifest names. Trying again does not help."""


class FetchBroken(Exception):
    """The other side is away or broke off; what arrived is kept, and the next call goes on from there."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file by its digest, and where it shall lie. ``size`` in bytes, None when nobody says."""

    path: Path
    sha256: str
    size: int | None = None

    @property
    def most(self) -> int:
        return self.size or MOST_BYTES

    @property
    def part(self) -> Path:
        """What has arrived so far; named for the digest, so another version's beginning is never continued."""
        return self.path.with_name(f".{self.path.name}.{self.sha256[:16]}.part")


Tell = Callable[[int, int | None], None]
"""Called with the bytes that are there, and how many there will be if that is known."""


def download(url: str, wanted: Wanted, tell: Tell, *, allow_http: bool = False) -> int:
    """Put the file behind ``url`` in its place; how many bytes of it were there from before.

    Raises FetchRefused (nothing is left behind) or FetchBroken (what arrived is left, for the next call).
    """
    _check_scheme(url, allow_http=allow_http)
    with _part(wanted) as part, httpx.Client(timeout=TIMEOUT, headers={"Accept-Encoding": "identity"}) as client:
        transfer = _Transfer(client, url, part, wanted, tell, allow_http=allow_http)
        try:
            transfer.run()
            if transfer.resumed and _digest(part) != wanted.sha256:  # the old beginning may have been the bad half
                transfer.restart()
                transfer.run()
            _settle(part, wanted)
        except FetchRefused:
            wanted.part.unlink(missing_ok=True)
            raise
        return transfer.resumed


def copy(source: Path, wanted: Wanted, tell: Tell) -> None:
    """Put a copy of a local file in its place. Raises FetchRefused."""
    with _part(wanted) as part:
        _empty(part)
        try:
            with source.open("rb") as file:
                while piece := file.read(_PIECE):
                    _write(part, piece, wanted)
                    tell(_length(part), wanted.size)
            _settle(part, wanted)
        except (FetchRefused, OSError) as error:
            wanted.part.unlink(missing_ok=True)
            raise FetchRefused(str(error)) from error


class _Transfer:
    """What is missing of one file, asked for until it is there."""

    def __init__(
        self, client: httpx.Client, url: str, part: BinaryIO, wanted: Wanted, tell: Tell, *, allow_http: bool
    ) -> None:
        self._client, self._url, self._allow_http = client, url, allow_http
        self._part, self._wanted, self._tell = part, wanted, tell
        self.resumed = _length(part)
        """Bytes that were there from before and that the file was continued from."""

    def run(self) -> None:
        """Ask until the file is whole, as far as lengths tell. Raises FetchRefused or FetchBroken."""
        tries = 0
        while True:
            have = _length(self._part)
            try:
                if self._ask(have):
                    return
                why = "it broke off"
            except httpx.TransportError as error:
                why = str(error) or type(error).__name__
            tries = 0 if _length(self._part) > have else tries + 1
            if tries >= TRIES:
                raise FetchBroken(f"{self._url}: {why}, with {_length(self._part)} bytes here")
            time.sleep(PAUSE_S * 2**tries if tries else 0)

    def restart(self) -> None:
        """Forget what is there."""
        _empty(self._part)
        self.resumed = 0

    def _ask(self, have: int) -> bool:
        """One request for what is missing; whether that was all."""
        if self._wanted.size is not None and have >= self._wanted.size:
            return True
        with self._opened(have) as answer:
            if answer.status_code == 416 and have:  # the part is as long as the file or longer: its digest decides
                return self._whole_after_all()
            _check_status(answer)
            if answer.status_code == 200 and have:  # it begins anew
                self.restart()
                have = 0
            total = _announced(answer, have, self._wanted)
            for piece in answer.iter_raw():  # as they come: what waits to fill a piece is lost when it breaks off
                _write(self._part, piece, self._wanted)
                self._tell(_length(self._part), self._wanted.size or total)
        return self._wanted.size is None or _length(self._part) >= self._wanted.size

    def _whole_after_all(self) -> bool:
        if _digest(self._part) == self._wanted.sha256:
            return True
        self.restart()
        return False

    @contextmanager
    def _opened(self, have: int) -> Iterator[httpx.Response]:
        """The answer, after redirects; each of them must be as safe as the address itself."""
        url, headers = self._url, {"Range": f"bytes={have}-"} if have else {}
        for _ in range(MOST_REDIRECTS + 1):
            with self._client.stream("GET", url, headers=headers, follow_redirects=False) as answer:
                if answer.status_code not in _REDIRECTS or "location" not in answer.headers:
                    yield answer
                    return
                url = urljoin(url, answer.headers["location"])
            _check_scheme(url, allow_http=self._allow_http)
        raise FetchRefused(f"{self._url}: it redirects too often")


def _check_status(answer: httpx.Response) -> None:
    """Whether these are bytes of the file, from where they were asked for on."""
    if answer.status_code in (408, 429) or answer.status_code >= 500:
        raise httpx.RemoteProtocolError(f"HTTP {answer.status_code}")
    if answer.status_code not in (200, 206):
        raise FetchRefused(f"{answer.url}: HTTP {answer.status_code}")
    if answer.headers.get("content-encoding", "identity").lower() != "identity":
        raise FetchRefused(f"{answer.url}: it comes compressed")
    asked = answer.request.headers.get("range", "bytes=0-").removeprefix("bytes=")
    if answer.status_code == 206 and not answer.headers.get("content-range", "").startswith(f"bytes {asked}"):
        raise FetchRefused(f"{answer.url}: it answers with another part of the file")


def _check_scheme(url: str, *, allow_http: bool) -> None:
    schemes = ("https://", "http://") if allow_http else ("https://",)
    if not url.lower().startswith(schemes):
        raise FetchRefused(f"{url}: only {' and '.join(schemes)} addresses are fetched")


def _announced(answer: httpx.Response, have: int, wanted: Wanted) -> int | None:
    """How large the file will be, by the answer. Raises FetchRefused for another size than the manifest's."""
    length = answer.headers.get("content-length", "")
    if not length.isascii() or not length.isdigit():
        return None
    total = have + int(length)
    if total > wanted.most or (wanted.size is not None and total != wanted.size):
        raise FetchRefused(f"{answer.url}: it has {total} bytes, and {wanted.path.name} has {wanted.size or 'fewer'}")
    return total


def _write(part: BinaryIO, piece: bytes, wanted: Wanted) -> None:
    if _length(part) + len(piece) > wanted.most:
        raise FetchRefused(f"{wanted.path.name}: more than {wanted.most} bytes came")
    part.write(piece)
    part.flush()


def _settle(part: BinaryIO, wanted: Wanted) -> None:
    """Give the whole file its name, if it is the one."""
    if (found := _digest(part)) != wanted.sha256:
        raise FetchRefused(f"{wanted.path.name}: these are other bytes, SHA-256 {found}, not {wanted.sha256}")
    os.fsync(part.fileno())
    wanted.part.replace(wanted.path)


@contextmanager
def _part(wanted: Wanted) -> Iterator[BinaryIO]:
    """The part file, for one process at a time."""
    wanted.path.parent.mkdir(parents=True, exist_ok=True)
    with wanted.part.open("a+b") as part:
        try:
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FetchBroken(f"{wanted.path.name}: another process is fetching it") from error
        yield part


def _length(part: BinaryIO) -> int:
    return part.seek(0, os.SEEK_END)


def _empty(part: BinaryIO) -> None:
    part.truncate(0)


def _digest(part: BinaryIO) -> str:
    part.seek(0)
    whole = hashlib.sha256()
    while piece := part.read(_PIECE):
        whole.update(piece)
    return whole.hexdigest()
