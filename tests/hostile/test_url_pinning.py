"""What a fetch touches and what it says of us: the checked address, the right name, in time, and nothing else."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from pipeline.errors import UrlAddressNotAllowed, UrlFetchFailed, UrlTimeout, UrlTlsFailed
from storage.fetch import fetch
from storage.settings import FetchSettings
from tests.servers.net import (
    HOST,
    PICTURE,
    Net,
    authority,
    endless,
    net,
    ok,
    redirect,
)

__all__ = ["authority", "net"]


def test_over_tls_the_name_is_asked_for_and_the_request_says_nothing_of_us(net: Net):
    server = net.serve(ok(), net.authority.server(HOST))
    assert net.fetch(f"https://{HOST.upper()}.:{server.port}/a?b=c") == PICTURE
    assert server.server_names == [HOST]
    head, *headers = server.requests[0].strip().split("\r\n")
    assert head == "GET /a?b=c HTTP/1.1"
    assert sorted(header.lower() for header in headers) == [
        "accept-encoding: identity",
        "accept: image/*",
        "connection: close",
        f"host: {HOST}:{server.port}",
        "user-agent: scanmill",
    ]


def test_proxies_and_passwords_of_the_environment_take_no_part(
    net: Net, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    proxy = net.serve(ok(b"from the proxy"))
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    (tmp_path / ".netrc").write_text(f"machine {HOST} login us password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert net.visit(ok()) == PICTURE
    assert proxy.connections == 0
    assert "authorization" not in net.servers[-1].requests[0].lower()


def test_every_hop_is_checked_where_its_name_leads(net: Net):
    """An allowed server sends us to a name that resolves to a place inside: nothing there is connected to."""
    inside = net.serve(ok(b"secret"))
    outside = net.serve(redirect(f"http://inside.test:{inside.port}/"))
    settings = {"url_allow": frozenset({f"{HOST}:{outside.port}"}), "url_ports": frozenset({inside.port})}
    with pytest.raises(UrlAddressNotAllowed):
        net.fetch(f"http://{HOST}:{outside.port}/", **settings)
    assert net.asked == [HOST, "inside.test"]
    assert inside.connections == 0


def test_a_name_that_changes_its_mind_is_asked_once(net: Net):
    """Rebinding: what was checked is what is connected to, whatever the name leads to a moment later."""
    checked = net.serve(ok())
    answers = iter([["127.0.0.1"], ["127.0.0.2"]])
    with socket.create_server(("127.0.0.2", checked.port)) as other:
        other.settimeout(0.1)
        settings = FetchSettings(url_allow=frozenset({f"{HOST}:{checked.port}"}))
        assert fetch(f"http://{HOST}:{checked.port}/", settings, resolve=lambda host, port: next(answers)) == PICTURE
        with pytest.raises(TimeoutError):
            other.accept()
    assert next(answers) == ["127.0.0.2"]


def test_the_next_address_is_tried(net: Net):
    server = net.serve(ok())
    settings = FetchSettings(url_allow=frozenset({f"{HOST}:{server.port}"}))
    found = fetch(f"http://{HOST}:{server.port}/", settings, resolve=lambda host, port: ["127.0.0.3", "127.0.0.1"])
    assert found == PICTURE


def test_nobody_listens(net: Net):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(UrlFetchFailed):
            net.fetch(f"http://{HOST}:{port}/", url_allow=frozenset({f"{HOST}:{port}"}))


def test_a_connection_that_is_not_taken_is_given_up(net: Net):
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _ in range(3):  # fill the queue of connections, so that the next one is left waiting
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect(("127.0.0.1", port))
        began = time.monotonic()
        with pytest.raises(UrlTimeout):
            net.fetch(f"http://{HOST}:{port}/", url_allow=frozenset({f"{HOST}:{port}"}), fetch_connect_s=0.3)
        assert time.monotonic() - began < 10


def test_silence_in_place_of_tls_is_given_up(net: Net):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        began = time.monotonic()
        with pytest.raises(UrlTimeout):
            net.fetch(f"https://{HOST}:{port}/", url_allow=frozenset({f"{HOST}:{port}"}))
        assert time.monotonic() - began < 10


def test_plain_http_in_place_of_tls_is_refused(net: Net):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def greet() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                connection.recv(65_536)

        greeting = threading.Thread(target=greet)
        greeting.start()
        with pytest.raises(UrlTlsFailed):
            net.fetch(f"https://{HOST}:{port}/", url_allow=frozenset({f"{HOST}:{port}"}))
        greeting.join()


def test_the_total_time_bounds_a_body_that_is_fast_enough(net: Net):
    answer = endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 1000, 0.02)
    began = time.monotonic()
    with pytest.raises(UrlTimeout):
        net.visit(answer, fetch_total_s=0.6, fetch_min_bytes_per_s=10)
    assert 0.5 < time.monotonic() - began < 10


def test_a_slow_but_steady_body_comes_through(net: Net):
    def steady(connection: socket.socket, path: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 24000\r\n\r\n")
        for _ in range(12):
            connection.sendall(b"x" * 2000)
            time.sleep(0.05)

    assert len(net.visit(steady, fetch_window_s=0.2)) == 24_000
