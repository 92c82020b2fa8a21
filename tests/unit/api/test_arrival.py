from __future__ import annotations

import socket
import time

import pytest

from api.arrival import MOST_HEAD_BYTES, Arrival, Patience, PatientUnreader
from pipeline.errors import RequestTimeout

MOST = 1_000


def arrived(*pieces: bytes) -> list[bool]:
    arrival, states = Arrival(0.0, MOST), []
    for piece in pieces:
        arrival.received += piece
        states.append(arrival.complete())
    return states


def test_a_thread_starts_when_head_and_body_are_here() -> None:
    assert arrived(b"POST / HTTP/1.1\r\nContent-Length: 5\r", b"\n\r", b"\nab", b"cd", b"e") == [False] * 4 + [True]


def test_a_request_without_a_body_is_complete_with_its_head() -> None:
    assert arrived(b"GET / HTTP/1.1\r\nHost: x\r\n", b"\r\n") == [False, True]


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Length: %d" % (MOST + 1),
        b"Transfer-Encoding: chunked",
        b"content-length: 5\r\ntransfer-encoding: chunked",
        b"Content-Length: 5\r\nExpect: 100-continue",
        b"Content-Length: nonsense",
        b"Content-Length: 1\r\nContent-Length: 2",
    ],
)
def test_what_cannot_be_collected_goes_to_a_thread_with_its_head(header: bytes) -> None:
    assert arrived(b"POST / HTTP/1.1\r\n" + header + b"\r\n\r\n") == [True]


def test_a_head_that_never_ends_is_seen_to() -> None:
    arrival = Arrival(0.0, MOST, bytearray(b"GET / HTTP/1.1\r\nX: "))
    assert not arrival.complete() and not arrival.endless
    arrival.received += b"x" * MOST_HEAD_BYTES
    assert not arrival.complete() and arrival.endless


def test_patience_ends_for_the_slow_only() -> None:
    patience = Patience(timeout_s=30, rate=1_000)
    assert not patience.ends(29, 0)
    assert patience.ends(31, 30_000)
    assert not patience.ends(31, 31_000)


def test_a_body_that_drips_ends_the_request() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        unreader = PatientUnreader(ours, Patience(timeout_s=0.1, rate=1_000_000))
        unreader.begin(b"")
        with pytest.raises(RequestTimeout):
            drip(theirs, unreader)


def drip(sender: socket.socket, unreader: PatientUnreader) -> None:
    for _ in range(100):
        sender.send(b"x")
        assert unreader.read() == b"x"
        time.sleep(0.01)


def test_a_body_that_stops_ends_the_request() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        unreader = PatientUnreader(ours, Patience(timeout_s=0.05, rate=1_000_000))
        unreader.begin(b"early")
        assert unreader.read() == b"early"
        theirs.send(b"late")
        assert unreader.read() == b"late"
        with pytest.raises(RequestTimeout):
            unreader.read()
