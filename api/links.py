"""Links to artifacts: signed, private to whoever holds them, alive for minutes."""

from __future__ import annotations

from uuid import UUID

from api.replies import address
from api.services import Services
from storage.keys import artifact_key

_SUFFIXES = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/bmp": "bmp"}


def signed_link(
    here: Services, tenant_id: UUID, sha256: str, *, media_type: str, title: str, absolute: bool = True
) -> str:
    """A link to the tenant's artifact with that digest. It is saved as ``title`` with the suffix of its type."""
    url = here.storage.signed_url(
        artifact_key(tenant_id, sha256),
        expires_s=here.settings.signed_url_s,
        media_type=media_type,
        filename=f"{title}.{_SUFFIXES.get(media_type, 'bin')}",
    )
    return url if "://" in url else address(url, absolute=absolute)
