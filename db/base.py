"""What all tables share: the clock, the column types, and names for constraints."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID
from sqlalchemy.orm import DeclarativeBase

NOW = sa.text("clock_timestamp()")
"""The only clock: Postgres time. A worker's own clock is never compared with it."""


class Base(DeclarativeBase):
    """Names for constraints, so that migrations are the same everywhere."""

    metadata = sa.MetaData(
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "fk": "%(table_name)s_%(column_0_name)s_fkey",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
            "ck": "%(table_name)s_%(constraint_name)s_check",
        }
    )
    type_annotation_map = {  # noqa: RUF012  SQLAlchemy reads it from the class
        str: sa.Text(),
        datetime: sa.DateTime(timezone=True),
        dict[str, Any]: JSONB(),
        list[str]: ARRAY(sa.Text()),
        uuid.UUID: UUID(),
        int: sa.BigInteger(),
    }
