"""URLs that clients name, with a resolver of our own: what is refused by its text, and what by where it leads."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from pipeline.errors import (
    ScanmillError,
    UrlAddressNotAllowed,
    UrlFetchFailed,
    UrlPortNotAllowed,
    UrlTimeout,
)
from storage.address_rules import is_public
from storage.deadline import Deadline
from storage.fetch import check_url, fetch
from storage.pinned import addresses, check_peer
from storage.settings import FetchSettings
from storage.url_rules import read_url
from tests.hostile.url_rows import ALLOWED, BY_RESOLUTION, BY_TEXT, NAMES, PUBLIC


class Names:
    """A resolver that knows a few names and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if host not in NAMES:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return NAMES[host]


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
def settings() -> FetchSettings:
    return FetchSettings()


def rows(table: dict[type[ScanmillError], dict[str, str]]) -> list[object]:
    return [pytest.param(url, error, id=row) for error, urls in table.items() for row, url in urls.items()]


@pytest.mark.parametrize("url", ALLOWED.values(), ids=ALLOWED.keys())
def test_an_ordinary_url_leads_to_public_addresses(url: str, names: Names, settings: FetchSettings):
    check_url(url, settings)
    read = read_url(url, settings)
    found = addresses(read, settings, names, Deadline(5))
    assert [str(address) for address in found] == (NAMES[read.host] if read.literal is None else [read.host])
    assert names.asked == ([] if read.literal else [read.host])


@pytest.mark.parametrize(("url", "error"), rows(BY_TEXT))
def test_the_text_alone_is_refused(url: str, error: type[ScanmillError], names: Names, settings: FetchSettings):
    with pytest.raises(ScanmillError) as refused:
        check_url(url, settings)
    assert type(refused.value) is error
    with pytest.raises(error):
        fetch(url, settings, resolve=names)
    assert names.asked == []


@pytest.mark.parametrize(("url", "error"), rows(BY_RESOLUTION))
def test_where_a_name_leads_is_refused(url: str, error: type[ScanmillError], names: Names, settings: FetchSettings):
    check_url(url, settings)
    with pytest.raises(ScanmillError) as refused:
        fetch(url, settings, resolve=names)
    assert type(refused.value) is error
    assert len(names.asked) == 1


def test_every_row_of_the_corpus_is_here():
    tables = [ALLOWED, *BY_TEXT.values(), *BY_RESOLUTION.values()]
    found = sorted(row for table in tables for row in table if row[0] == "U" and row[1:].isdigit())
    assert found == [f"U{number:02}" for number in range(1, 73)]


def test_what_was_read_is_what_is_asked_for(settings: FetchSettings):
    url = read_url("HTTPS://Good.Test.:443/A%2f?b=C&d", settings)
    assert (url.scheme, url.host, url.port, url.target) == ("https", "good.test", 443, "/A%2f?b=C&d")
    assert url.authority == "good.test"
    assert read_url("http://[2606:4700:0:0::1]?q=1", settings).text == "http://[2606:4700::1]/?q=1"


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "100.63.255.255",
        "100.128.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "192.0.1.1",
        "198.17.0.1",
        "223.255.255.255",
        "168.63.129.15",
        "2001:200::1",
        "2606:4700:4700::1111",
        "2a00:1450::1",
        "3ffe::1",
    ],
)
def test_addresses_beside_the_refused_networks_are_public(address: str):
    assert is_public(ip_address(address))


def test_the_operators_own_networks_can_be_refused(names: Names):
    settings = FetchSettings(url_deny=frozenset({"93.184.216.0/24", "2606:4700::/32"}))
    for url in ("http://93.184.216.34/", "http://[2606:4700::1]/"):
        with pytest.raises(UrlAddressNotAllowed):
            check_url(url, settings)
    with pytest.raises(UrlAddressNotAllowed):
        fetch("http://good.test/", settings, resolve=names)


def test_further_ports_can_be_configured():
    check_url("http://good.test:8080/", FetchSettings(url_ports=frozenset({8080})))
    with pytest.raises(UrlPortNotAllowed):
        check_url("http://good.test:8081/", FetchSettings(url_ports=frozenset({8080})))


@pytest.mark.parametrize(
    ("allow", "url", "taken"),
    [
        ("minio:9000", "http://minio:9000/bucket/key", True),
        ("minio:9000", "http://MINIO.:9000/bucket/key", True),
        ("minio:9000", "http://minio:9001/bucket/key", False),
        ("minio:9000", "http://minio/bucket/key", False),
        ("minio", "http://minio/bucket/key", True),
        ("minio", "https://minio/bucket/key", True),
        ("minio", "http://minio:9000/bucket/key", False),
        ("minio:9000", "http://other:9000/bucket/key", False),
        ("Store.Internal, 10.0.0.7:9000", "http://store.internal/key", True),
        ("store.internal,10.0.0.7:9000", "http://10.0.0.7:9000/key", True),
        ("10.0.0.7:9000", "http://10.0.0.8:9000/key", False),
        ("[fd00::1]:9000", "http://[fd00:0::1]:9000/key", True),
        ("[fd00::1]", "http://[fd00::1]/key", True),
        ("[fd00::1]", "http://[fd00::1]:9000/key", False),
    ],
)
def test_an_allowed_host_is_taken_at_its_port_only(allow: str, url: str, taken: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SCANMILL_URL_ALLOW", allow)
    if taken:
        check_url(url)
    else:
        with pytest.raises(ScanmillError):
            check_url(url)


def test_a_resolver_that_hangs_is_given_up():
    release = threading.Event()

    def resolve(host: str, port: int) -> Sequence[str]:
        release.wait(10)
        return [PUBLIC]

    began = time.monotonic()
    with pytest.raises(UrlTimeout):
        fetch("http://good.test/", FetchSettings(fetch_total_s=0.3), resolve=resolve)
    assert time.monotonic() - began < 8
    release.set()


def test_open_and_closed_ports_of_ours_look_the_same(settings: FetchSettings):
    """No port scan: nothing of ours is connected to, so there is nothing to tell."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            ports = [listener.getsockname()[1], unused.getsockname()[1]]
        errors = []
        for port in ports:
            open_ports = FetchSettings(url_ports=frozenset(ports))
            with pytest.raises(UrlAddressNotAllowed) as refused:
                fetch(f"http://inside.test:{port}/", open_ports, resolve=lambda host, port: ["127.0.0.1"])
            errors.append(str(refused.value))
        assert errors[0] == errors[1]
        with pytest.raises(TimeoutError):
            listener.accept()


def test_a_connection_to_an_unchecked_address_is_dropped(settings: FetchSettings):
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as ours:
        check_peer(ours, [ip_address("127.0.0.1")])
        with pytest.raises(UrlFetchFailed):
            check_peer(ours, [ip_address("127.0.0.2")])
