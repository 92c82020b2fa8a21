from __future__ import annotations

import pytest
from pydantic import ValidationError

from api.settings import ApiSettings


def test_waiting_never_takes_the_last_threads() -> None:
    ApiSettings(threads=8, max_waits=3, max_streams=3)
    with pytest.raises(ValidationError):
        ApiSettings(threads=8, max_waits=4, max_streams=3)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_open_is_allowed_on_loopback(host: str) -> None:
    assert ApiSettings(open=True, host=host).loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.example", "api", ""])
def test_open_is_refused_where_others_could_reach_it(host: str) -> None:
    with pytest.raises(ValidationError):
        ApiSettings(open=True, host=host)


def test_open_is_refused_on_a_socket_whose_address_nobody_looked_at() -> None:
    assert ApiSettings(fd=3, host="127.0.0.1").fd == 3
    with pytest.raises(ValidationError):
        ApiSettings(open=True, fd=3, host="127.0.0.1")


@pytest.mark.parametrize("url", ["ftp://x", "x", "https://", "javascript:alert(1)"])
def test_a_public_url_is_one(url: str) -> None:
    with pytest.raises(ValidationError):
        ApiSettings(public_url=url)


def test_origins_are_listed_whole_and_never_all() -> None:
    assert ApiSettings(cors_origins="").origins == frozenset()
    listed = ApiSettings(cors_origins="https://a.example,http://localhost:3000")
    assert listed.origins == {"https://a.example", "http://localhost:3000"}


@pytest.mark.parametrize("origins", ["*", "https://*.example", "null", "a.example", "https://a.example/", "https://a,"])
def test_what_is_no_origin_is_refused(origins: str) -> None:
    with pytest.raises(ValidationError):
        ApiSettings(cors_origins=origins)
