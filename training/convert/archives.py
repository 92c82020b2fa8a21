"""The zip around `.keras` and TorchScript files, read by the standard library and member by member; never unpacked."""

from __future__ import annotations

import io
import stat
import zipfile
from typing import Final

from pipeline.errors import ModelRefused

MAX_MEMBERS: Final = 20_000
MAX_BYTES: Final = 2 * 2**30
MAX_RATIO: Final = 200
_FLOOR: Final = 2**20
"""Bytes below which a member may be as compressible as it likes."""


class Archive:
    """A zip whose list of members has been looked at. Raises ModelRefused for a list that no saver writes."""

    def __init__(self, content: bytes) -> None:
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
            members = self._zip.infolist()
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
            raise ModelRefused("it is not a whole zip archive") from error
        if len(members) > MAX_MEMBERS:
            raise ModelRefused(f"it is an archive of more than {MAX_MEMBERS:,} files")
        for member in members:
            _check(member)
        self.names = tuple(member.filename for member in members)
        if len(set(self.names)) != len(self.names):
            raise ModelRefused("it is an archive with two files of one name")
        if sum(member.file_size for member in members) > MAX_BYTES:
            raise ModelRefused(f"it is an archive that declares more than {MAX_BYTES / 2**20:,.0f} MiB")

    def read(self, name: str, at_most: int) -> bytes:
        """A member's bytes. Raises ModelRefused if it is missing, longer than ``at_most`` or than it declares."""
        if name not in self.names:
            raise ModelRefused(f"it is an archive without {name}")
        if self._zip.getinfo(name).file_size > at_most:
            raise ModelRefused(f"{name!a} in it is larger than {at_most / 2**20:,.0f} MiB")
        try:
            with self._zip.open(name) as member:
                return member.read(at_most + 1)[:at_most]
        except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, ValueError, RuntimeError) as error:
            raise ModelRefused(f"{name!a} in it is damaged") from error
        except Exception as error:  # zlib and lzma have errors of their own
            raise ModelRefused(f"{name!a} in it cannot be unpacked") from error


def _check(member: zipfile.ZipInfo) -> None:
    name, shown = member.orig_filename, ascii(member.orig_filename)[:80]
    if name.startswith(("/", "\\")) or "\\" in name or ".." in name.split("/") or ":" in name or "\0" in name:
        raise ModelRefused(f"it is an archive with a file that leads outside ({shown})")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ModelRefused(f"it is an archive with a link or a device ({shown})")
    if member.flag_bits & 1:
        raise ModelRefused(f"it is an archive with an encrypted file ({shown})")
    if member.file_size > _FLOOR and member.file_size > MAX_RATIO * max(member.compress_size, 1):
        raise ModelRefused(f"it is a zip bomb: {shown} unpacks to {member.file_size / 2**20:,.0f} MiB")
