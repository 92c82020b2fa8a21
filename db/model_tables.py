"""The tables of model versions: what each is, who asked for which, and which one new scans got when.

They belong to the installation, not to a tenant. Which version is current is the newest row of ``model_promotion``;
until there is one for a name, it is the one that the packs on disk put first.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.base import NOW, Base


class ModelVersion(Base):
    """One version of a model. ``digest`` names its exact behaviour, ``sha256`` its file, which lies in storage.

    ``entry`` is the manifest's table and ``goldens`` the pictures it must reproduce; both are ``json``, not ``jsonb``,
    because the digest depends on how a number is spelled. ``card`` is Markdown for people. ``stored_at`` is NULL until storage has the file.
    """

    __tablename__ = "model_version"
    __table_args__ = (sa.UniqueConstraint("name", "digest"),)
    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    name: Mapped[str]
    version: Mapped[str]
    digest: Mapped[str]
    pack: Mapped[str]
    sha256: Mapped[str] = mapped_column(index=True)
    size: Mapped[int]
    entry: Mapped[dict[str, Any]] = mapped_column(sa.JSON())
    goldens: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON())
    card: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default="registered")
    code: Mapped[str | None]
    detail: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    stored_at: Mapped[datetime | None]
    verified_at: Mapped[datetime | None]


class ModelRequest(Base):
    """Somebody's wish to promote a version or to roll one back; ``control`` takes it under a lease and ends it."""

    __tablename__ = "model_request"
    __table_args__ = (sa.Index("model_request_open_idx", "id", postgresql_where=sa.text("state = 'asked'")),)
    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    kind: Mapped[str]
    name: Mapped[str] = mapped_column(index=True)
    digest: Mapped[str | None]
    relabel: Mapped[bool]
    asked_by: Mapped[str]
    why: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default="asked")
    code: Mapped[str | None]
    detail: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default="0")
    lease_until: Mapped[datetime | None]
    asked_at: Mapped[datetime] = mapped_column(server_default=NOW)
    finished_at: Mapped[datetime | None]


class ModelPromotion(Base):
    """One change of a model's current version. Rows are only ever added."""

    __tablename__ = "model_promotion"
    __table_args__ = (sa.Index("model_promotion_name_id_idx", "name", sa.text("id DESC")),)
    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    name: Mapped[str]
    kind: Mapped[str]
    digest: Mapped[str]
    previous: Mapped[str | None]
    request_id: Mapped[int] = mapped_column(sa.ForeignKey("model_request.id"), unique=True)
    promoted_by: Mapped[str]
    why: Mapped[str | None]
    at: Mapped[datetime] = mapped_column(server_default=NOW)
