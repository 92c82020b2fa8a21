"""What is wrong with an image_url: its syntax is refused by the API, what only the fetch can see ends the scan."""

from __future__ import annotations

from pipeline.errors.families import InputError, OutsideError


class UrlInvalid(InputError, status=400):
    """The image_url is not a valid URL."""


class UrlSchemeNotAllowed(InputError, status=400):
    """Only http and https addresses are fetched."""


class UrlCredentialsNotAllowed(InputError, status=400):
    """A URL may not carry a user name or password."""


class UrlPortNotAllowed(InputError, status=400):
    """This port is not allowed in a URL."""


class UrlAddressNotAllowed(InputError, status=400):
    """The URL points to an address that is not allowed."""


class UrlRedirectNotAllowed(InputError):
    """The URL redirects from https to http."""


class UrlTooManyRedirects(InputError):
    """The URL redirects too often."""


class UrlContentEncodingNotAllowed(InputError):
    """The server sent a compressed body although none was asked for."""


class UrlLengthMismatch(InputError):
    """The server sent another number of bytes than it announced."""


class UrlFetchFailed(OutsideError, retryable=True):
    """The URL could not be fetched."""


class UrlTimeout(OutsideError, retryable=True):
    """The server of the URL was too slow."""


class UrlHttpStatus(OutsideError):
    """The server of the URL did not answer 200."""


class UrlTlsFailed(OutsideError):
    """The certificate of the URL's server is not valid."""
