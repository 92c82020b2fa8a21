"""Multipart bodies, read once: the picture is hashed while it arrives, everything else is small or refused."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

from flask import Request
from werkzeug.datastructures import Headers
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData

from api.json_body import text_fits
from api.problems import invalid
from pipeline.errors import FileTooLarge, InvalidMultipart, PayloadTooLarge, TooManyParts, UnsupportedContentType

MOST_PARTS = 20
MOST_FIELD_BYTES = 64 * 1024
FRAMING_BYTES = 256 * 1024
"""What a multipart body may be larger than its picture."""
_CHUNK = 64 * 1024
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture as it was sent: its bytes, their SHA-256, and the client's name for it (text, never a path)."""

    filename: str | None
    content: bytes
    sha256: str


@dataclass
class Form:
    """A multipart body: its pictures, if any, and its text fields."""

    uploads: list[Upload] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def upload(self) -> Upload | None:
        """The first picture, where no more than one is taken."""
        return self.uploads[0] if self.uploads else None


def read_form(request: Request, most_bytes: int, names: tuple[str, ...] = ("file",), most: int = 1) -> Form:
    """Read a multipart body with at most ``most`` pictures, each in a part of one of these names.

    ``most_bytes`` is for all pictures together. Raises the errors named below, or INVALID_FIELD.
    """
    if request.content_encoding not in (None, "identity"):
        raise UnsupportedContentType
    boundary = request.mimetype_params.get("boundary", "")
    if not re.fullmatch(r"[0-9A-Za-z'()+_,./:=? -]{1,200}", boundary):
        raise InvalidMultipart("no boundary")
    if (request.content_length or 0) > most_bytes + FRAMING_BYTES:
        raise FileTooLarge
    request.max_content_length = most_bytes + FRAMING_BYTES
    events = _events(request.stream, boundary.encode())
    form, parts = Form(), 0
    for event in events:
        if isinstance(event, File | Field):
            parts += 1
            if parts > MOST_PARTS:
                raise TooManyParts
            _check_headers(event.headers)
            if isinstance(event, File) and (event.name not in names or len(form.uploads) == most):
                raise invalid(event.name or "file", f"{_taken(most)} taken, named {' or '.join(names)}")
            _take(form, event, events, most_bytes)
    return form


def _taken(most: int) -> str:
    return "exactly one file is" if most == 1 else f"at most {most} files are"


def _take(form: Form, part: File | Field, events: Iterator[Event], most_bytes: int) -> None:
    """Read one part into the form."""
    name: str | None = part.name  # typed as text, but None when the part has no name
    if isinstance(part, File):
        form.uploads.append(_upload(part, events, most_bytes))
        return
    if not name or not text_fits(name) or name in form.fields:
        raise InvalidMultipart("a field without a name, or twice")
    value = b"".join(_data(events, MOST_FIELD_BYTES, PayloadTooLarge))
    try:
        form.fields[name] = value.decode()
    except UnicodeDecodeError:
        raise invalid(name, "is not UTF-8") from None


def _upload(part: File, events: Iterator[Event], most_bytes: int) -> Upload:
    filename = part.filename or None
    if filename is not None and not text_fits(filename):
        raise InvalidMultipart("control characters in the file name")
    if filename is not None and len(filename) > 255:
        raise invalid("file", "its name is longer than 255 characters")
    digest, chunks = hashlib.sha256(), []
    for chunk in _data(events, most_bytes, FileTooLarge):
        digest.update(chunk)
        chunks.append(chunk)
    return Upload(filename, b"".join(chunks), digest.hexdigest())


def _data(events: Iterator[Event], most: int, too_large: type[FileTooLarge | PayloadTooLarge]) -> Iterator[bytes]:
    """One part's bytes."""
    size = 0
    for event in events:
        if not isinstance(event, Data):
            raise InvalidMultipart("a part without data")
        size += len(event.data)
        if size > most:
            raise too_large
        yield event.data
        if not event.more_data:
            return


def _events(stream: IO[bytes], boundary: bytes) -> Iterator[Event]:
    """The decoder's events up to the closing boundary. What follows it is not read."""
    decoder = MultipartDecoder(boundary, max_form_memory_size=FRAMING_BYTES)
    while True:
        event = _next(decoder)
        if isinstance(event, Epilogue):
            return
        if isinstance(event, NeedData):
            try:
                decoder.receive_data(stream.read(_CHUNK) or None)
            except RequestEntityTooLarge:
                raise PayloadTooLarge from None
        else:
            yield event


def _next(decoder: MultipartDecoder) -> Event:
    try:
        return decoder.next_event()
    except (ValueError, AttributeError, TypeError) as error:  # what the decoder raises for bodies that are none
        raise InvalidMultipart(str(error)) from None


def _check_headers(headers: Headers) -> None:
    """A line break inside a quoted name ends the header there: the rest then is no header, or the quotes are odd."""
    for name, value in headers:
        if not _TOKEN.fullmatch(name) or re.sub(r"\\.", "", value).count('"') % 2:
            raise InvalidMultipart("a part's header is broken")
