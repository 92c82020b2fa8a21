"""Settings that cannot work are refused at the start, without printing a secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from storage import open_storage
from storage.local import LocalStorage
from storage.s3 import S3Storage
from storage.settings import FetchSettings, StorageSettings

KEY = "a signing key that is long enough"


def test_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SCANMILL_STORAGE_URL", f"file://{tmp_path}/with%20space")
    monkeypatch.setenv("SCANMILL_STORAGE_SIGNING_KEY", KEY)
    assert StorageSettings().folder == tmp_path / "with space"
    storage = open_storage()
    assert isinstance(storage, LocalStorage)
    storage.check()
    assert (tmp_path / "with space").is_dir()


@pytest.mark.parametrize(
    ("url", "bucket", "prefix"),
    [("s3://scans", "scans", ""), ("s3://scans/", "scans", ""), ("s3://scans/a/b/", "scans", "a/b/")],
)
def test_a_bucket(url: str, bucket: str, prefix: str):
    settings = StorageSettings(storage_url=url, s3_endpoint="http://127.0.0.1:1")
    assert (settings.bucket, settings.prefix) == (bucket, prefix)
    assert isinstance(open_storage(settings), S3Storage)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"SCANMILL_STORAGE_URL": ""},
        {"SCANMILL_STORAGE_URL": "/var/scans", "SCANMILL_STORAGE_SIGNING_KEY": KEY},
        {"SCANMILL_STORAGE_URL": "file://relative/folder", "SCANMILL_STORAGE_SIGNING_KEY": KEY},
        {"SCANMILL_STORAGE_URL": "file:///", "SCANMILL_STORAGE_SIGNING_KEY": KEY},
        {"SCANMILL_STORAGE_URL": "file:///var/scans"},
        {"SCANMILL_STORAGE_URL": "file:///var/scans", "SCANMILL_STORAGE_SIGNING_KEY": "short"},
        {"SCANMILL_STORAGE_URL": "s3:///prefix"},
        {"SCANMILL_STORAGE_URL": "gs://bucket"},
        {"SCANMILL_STORAGE_URL": "s3://bucket", "SCANMILL_S3_SECRET_KEY": "hidden-secret"},
    ],
    ids=str,
)
def test_what_cannot_work_is_refused(given: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as refused:
        StorageSettings()
    assert "SCANMILL_" in str(refused.value) or "storage_url" in str(refused.value)
    assert "hidden-secret" not in str(refused.value) and "short" not in str(refused.value)


def test_no_secret_is_shown():
    settings = StorageSettings(
        storage_url="s3://b", s3_access_key=SecretStr("canary-access"), s3_secret_key=SecretStr("canary-secret")
    )
    assert "canary" not in repr(settings) + str(settings) + repr(open_storage(settings))


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SCANMILL_URL_ALLOW", " Minio:9000, store ,,")
    monkeypatch.setenv("SCANMILL_URL_PORTS", "8080,8443")
    monkeypatch.setenv("SCANMILL_URL_DENY", "198.51.100.0/24,2001:db8::/32")
    settings = FetchSettings()
    assert settings.url_allow == {"minio:9000", "store"}
    assert settings.waived_hosts == {"minio:9000", "store:80", "store:443"}
    assert settings.url_ports == {8080, 8443}
    assert len(settings.denied_networks) == 2


def test_a_network_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SCANMILL_URL_DENY", "198.51.100.0/24,10.0.0.1/8")
    with pytest.raises(ValidationError):
        FetchSettings()


def test_every_setting_is_in_the_readme():
    text = (Path(__file__).parents[3] / "storage" / "README.md").read_text()
    for settings in (StorageSettings, FetchSettings):
        for name in settings.model_fields:
            variable = f"SCANMILL_{name.upper()}"
            short = "`_" + name.upper().partition("_")[2] + "`"
            assert variable in text or short in text, variable
