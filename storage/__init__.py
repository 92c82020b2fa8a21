"""Bytes by key. Knows nothing of scans."""

from storage.base import ObjectInfo, Storage
from storage.open import open_storage

__all__ = ["ObjectInfo", "Storage", "open_storage"]
