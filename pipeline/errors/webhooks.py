"""What is wrong with a webhook: refusals of the API, and what a receiver answered."""

from __future__ import annotations

from pipeline.errors.families import OutsideError, RequestError


class WebhookNeedsHttps(RequestError, status=400):
    """A webhook's address must begin with https."""


class WebhookDisabled(RequestError, status=409):
    """The webhook is disabled; enable it first."""


class TooManyWebhooks(RequestError, status=409):
    """There are as many webhooks as one tenant may have."""


class WebhookNotTaken(OutsideError, retryable=True):
    """The receiver did not answer with a status from 200 to 299."""


class WebhookGone(OutsideError):
    """The receiver answered 410: it wants no more."""
