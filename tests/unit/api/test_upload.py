from __future__ import annotations

import hashlib
import io

import pytest
from flask import Request
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from api.problems import Refused
from api.upload import FRAMING_BYTES, MOST_PARTS, Form, Upload, read_form
from pipeline.errors import (
    FileTooLarge,
    InvalidField,
    InvalidMultipart,
    PayloadTooLarge,
    ScanmillError,
    TooManyParts,
)

MOST = 100_000


def read(body: bytes, content_type: str = "multipart/form-data; boundary=B", *, length: bool = True) -> Form:
    return read_form(sent(body, content_type, length=length), MOST)


def sent(body: bytes, content_type: str, *, length: bool = True) -> Request:
    stream = io.BytesIO(body)
    builder = EnvironBuilder(method="POST", content_type=content_type, input_stream=stream)
    environ = builder.get_environ()
    environ["wsgi.input_terminated"] = True
    if length:
        environ["CONTENT_LENGTH"] = str(len(body))
    else:
        environ.pop("CONTENT_LENGTH", None)
    return Request(environ)


def part(head: bytes, content: bytes = b"x") -> bytes:
    return b"--B\r\nContent-Disposition: form-data; " + head + b"\r\n\r\n" + content + b"\r\n"


def fails(body: bytes, content_type: str = "multipart/form-data; boundary=B", *, length: bool = True) -> ScanmillError:
    try:
        read(body, content_type, length=length)
    except Refused as refused:
        return refused.error
    except ScanmillError as error:
        return error
    raise AssertionError("it was read")


FILE = part(b'name="file"; filename="cat.jpg"', b"bytes")


@pytest.mark.parametrize("length", [True, False])
def test_a_picture_and_its_fields_are_read(length: bool) -> None:
    form = read(FILE + part(b'name="options"', b'{"a": true}') + b"--B--\r\n", length=length)
    assert form.upload is not None
    assert form.upload.content == b"bytes"
    assert form.upload.sha256 == hashlib.sha256(b"bytes").hexdigest()
    assert form.upload.filename == "cat.jpg"
    assert form.fields == {"options": '{"a": true}'}


def test_a_call_may_take_other_names_and_more_pictures() -> None:
    image = part(b'name="image"; filename="a.jpg"', b"one")
    body = io.BytesIO(image + FILE + b"--B--\r\n")
    asked = Request(
        EnvironBuilder(method="POST", content_type="multipart/form-data; boundary=B", input_stream=body).get_environ()
    )
    form = read_form(asked, MOST, ("file", "image"), 2)
    assert [(one.filename, one.content) for one in form.uploads] == [("a.jpg", b"one"), ("cat.jpg", b"bytes")]
    assert form.upload is form.uploads[0]


def test_one_name_and_one_picture_unless_a_call_takes_more() -> None:
    for body in (part(b'name="image"; filename="a.jpg"') + b"--B--\r\n", FILE + FILE + b"--B--\r\n"):
        assert fails(body).code == "INVALID_FIELD"


@given(st.binary(max_size=MOST), st.sampled_from([b"B", b"--", b"boundary-with-a-rather-long-name-0123456789"]))
def test_any_bytes_arrive_as_they_were_sent(content: bytes, boundary: bytes) -> None:
    if b"--" + boundary in content:
        return
    head = b'--%b\r\nContent-Disposition: form-data; name="file"; filename="c"\r\n\r\n' % boundary
    body = head + content + b"\r\n--%b--\r\n" % boundary
    form = read(body, f'multipart/form-data; boundary="{boundary.decode()}"')
    assert form.upload is not None
    assert form.upload.content == content
    assert form.upload.sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("name", ["../../x.jpg", "=cmd|' /C calc'!A0", "C:\\cat.jpg", "ünïcode 🐈.jpg", "<script>.jpg"])
def test_a_name_is_text_and_nothing_else(name: str) -> None:
    quoted = name.encode().replace(b"\\", b"\\\\")
    form = read(part(b'name="file"; filename="' + quoted + b'"') + b"--B--\r\n")
    assert form.upload is not None
    assert form.upload.filename == name


@pytest.mark.parametrize(
    "head",
    [
        b'name="file"; filename="a\r\nb.jpg"',
        b'name="file"; filename="a\r\nX-Header: b.jpg"',
        b'name="file"; filename="a\nb.jpg"',
        b"name=\"file\"; filename*=UTF-8''a%0D%0Ab.jpg",
        b'name="file"; filename="a\x00b.jpg"',
        b'name="file"; filename="a\x1b[31m.jpg"',
        b'name="fi\x00le"',
        b'filename="no-name.jpg',
        b"",
    ],
)
def test_a_broken_part_is_refused(head: bytes) -> None:
    assert isinstance(fails(part(head) + b"--B--\r\n"), InvalidMultipart)


@pytest.mark.parametrize(
    "body",
    [b"", b"nonsense", FILE, FILE[:-10], b"--B\r\n\r\n\r\nx\r\n--B--\r\n", b"--B\r\nbroken\r\n\r\nx\r\n--B--\r\n"],
)
def test_a_broken_body_is_refused(body: bytes) -> None:
    assert isinstance(fails(body), InvalidMultipart)


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "x" * 201],
)
def test_a_body_without_a_boundary_is_refused(content_type: str) -> None:
    assert isinstance(fails(FILE + b"--B--\r\n", content_type), InvalidMultipart)


def test_too_many_parts_are_refused() -> None:
    parts = b"".join(part(b'name="f%d"' % n) for n in range(MOST_PARTS + 1))
    assert isinstance(fails(parts + b"--B--\r\n"), TooManyParts)


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("size", [MOST + 1, MOST + FRAMING_BYTES + 1])
def test_a_picture_over_the_limit_is_refused_and_one_at_the_limit_is_not(size: int, length: bool) -> None:
    def body(content: bytes) -> bytes:
        return part(b'name="file"; filename="cat.jpg"', content) + b"--B--\r\n"

    assert isinstance(fails(body(b"x" * size), length=length), FileTooLarge)
    assert read(body(b"x" * MOST), length=length).upload is not None


def test_a_field_over_the_limit_is_refused() -> None:
    assert isinstance(fails(part(b'name="options"', b"x" * 65_537) + b"--B--\r\n"), PayloadTooLarge)


def test_a_head_that_never_ends_is_refused() -> None:
    assert isinstance(fails(b"--B\r\nX: " + b"x" * FRAMING_BYTES), PayloadTooLarge)


@pytest.mark.parametrize(
    "body",
    [FILE + FILE, part(b'name="picture"; filename="cat.jpg"'), part(b'name="file"; filename="' + b"x" * 256 + b'"')],
)
def test_two_pictures_or_a_strange_one_are_an_invalid_field(body: bytes) -> None:
    assert isinstance(fails(body + b"--B--\r\n"), InvalidField)


def test_a_field_that_is_not_utf8_is_an_invalid_field() -> None:
    assert isinstance(fails(part(b'name="options"', b"\xff") + b"--B--\r\n"), InvalidField)


def read_many(body: bytes) -> tuple[list[Upload], dict[str, str]]:
    form = read_form(sent(body, "multipart/form-data; boundary=B"), MOST, ("files[]",), MOST_PARTS)
    return form.uploads, form.fields


def test_several_pictures_keep_their_order_names_and_digests() -> None:
    head = b'name="files[]"; filename="%s.png"'
    body = b"".join(part(head % name, name * 3) for name in (b"a", b"b", b"a")) + part(b'name="threshold"', b"0.4")
    uploads, fields = read_many(body + b"--B--\r\n")
    assert [(each.filename, each.content) for each in uploads] == [
        ("a.png", b"aaa"),
        ("b.png", b"bbb"),
        ("a.png", b"aaa"),
    ]
    assert uploads[0].sha256 == hashlib.sha256(b"aaa").hexdigest() and fields == {"threshold": "0.4"}


def test_several_pictures_together_are_no_larger_than_one_may_be() -> None:
    one = part(b'name="files[]"; filename="a.png"', b"x" * MOST)
    assert len(read_many(one + b"--B--\r\n")[0]) == 1
    with pytest.raises(FileTooLarge):
        read_many(one * 4 + b"--B--\r\n")


@pytest.mark.parametrize("name", [b"file", b"files", b"files[0]"])
def test_a_picture_of_another_name_is_refused(name: bytes) -> None:
    with pytest.raises(Refused):
        read_many(part(b'name="' + name + b'"; filename="a.png"') + b"--B--\r\n")
