"""Links to artifacts: signed, private to whoever holds them, alive for minutes."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from api.auth import principal
from api.replies import address
from api.services import Services
from db import batch_pictures
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


class Links:
    """Signed links to the files of some scans, made when asked for."""

    def __init__(self, here: Services, scans: Sequence[str]) -> None:
        self._here = here
        self.made: list[str] = []
        with here.database.begin() as connection:
            self._files = batch_pictures.artifacts(connection, principal().tenant_id, scans)

    def of(self, scan: str, name: str, _side: int) -> str | None:
        """A link to the file as it is: nobody here can make it smaller."""
        file = self._files.get((scan, name))
        if file is None:
            return None
        title = f"{scan}-{name}"
        link = signed_link(
            self._here, principal().tenant_id, file.sha256, media_type=file.media_type, title=title, absolute=False
        )
        self.made.append(link)
        return link
