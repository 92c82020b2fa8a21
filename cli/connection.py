"""A client from the environment, for the verbs that talk to a service."""

from __future__ import annotations

from cli.client import Client
from cli.settings import ClientSettings


def connect() -> Client:
    """A client for SCANMILL_API_URL with SCANMILL_API_KEY."""
    settings = ClientSettings()
    return Client(settings.api_url, settings.api_key.get_secret_value() if settings.api_key else None)
