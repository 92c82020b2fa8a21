"""What would be computed if a batch were done again: read page by page, so that no transaction is long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from api.services import Services
from db import batch_plan


def reprocess_plan(
    here: Services, tenant_id: UUID, batch_id: UUID, options: Mapping[str, bool | str]
) -> dict[str, Any] | None:
    """The plan; None for an unknown batch. Raises Overloaded while too many long answers are being made."""
    with here.streams:
        with here.database.begin() as connection:
            plan = batch_plan.begin(connection, tenant_id, batch_id, options)
        if plan is None:
            return None
        more = True
        while more:
            with here.database.begin() as connection:
                more = plan.look(connection)
        with here.database.begin() as connection:
            return plan.told(connection)
