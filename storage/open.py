"""The storage that the settings name."""

from __future__ import annotations

from storage.base import Storage
from storage.local import LocalStorage
from storage.settings import StorageSettings


def open_storage(settings: StorageSettings | None = None) -> Storage:
    """Open without touching it; ``check`` does. Raises pydantic's ValidationError for settings that cannot work."""
    settings = settings or StorageSettings()
    if settings.kind == "file":
        return LocalStorage(settings.folder, settings.signing_key)
    from storage.s3 import S3Storage  # noqa: PLC0415  boto3 costs 0.4 s and 30 MB, which a local folder need not pay

    return S3Storage(settings)
