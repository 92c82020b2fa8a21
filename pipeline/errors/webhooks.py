"""What is wrong with a request about webhooks."""

from __future__ import annotations

from pipeline.errors.families import RequestError


class WebhookNeedsHttps(RequestError, status=400):
    """A webhook's address must begin with https."""


class WebhookDisabled(RequestError, status=409):
    """The webhook is disabled; enable it first."""


class TooManyWebhooks(RequestError, status=409):
    """There are as many webhooks as one tenant may have."""
