"""What is declared of each operation, once: the route, the key's scope and the OpenAPI text are all made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Response

from api.schemas import ref
from pipeline.errors import ScanmillError

Schema = Mapping[str, Any]
"""A JSON Schema (2020-12), as OpenAPI 3.1 takes it."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter in path, query or header."""

    name: str
    place: str
    description: str
    schema: Schema = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer: media type → schema; empty when there is no body."""

    description: str
    content: Mapping[str, Schema] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one address. ``scope`` None means that no key is needed."""

    method: str
    path: str
    handler: Callable[..., Response]
    tag: str
    summary: str
    scope: str | None
    answers: Mapping[int, Answer]
    parameters: tuple[Parameter, ...] = ()
    body: Mapping[str, Schema] = field(default_factory=dict)
    body_required: bool = True
    errors: tuple[type[ScanmillError], ...] = ()

    @property
    def endpoint(self) -> str:
        return self.handler.__name__

    @property
    def description(self) -> str:
        return (self.handler.__doc__ or "").strip()


def answer(shape: str, description: str, **headers: str) -> Answer:
    """A JSON answer of one of the shapes of ``api.schemas``."""
    return Answer(description, {"application/json": ref(shape)}, headers)
