"""Send a few bytes to a client's address without being led anywhere else: as ``storage.fetch``, but no redirect is followed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

from pipeline.errors import WebhookNeedsHttps
from storage.deadline import Deadline
from storage.http_exchange import Exchange, named_errors
from storage.pinned import Resolver, addresses, connect, system_resolver
from storage.settings import FetchSettings
from storage.url_rules import Url, read_url

_DRAIN_S = 0.2
"""Seconds that the rest of an answer may take."""


def check_receiver(text: str, settings: FetchSettings) -> Url:
    """Refuse what the text alone shows, touching no network: as a fetch would, and http unless the host is allowed by name.

    Raises the ``Url*`` errors of `read_url` and WebhookNeedsHttps.
    """
    url = read_url(text, settings)
    if url.scheme != "https" and not url.waived:
        raise WebhookNeedsHttps(url.host)
    return url


def post(
    text: str,
    body: bytes,
    headers: Mapping[str, str],
    settings: FetchSettings,
    *,
    resolve: Resolver = system_resolver,
) -> int:
    """POST and return the status, whatever it is. The answer's body is neither kept nor waited for.

    Raises the errors of `check_receiver`, UrlAddressNotAllowed, UrlFetchFailed, UrlTimeout, UrlTlsFailed.
    """
    deadline = Deadline(settings.fetch_total_s)
    url = check_receiver(text, settings)
    found = addresses(url, settings, resolve, deadline)
    sized = [*headers.items(), ("Content-Length", str(len(body)))]
    with closing(connect(url, found, settings, deadline)) as connection, named_errors(url):
        exchange = Exchange(connection, settings, deadline)
        due = deadline.within(settings.fetch_head_s)
        exchange.ask(url, "POST", sized, body, due)
        status, _ = exchange.head(due)
        exchange.drain(deadline.within(_DRAIN_S))
        return status
