"""Artifacts as small pictures inside the page. Only files that our own stages wrote are opened here."""

from __future__ import annotations

import base64
import io

from PIL import Image

from cli.client import Client
from cli.scan import Scan

_QUALITY = 86


class Album:
    """One scan's artifacts as data addresses, downloaded and made small when asked for."""

    def __init__(self, client: Client, scan: Scan) -> None:
        self._client = client
        self._scan = scan

    def picture(self, name: str, longest_side: int) -> str | None:
        """A data address of the artifact `name`, at most `longest_side` pixels; None when the scan has no such file."""
        artifact = self._scan.artifact(name)
        if artifact is None or artifact.expired:
            return None
        return small(self._client.download(self._scan.id, artifact), longest_side)


def small(content: bytes, longest_side: int) -> str:
    """A picture as a WebP data address, transparency kept."""
    with Image.open(io.BytesIO(content)) as opened:
        picture = opened.convert("RGBA" if "A" in opened.getbands() else "RGB")
    picture.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    picture.save(written, "WEBP", quality=_QUALITY, method=4)
    return f"data:image/webp;base64,{base64.b64encode(written.getvalue()).decode()}"
