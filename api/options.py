"""What a request wants done otherwise, held to what the pipeline offers: switches, numbers, and choices by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.problems import invalid
from db import pipelines
from db.pipelines import Options
from db.session import Connection
from pipeline.errors import ModelUnavailable


def check_options(connection: Connection, system: str, given: Mapping[str, Any]) -> None:
    """Refuse what the system's current pipeline does not offer. Raises ModelUnavailable without a pipeline."""
    pipeline = pipelines.current(connection, system)
    if pipeline is None:
        raise ModelUnavailable(f"no pipeline is published for {system}")
    known_options(pipelines.options(connection, pipeline.id), given)


def known_options(known: Options, given: Mapping[str, Any]) -> None:
    """Refuse a name that is not offered, or a value that it cannot have."""
    for name, value in sorted(given.items()):
        texts = known.choices.get(name)
        if name in known.choices:
            if not isinstance(value, str) or (texts is not None and value not in texts):
                offered = ", ".join(sorted(texts or ())) or "none is set up"
                raise invalid(f"options.{name}", f"must be one of: {offered}")
        elif name in known.numbers:
            continue  # its bounds do not depend on the pipeline: ``api.fields``
        elif name not in known.switches:
            raise invalid(f"options.{name}", "this pipeline has no such switch")
        elif not isinstance(value, bool):
            raise invalid(f"options.{name}", "must be true or false")
