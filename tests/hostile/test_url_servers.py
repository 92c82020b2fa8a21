"""Servers that lie, stall, redirect and never end: each gets its code, within its time, and nothing else is touched."""

from __future__ import annotations

import gzip
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from pipeline.errors import (
    EmptyFile,
    FileTooLarge,
    ScanmillError,
    UnsupportedFormat,
    UrlAddressNotAllowed,
    UrlContentEncodingNotAllowed,
    UrlFetchFailed,
    UrlHttpStatus,
    UrlInvalid,
    UrlLengthMismatch,
    UrlRedirectNotAllowed,
    UrlSchemeNotAllowed,
    UrlTimeout,
    UrlTlsFailed,
    UrlTooManyRedirects,
)
from pipeline.settings import PipelineSettings
from pipeline.sniff import sniff
from tests.servers.hostile_http import Answer, Authority
from tests.servers.net import (
    CHUNKED,
    HOST,
    MIB,
    PICTURE,
    Net,
    authority,
    endless,
    net,
    ok,
    raw,
    redirect,
    routes,
    silence,
)

__all__ = ["authority", "net"]

LOGIN = b"<!doctype html><title>Please log in</title>"

ANSWERS: list[tuple[str, type[ScanmillError], Answer]] = [
    ("S01", UrlAddressNotAllowed, redirect("http://169.254.169.254/")),
    ("S02", UrlTooManyRedirects, routes({"/": redirect("/1"), **{f"/{n}": redirect(f"/{n + 1}") for n in (1, 2, 3)}})),
    ("S03", UrlTooManyRedirects, redirect("/")),
    ("S04", UrlSchemeNotAllowed, redirect("file:///etc/passwd")),
    ("S07", UrlHttpStatus, ok(status="404 Not Found")),
    ("S08", UrlHttpStatus, ok(status="206 Partial Content")),
    ("S09", UrlTimeout, silence),
    ("S10", UrlTimeout, endless(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x", 0.05)),
    ("S11", UrlFetchFailed, endless(b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n" * 50)),
    ("S12", UrlLengthMismatch, ok(b"x" * 1000, length=10)),
    ("S13", UrlLengthMismatch, ok(b"x" * 10, length=1000)),
    ("S14", UrlFetchFailed, ok(length=-1)),
    ("S15", FileTooLarge, endless(CHUNKED, b"10000\r\n" + b"x" * 65_536 + b"\r\n")),
    ("S16", FileTooLarge, ok(b"", length=21 * MIB)),
    ("S17", UrlContentEncodingNotAllowed, ok(gzip.compress(b"\x00" * MIB), "Content-Encoding: gzip")),
    ("S18", UrlContentEncodingNotAllowed, ok(b"x", "Content-Encoding: gzip, br, gzip, br, gzip, br")),
    ("silent-after-head", UrlTimeout, endless(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"", 0.05)),
    ("head-by-the-letter", UrlTimeout, endless(b"HTTP/1.1 200 OK\r\n", b"X", 0.05)),
    ("one-endless-header", UrlFetchFailed, endless(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 4096)),
    ("endless-promises", UrlFetchFailed, endless(b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 20)),
    ("too-many-headers", UrlFetchFailed, ok(PICTURE, *["X: y"] * 200)),
    ("no-http", UrlFetchFailed, raw(b"-ERR unknown command 'GET'\r\n")),
    ("hangs-up", UrlFetchFailed, raw()),
    ("two-lengths", UrlFetchFailed, ok(PICTURE, "Content-Length: 7")),
    ("no-number", UrlFetchFailed, raw(b"HTTP/1.1 200 OK\r\nContent-Length: 0x10\r\n\r\n")),
    ("chunks-cut-off", UrlFetchFailed, raw(CHUNKED + b"10\r\nonly a few")),
    ("chunk-of-no-size", UrlFetchFailed, raw(CHUNKED + b"zz\r\n")),
    ("endless-chunk-size", UrlFetchFailed, endless(CHUNKED, b"0" * 4096)),
    (
        "compressed-transfer",
        UrlFetchFailed,
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    ),
    ("endless-without-length", FileTooLarge, endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65_536)),
    ("no-content", UrlHttpStatus, raw(b"HTTP/1.1 204 No Content\r\n\r\n")),
    ("not-modified", UrlHttpStatus, raw(b"HTTP/1.1 304 Not Modified\r\n\r\n")),
    ("redirect-nowhere", UrlHttpStatus, ok(status="302 Found")),
    ("redirect-everywhere", UrlHttpStatus, ok(b"", "Location: /1", "Location: /2", status="302 Found")),
    ("redirect-to-credentials", ScanmillError, redirect(f"http://user:pw@{HOST}/")),
    ("redirect-to-nonsense", UrlInvalid, redirect("http://[::1")),
    ("redirect-by-backslash", UrlInvalid, redirect("\\\\169.254.169.254\\x")),
    ("redirect-to-decimal", UrlInvalid, redirect("//2130706433/")),
    ("redirect-to-data", UrlSchemeNotAllowed, redirect("data:image/png;base64,AAAA")),
]


@pytest.mark.parametrize(("error", "answer"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS])
def test_a_hostile_answer_has_its_code(error: type[ScanmillError], answer: Answer, net: Net):
    began = time.monotonic()
    with pytest.raises(error) as refused:
        net.visit(answer)
    assert type(refused.value) is error or error is ScanmillError
    assert time.monotonic() - began < 20


def test_s06_the_body_of_a_redirect_is_not_read(net: Net):
    sent = 0

    def huge(connection: socket.socket, path: str) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /picture\r\nContent-Length: 1073741824\r\n\r\n")
        with suppress(OSError):
            while True:
                sent += connection.send(b"x" * 65_536)

    assert net.visit(routes({"/": huge, "/picture": ok()})) == PICTURE
    assert sent < 64 * MIB  # what the kernel's buffers took before we hung up


def test_s05_https_never_leads_to_http(net: Net):
    plain = net.serve(ok())
    secure = net.serve(redirect(f"http://{HOST}:{plain.port}/"), net.authority.server(HOST))
    with pytest.raises(UrlRedirectNotAllowed):
        net.fetch(f"https://{HOST}:{secure.port}/")
    assert plain.connections == 0


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda authority: authority.server(HOST, self_signed=True), id="S19"),
        pytest.param(lambda authority: authority.server("other.test"), id="S20"),
        pytest.param(lambda authority: authority.server("127.0.0.1"), id="for-the-address"),
        pytest.param(lambda authority: authority.server(HOST, expired=True), id="expired"),
    ],
)
def test_a_bad_certificate_ends_it_before_a_request(made: Callable[[Authority], ssl.SSLContext], net: Net):
    server = net.serve(ok(), made(net.authority))
    with pytest.raises(UrlTlsFailed):
        net.fetch(f"https://{HOST}:{server.port}/")
    assert server.requests == []


def test_an_unknown_authority_is_not_trusted(net: Net):
    server = net.serve(ok(), net.authority.server(HOST))
    with pytest.raises(UrlTlsFailed):
        net.fetch(f"https://{HOST}:{server.port}/", url_ca_file=None)


def test_s21_a_login_page_is_no_picture(net: Net):
    content = net.visit(ok(LOGIN, "Content-Type: image/jpeg"))
    with pytest.raises(UnsupportedFormat):
        sniff(content, len(content), PipelineSettings().image_limits)


def test_s22_an_empty_body_is_no_picture(net: Net):
    content = net.visit(ok(b""))
    with pytest.raises(EmptyFile):
        sniff(content, len(content), PipelineSettings().image_limits)


def test_s23_cookies_are_neither_counted_nor_kept(net: Net):
    cookies = [f"Set-Cookie: c{number}=v; Path=/" for number in range(100)]
    location = "HTTP/1.1 302 Found\r\nLocation: /2\r\nContent-Length: 0\r\n" + "\r\n".join(cookies) + "\r\n\r\n"
    assert net.visit(routes({"/": raw(location.encode()), "/2": ok(PICTURE, *cookies)})) == PICTURE
    assert not any("cookie" in request.lower() for request in net.servers[0].requests)


GOOD: dict[str, Answer] = {
    "length": ok(),
    "chunked": raw(CHUNKED + b"5\r\nfirst\r\n6;note=x\r\nsecond\r\n0\r\nTrailer: x\r\n\r\n"),
    "to-the-end": raw(b"HTTP/1.0 200 OK\r\n\r\n" + PICTURE),
    "identity": ok(PICTURE, "Content-Encoding: identity"),
    "in-pieces": raw(b"HTTP/1.1 200", b" OK\r\nContent-Len", b"gth: 4\r\n\r", b"\nab", b"cd"),
    "after-promises": raw(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"),
    "three-redirects": routes(
        {"/": redirect("/1"), "/1": redirect("2?x=y#there"), "/2?x=y": redirect("/3"), "/3": ok()}
    ),
}


@pytest.mark.parametrize("answer", GOOD.values(), ids=GOOD.keys())
def test_an_ordinary_answer_comes_through(answer: Answer, net: Net):
    expected = {"chunked": b"firstsecond", "in-pieces": b"abcd", "after-promises": b"ab"}
    name = next(name for name, known in GOOD.items() if known is answer)
    assert net.visit(answer) == expected.get(name, PICTURE)


def test_exactly_the_largest_size_is_taken(net: Net):
    assert len(net.visit(ok(b"x" * 1000), max_upload_bytes=1000)) == 1000
    for answer in (ok(b"x" * 1001), raw(CHUNKED + b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n")):
        with pytest.raises(FileTooLarge):
            net.visit(answer, max_upload_bytes=1000)


def test_every_row_of_the_corpus_is_here():
    text = Path(__file__).read_text()
    missing = [f"S{n:02}" for n in range(1, 24) if f'"S{n:02}"' not in text and f"test_s{n:02}_" not in text]
    assert missing == []
