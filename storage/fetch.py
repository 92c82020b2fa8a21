"""Fetch a client's URL without being led anywhere else.

Order: read strictly → resolve once → check every address → connect to a checked one → ask → read within bounds. Every
redirect goes through all of it again. No proxy, cookie, password file or decoder of the environment takes part.
"""

from __future__ import annotations

from contextlib import closing
from urllib.parse import urldefrag, urljoin

from pipeline.errors import UrlInvalid, UrlRedirectNotAllowed, UrlTooManyRedirects
from storage import http_get
from storage.deadline import Deadline
from storage.pinned import Resolver, addresses, connect, system_resolver
from storage.settings import FetchSettings
from storage.url_rules import Url, read_url

MOST_REDIRECTS = 3


def check_url(url: str, settings: FetchSettings | None = None) -> None:
    """Refuse what the text alone shows, touching no network. Raises the ``Url*`` errors of `read_url`."""
    read_url(url, settings or FetchSettings())


def fetch(url: str, settings: FetchSettings, *, resolve: Resolver = system_resolver) -> bytes:
    """The bytes behind a URL, as they came; nothing is said about what they are.

    Raises the ``Url*`` errors and FileTooLarge. Their texts are for the log: a client sees code and sentence only.
    """
    deadline = Deadline(settings.fetch_total_s)
    here = read_url(url, settings)
    for _ in range(MOST_REDIRECTS + 1):
        answer = _visit(here, settings, resolve, deadline)
        if isinstance(answer, bytes):
            return answer
        here = _follow(here, answer, settings)
    raise UrlTooManyRedirects


def _visit(url: Url, settings: FetchSettings, resolve: Resolver, deadline: Deadline) -> bytes | http_get.Redirect:
    found = addresses(url, settings, resolve, deadline)
    with closing(connect(url, found, settings, deadline)) as connection:
        return http_get.get(connection, url, settings, deadline)


def _follow(here: Url, redirect: http_get.Redirect, settings: FetchSettings) -> Url:
    try:
        target = urldefrag(urljoin(here.text, redirect.location)).url
    except ValueError as error:
        raise UrlInvalid(f"redirect: {error}") from error
    there = read_url(target, settings)
    if here.scheme == "https" and there.scheme == "http":
        raise UrlRedirectNotAllowed(there.host)
    return there
