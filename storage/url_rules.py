"""What a URL must look like before anything is asked about it: one strict reading, no second opinion.

Whatever two parsers might read differently is refused, so that what was checked is what is connected to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import urlsplit

from pipeline.errors import (
    UrlAddressNotAllowed,
    UrlCredentialsNotAllowed,
    UrlInvalid,
    UrlPortNotAllowed,
    UrlSchemeNotAllowed,
)
from storage.address_rules import Address, is_public
from storage.settings import FetchSettings

LONGEST_URL = 2_048
"""Characters of a URL."""

_PORTS = {"http": 80, "https": 443}
_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]*")  # RFC 3986 without '#': a fragment is never sent
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]+)(?::(?P<port>[0-9]+))?")
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_NOT_PUBLIC = frozenset({"home.arpa", "internal", "local", "localdomain", "localhost", "onion"})
_LONGEST_HOST = 253


@dataclass(frozen=True, slots=True)
class Url:
    """A URL that may be fetched as far as its text shows. ``host`` is lower case, without brackets or final dot."""

    scheme: str
    host: str
    port: int
    target: str
    literal: Address | None
    waived: bool
    """The operator allows this host in spite of the rules for addresses and ports."""

    @property
    def authority(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if isinstance(self.literal, IPv6Address) else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def text(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def read_url(text: str, settings: FetchSettings) -> Url:
    """Read a URL, touching no network.

    Raises UrlInvalid, UrlSchemeNotAllowed, UrlCredentialsNotAllowed, UrlPortNotAllowed, UrlAddressNotAllowed.
    """
    scheme, authority, target = _split(text)
    if "@" in authority:
        raise UrlCredentialsNotAllowed
    found = _AUTHORITY.fullmatch(authority)
    if not found:
        raise UrlInvalid("no host, or more than host and port")
    port = _port(found["port"], scheme)
    host, literal = _host(found["host"].lower())
    place = f"[{host}]:{port}" if isinstance(literal, IPv6Address) else f"{host}:{port}"
    waived = place in settings.waived_hosts
    url = Url(scheme, host, port, target, literal, waived)
    if not waived:
        _check_place(url, settings)
    return url


def _split(text: str) -> tuple[str, str, str]:
    """Scheme, authority, and path with query."""
    if not 0 < len(text) <= LONGEST_URL:
        raise UrlInvalid("empty or too long")
    scheme = _SCHEME.match(text)
    if not scheme or scheme[1].lower() not in _PORTS:
        # What is not even text of a URL is invalid, whatever stands before the colon.
        raise UrlSchemeNotAllowed if _CHARACTERS.fullmatch(text) else UrlInvalid("characters that no URL has")
    if not _CHARACTERS.fullmatch(text):
        raise UrlInvalid("characters that no URL has")
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise UrlInvalid(str(error)) from error
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    if text != f"{scheme[1]}://{parts.netloc}{target}" or (parts.path and not parts.path.startswith("/")):
        raise UrlInvalid("not what it is read as")
    return parts.scheme, parts.netloc, target if parts.path else f"/{target}"


def _port(text: str | None, scheme: str) -> int:
    if text is None:
        return _PORTS[scheme]
    if len(text) > 5 or str(int(text)) != text or int(text) > 65_535:
        raise UrlInvalid("no port number")
    return int(text)


def _host(text: str) -> tuple[str, Address | None]:
    """Host as it is connected to, and its address when it is written as one."""
    if text.startswith("["):
        return _ipv6(text[1:-1])
    labels = text.removesuffix(".").split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _ipv4(text)
    if len(text) > _LONGEST_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise UrlInvalid("no host name")
    return ".".join(labels), None


def _ipv4(text: str) -> tuple[str, Address]:
    """Four decimal numbers and nothing else: not 127.1, not 0x7f000001, not 2130706433, no final dot."""
    try:
        return text, IPv4Address(text)
    except AddressValueError:
        raise UrlInvalid("an address in an unusual spelling") from None


def _ipv6(text: str) -> tuple[str, Address]:
    if "%" in text:
        raise UrlAddressNotAllowed("an address with a scope")
    try:
        address = IPv6Address(text)
    except AddressValueError:
        raise UrlInvalid("no address between the brackets") from None
    return str(address), address


def _check_place(url: Url, settings: FetchSettings) -> None:
    if url.port not in settings.url_ports | set(_PORTS.values()):
        raise UrlPortNotAllowed(str(url.port))
    if url.literal is not None:
        if not is_public(url.literal, settings.denied_networks):
            raise UrlAddressNotAllowed(url.host)
        return
    labels = url.host.split(".")
    if len(labels) < 2:
        raise UrlInvalid("a host name without a dot")
    if labels[-1] in _NOT_PUBLIC or ".".join(labels[-2:]) in _NOT_PUBLIC:
        raise UrlAddressNotAllowed(url.host)
