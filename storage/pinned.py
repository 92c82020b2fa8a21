"""From a URL to a connected socket: one resolution, every address checked, the connection pinned to a checked one."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from queue import Empty, SimpleQueue

from pipeline.errors import UrlAddressNotAllowed, UrlFetchFailed, UrlTimeout, UrlTlsFailed
from storage.address_rules import Address, is_public
from storage.deadline import Deadline
from storage.settings import FetchSettings
from storage.url_rules import Url

MOST_ADDRESSES = 8

Resolver = Callable[[str, int], Sequence[str]]
"""Host name and port → addresses as text. Raises OSError when there are none."""


def system_resolver(host: str, port: int) -> Sequence[str]:
    """What this machine's resolver says."""
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def addresses(url: Url, settings: FetchSettings, resolve: Resolver, deadline: Deadline) -> list[Address]:
    """The addresses of a URL's host, asked for once, each of them allowed.

    Raises UrlAddressNotAllowed (one bad address spoils all), UrlFetchFailed, UrlTimeout.
    """
    if url.literal is not None:
        return [url.literal]
    answers = list(dict.fromkeys(_ask(url, resolve, deadline)))
    if len(answers) > MOST_ADDRESSES:
        raise UrlAddressNotAllowed(f"{url.host} has {len(answers)} addresses")
    try:
        found = [ip_address(answer) for answer in answers]
    except ValueError as error:
        raise UrlFetchFailed(f"{url.host}: {error}") from error
    for address in found:
        if not url.waived and not is_public(address, settings.denied_networks):
            raise UrlAddressNotAllowed(f"{url.host} is {address}")
    if not found:
        raise UrlFetchFailed(f"{url.host} has no address")
    return found


def connect(url: Url, found: Sequence[Address], settings: FetchSettings, deadline: Deadline) -> socket.socket:
    """A socket to the first address that answers, with TLS on it for https. The caller closes it.

    Raises UrlFetchFailed, UrlTimeout, UrlTlsFailed.
    """
    connection = _connect_first(url, found, settings, deadline)
    try:
        check_peer(connection, found)
        if url.scheme == "https":
            connection = _with_tls(connection, url, settings, deadline)
    except BaseException:
        connection.close()
        raise
    return connection


def check_peer(connection: socket.socket, found: Sequence[Address]) -> None:
    """Hold the kernel's word for whom we talk to against what was checked. Raises UrlFetchFailed."""
    peer = ip_address(connection.getpeername()[0])
    if peer not in found:
        raise UrlFetchFailed(f"connected to {peer}, which was not checked")


def _ask(url: Url, resolve: Resolver, deadline: Deadline) -> Sequence[str]:
    """Resolve in a thread: the system's resolver cannot be told how long it may take."""
    answers: SimpleQueue[Sequence[str] | Exception] = SimpleQueue()

    def ask() -> None:
        try:
            answers.put(resolve(url.host, url.port))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=ask, name="resolver", daemon=True).start()
    try:
        answer = answers.get(timeout=deadline.left("name resolution"))
    except Empty:
        raise UrlTimeout(f"resolving {url.host}") from None
    if isinstance(answer, Exception):
        raise UrlFetchFailed(f"{url.host} cannot be resolved: {answer}") from answer
    return answer


def _connect_first(url: Url, found: Sequence[Address], settings: FetchSettings, deadline: Deadline) -> socket.socket:
    failure: Exception | None = None
    for address in found:
        timeout = deadline.within(settings.fetch_connect_s).left("connecting")
        try:
            return socket.create_connection((str(address), url.port), timeout)
        except OSError as error:
            failure = error
    if isinstance(failure, TimeoutError):
        raise UrlTimeout(f"connecting to {url.host}") from failure
    raise UrlFetchFailed(f"cannot connect to {url.host}: {failure}") from failure


def _with_tls(connection: socket.socket, url: Url, settings: FetchSettings, deadline: Deadline) -> socket.socket:
    connection.settimeout(deadline.within(settings.fetch_tls_s).left("TLS"))
    try:
        return _tls(settings.url_ca_file).wrap_socket(connection, server_hostname=url.host)
    except TimeoutError as error:
        raise UrlTimeout(f"TLS with {url.host}") from error
    except ssl.SSLError as error:
        raise UrlTlsFailed(f"TLS with {url.host}: {error}") from error
    except OSError as error:
        raise UrlFetchFailed(f"TLS with {url.host}: {error}") from error


@lru_cache(maxsize=4)
def _tls(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context
