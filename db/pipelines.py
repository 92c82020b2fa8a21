"""Pipeline versions as rows: published by ``control``, expanded by SQL, pinned by scans."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from db.sql import records, row, rows, run, sha256_of
from pipeline.progress import StageNeeds

PUBLISH_LOCK = 0x5CA17112


Choices: TypeAlias = "Mapping[str, frozenset[str] | None]"


@dataclass(frozen=True, slots=True)
class StageSpec:
    """A published stage, as a worker and the ledger need it."""

    id: int
    pipeline_id: int
    position: int
    name: str
    kind: str
    version: int
    queue: str
    deadline_s: float
    needs: tuple[str, ...]
    optional: tuple[str, ...]
    switch: str | None
    reuse_for_s: float | None
    parameters: Mapping[str, Any]
    models: Mapping[str, str]
    basis: str
    waits: StageNeeds = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "waits", StageNeeds(self.name, self.needs, self.optional))

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the scan's options whose values change its answer."""
        return tuple(self.parameters.get("options", ()))

    @property
    def waits_for_others(self) -> bool:
        """False for a source: it is ready from the start."""
        return bool(self.needs or self.optional)

    @property
    def choices(self) -> Choices:
        """Those of them that are names, and which names they may be; None: any."""
        if "option_values" not in self.parameters:
            return {}
        texts = None if self.parameters["any_value"] else frozenset(self.parameters["option_values"])
        return dict.fromkeys(self.reads, texts)


@dataclass(frozen=True, slots=True)
class PipelineRow:
    """A published pipeline version; ``options`` are the names of all that a scan may ask of it."""

    id: int
    system: str
    version: str
    options: frozenset[str]


@dataclass(frozen=True, slots=True)
class Options:
    """What scans of a pipeline may ask for: switches, numbers, and choices with the names that they may be, None for any."""

    switches: frozenset[str]
    numbers: frozenset[str]
    choices: Choices


def lock(connection: sa.Connection) -> None:
    """Let nobody else publish until this transaction ends: what is read after it stays true until then."""
    run(connection, "SELECT pg_advisory_xact_lock(:lock)", lock=PUBLISH_LOCK)


def publish(connection: sa.Connection, specification: Mapping[str, Any]) -> int:
    """Store a pipeline version if it is new, and make it the one that new scans of its system get."""
    lock(connection)
    version = sha256_of(specification)
    system = specification["system"]
    known = row(connection, "SELECT id FROM pipeline WHERE system = :s AND version = :v", s=system, v=version)
    pipeline_id: int = known.id if known else _insert(connection, specification, version)
    run(
        connection,
        """INSERT INTO current_pipeline (system, pipeline_id) VALUES (:system, :id)
           ON CONFLICT (system) DO UPDATE SET pipeline_id = excluded.pipeline_id""",
        system=system,
        id=pipeline_id,
    )
    return pipeline_id


def _insert(connection: sa.Connection, specification: Mapping[str, Any], version: str) -> int:
    created = row(
        connection,
        """INSERT INTO pipeline (system, version, specification)
           VALUES (:system, :version, CAST(:specification AS jsonb)) RETURNING id""",
        system=specification["system"],
        version=version,
        specification=json.dumps(specification),
    )
    assert created is not None
    stages = [
        {**stage, "position": position, "basis": _basis(stage)}
        for position, stage in enumerate(specification["stages"])
    ]
    run(
        connection,
        """INSERT INTO stage (pipeline_id, position, name, kind, version, queue, deadline_s, needs, optional, switch,
                              reuse_for_s, parameters, models, basis)
           SELECT :id, position, name, kind, version, queue, deadline_s, needs, optional, switch, reuse_for_s,
                  parameters, models, basis
           FROM jsonb_to_recordset(CAST(:stages AS jsonb)) AS s(position int, name text, kind text, version int,
                queue text, deadline_s float, needs text[], optional text[], switch text, reuse_for_s float,
                parameters jsonb, models jsonb, basis text)
           ORDER BY position""",
        id=created.id,
        stages=records(stages),
    )
    return int(created.id)


def _basis(stage: Mapping[str, Any]) -> str:
    """What decides a stage's output besides its inputs. Its name and place do not."""
    return sha256_of([stage["kind"], stage["version"], stage["parameters"], sorted(stage["models"].items())])


def current(connection: sa.Connection, system: str) -> PipelineRow | None:
    """The version that a new scan of a system gets; None when nothing was published yet."""
    found = row(
        connection,
        """SELECT p.id, p.system, p.version,
                  (SELECT coalesce(array_agg(DISTINCT n.name), '{}') FROM stage, LATERAL (
                       SELECT switch AS name UNION ALL SELECT jsonb_array_elements_text(parameters -> 'options')) n
                   WHERE pipeline_id = p.id AND n.name IS NOT NULL) AS options
           FROM current_pipeline c JOIN pipeline p ON p.id = c.pipeline_id WHERE c.system = :system""",
        system=system,
    )
    return PipelineRow(found.id, found.system, found.version, frozenset(found.options)) if found else None


def options(connection: sa.Connection, pipeline_id: int) -> Options:
    """What scans of that version may ask for."""
    found = stages(connection, pipeline_id)
    choices = {name: texts for spec in found for name, texts in spec.choices.items()}
    numbers = frozenset(name for spec in found for name in spec.reads) - choices.keys()
    return Options(frozenset(spec.switch for spec in found if spec.switch), numbers, choices)


def listing(connection: sa.Connection) -> list[dict[str, Any]]:
    """Every system's current version, with its stages."""
    found = rows(
        connection,
        """SELECT p.system, p.version, p.specification, p.created_at
           FROM current_pipeline c JOIN pipeline p ON p.id = c.pipeline_id ORDER BY p.system""",
    )
    return [
        {"system": r.system, "version": r.version, "created_at": r.created_at, "stages": r.specification["stages"]}
        for r in found
    ]


_STAGES = f"SELECT {', '.join(f.name for f in fields(StageSpec) if f.init)} FROM stage"  # noqa: S608  our own names
"""Its columns by name: a kept plan fails when a ``*`` comes to mean more."""


def stages(connection: sa.Connection, pipeline_id: int) -> tuple[StageSpec, ...]:
    """A version's stages in order. Rows never change, so each process reads them once per database."""
    known = _known.setdefault(connection.engine, {})
    cached = known.get(pipeline_id)
    if cached is None:
        cached = known[pipeline_id] = tuple(
            _spec(r) for r in rows(connection, f"{_STAGES} WHERE pipeline_id = :id ORDER BY position", id=pipeline_id)
        )
    return cached


def every_stage(connection: sa.Connection, *, after: int) -> list[StageSpec]:
    """All stages published since the one with id ``after``: a worker keeps those that it implements."""
    return [_spec(r) for r in rows(connection, f"{_STAGES} WHERE id > :after ORDER BY id", after=after)]


_known: WeakKeyDictionary[sa.Engine, dict[int, tuple[StageSpec, ...]]] = WeakKeyDictionary()


def _spec(r: sa.Row[Any]) -> StageSpec:
    columns = r._asdict()
    return StageSpec(**{**columns, "needs": tuple(r.needs), "optional": tuple(r.optional)})
