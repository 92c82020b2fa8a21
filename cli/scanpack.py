"""Is a scanpack what it was when it was made, and whose is it? Works on the file alone, and trusts nothing in it."""

from __future__ import annotations

import hashlib
import re
import stat
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import chain
from os import SEEK_END
from pathlib import Path
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from api.scanpack.layout import KEY, SAFE, SIGNATURE, SUMS, UNSUMMED
from api.scanpack.signing import BadKey, PublicKey

_CHUNK = 1 << 20
_HOSTILE = (BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, struct.error, OverflowError)
"""What the standard library says of a ZIP that is none, or that was made to harm."""
_LINE = re.compile(r"([0-9a-f]{64})  (\S+)\n")
_LOCAL_HEADER, _END_RECORD = 30, 22
_DESCRIPTORS = (16, 24)
"""Bytes after a member that tell its size."""
_EXTRAS = (0, 20)
"""Bytes that a header may add: none, or the sizes of a member that may be longer than 4 GiB."""
_BROKEN = "its bytes are not what they were"
_SIGNED = {KEY: 10_000, SUMS: 1 << 31, SIGNATURE: 10_000}
"""What a signature is about, and the most bytes that each may have."""
_MOST_EXTRA = 28


@dataclass(slots=True)
class Verdict:
    """``damaged``: name → what is wrong with it; "" is the file as a whole. ``key``: id of the key that signed, if any."""

    files: int = 0
    bytes: int = 0
    damaged: dict[str, str] = field(default_factory=dict)
    key: str | None = None
    trusted: bool = False

    def wrong(self, name: str, what: str) -> None:
        """Note a name's first fault."""
        self.damaged.setdefault(name, what)


def verify(path: Path, trusted: Collection[str] = ()) -> Verdict:
    """Look at every byte of a pack. ``trusted`` are ids of keys. Raises OSError when the file cannot be read."""
    verdict = Verdict()
    with path.open("rb") as opened:
        try:
            with ZipFile(opened) as pack:
                _verify(pack, verdict)
        except _HOSTILE as error:
            verdict.wrong("", f"it is no whole ZIP: {error}")
    verdict.trusted = verdict.key is not None and verdict.key in trusted
    return verdict


def extract(path: Path, folder: Path) -> None:
    """Write the members of a pack that was verified below a folder."""
    with ZipFile(path) as pack:
        for info in pack.infolist():
            pack.extract(info, folder)


def _verify(pack: ZipFile, verdict: Verdict) -> None:
    members = pack.infolist()
    for name, fault in chain(_misplaced(pack, members), _unlike_ours(members)):
        verdict.wrong(name, fault)
    if verdict.damaged:  # what is not laid out like a pack is not read
        return
    listed = _listed(pack, verdict)
    if verdict.damaged:  # without a list there is nothing to hold the files to
        return
    here = {info.filename for info in members} - UNSUMMED
    for name in sorted(listed.keys() - here):
        verdict.wrong(name, "it is missing")
    for name in sorted(here - listed.keys()):
        verdict.wrong(name, f"it is not in {SUMS}")
    for info in members:
        if info.filename in listed:
            _sum(pack, info, listed[info.filename], verdict)
    _signature(pack, {info.filename for info in members}, verdict)


def _unlike_ours(members: list[ZipInfo]) -> Iterator[tuple[str, str]]:
    """Names that stand there twice, also where large and small letters are one, and members unlike those of a pack."""
    seen: set[str] = set()
    for info in members:
        name = info.filename.lower()
        if name in seen:
            yield info.filename, "it is in there more than once"
        seen.add(name)
        if what := _strange(info):
            yield info.filename, what


def _strange(info: ZipInfo) -> str | None:
    """Why a member is none of a pack: it could escape, unfold, or be something else than a file."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if not SAFE.fullmatch(info.filename):
        return "its name is not allowed"
    if info.compress_type != ZIP_STORED or info.file_size != info.compress_size:
        return "it is compressed, which nothing in a scanpack is"
    if info.comment or len(info.extra) > _MOST_EXTRA:
        return "something is hidden in its entry"
    if info.flag_bits & 0x1 or kind not in (0, stat.S_IFREG):
        return "it is encrypted, or no plain file"
    return None


def _misplaced(pack: ZipFile, members: list[ZipInfo]) -> Iterator[tuple[str, str]]:
    """Bytes between, before or behind the members, where nobody looks; members that lie on each other."""
    file = pack.fp
    assert file is not None
    place = 0
    for info in sorted(members, key=lambda each: each.header_offset):
        file.seek(place)
        header = file.read(_LOCAL_HEADER).ljust(_LOCAL_HEADER, b"\0")
        name, extra = struct.unpack("<HH", header[26:30])
        if info.header_offset != place or extra not in _EXTRAS:
            yield info.filename, "it does not follow the file before it"
            return
        place += _LOCAL_HEADER + name + extra + info.compress_size
        file.seek(place)
        place += _descriptor(file.read(max(_DESCRIPTORS) + 2))
    if place != pack.start_dir:
        yield "", "it holds bytes that belong to no file"
    file.seek(-_END_RECORD, SEEK_END)
    if file.read(4) != b"PK\x05\x06":
        yield "", "something follows its end"


def _descriptor(following: bytes) -> int:
    """Bytes of the descriptor behind a member; 0 when there is none. What follows it tells its length."""
    lengths = (length for length in _DESCRIPTORS if following[length : length + 2] == b"PK")
    return next(lengths, 0) if following.startswith(b"PK\x07\x08") else 0


def _listed(pack: ZipFile, verdict: Verdict) -> dict[str, str]:
    """Name → SHA-256 as the list has it."""
    found: dict[str, str] = {}
    try:
        with pack.open(SUMS) as lines:
            for number, line in enumerate(lines, 1):
                match = _LINE.fullmatch(line.decode("ascii", "replace"))
                if match is None or match[2] in found:
                    verdict.wrong(SUMS, f"line {number} is no digest with a name of its own")
                    break
                found[match[2]] = match[1]
    except KeyError:
        verdict.wrong(SUMS, "it is missing")
    except _HOSTILE:
        verdict.wrong(SUMS, _BROKEN)
    return found


def _sum(pack: ZipFile, info: ZipInfo, sha256: str, verdict: Verdict) -> None:
    digest = hashlib.sha256()
    try:
        with pack.open(info) as member:
            while part := member.read(_CHUNK):
                digest.update(part)
    except _HOSTILE:
        digest.update(b"\0")  # it cannot be right any more
    if digest.hexdigest() != sha256:
        verdict.wrong(info.filename, f"its SHA-256 is not the one in {SUMS}")
    verdict.files += 1
    verdict.bytes += info.file_size


def _signature(pack: ZipFile, names: Collection[str], verdict: Verdict) -> None:
    if SIGNATURE not in names:
        if KEY in names:
            verdict.wrong(SIGNATURE, "it is missing, although a key is there")
        return
    read = {name: _small(pack, name, most, verdict) for name, most in _SIGNED.items()}
    if _SIGNED.keys() & verdict.damaged.keys():
        return
    try:
        key = PublicKey.read(read[KEY].decode("ascii", "replace"))
    except BadKey as error:
        verdict.wrong(KEY, str(error))
        return
    if key.signed(read[SUMS], read[SIGNATURE]):
        verdict.key = key.id
    else:
        verdict.wrong(SIGNATURE, f"it does not fit {SUMS} and {KEY}")


def _small(pack: ZipFile, name: str, most: int, verdict: Verdict) -> bytes:
    """A member's bytes; none, and noted, when it is missing, broken, or too long for what it is."""
    try:
        if pack.getinfo(name).file_size <= most:
            return pack.read(name)
        verdict.wrong(name, "it is too long")
    except KeyError:
        verdict.wrong(name, "it is missing")
    except _HOSTILE:
        verdict.wrong(name, _BROKEN)
    return b""
