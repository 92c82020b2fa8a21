"""The OpenAPI 3.1 document, made of the table of operations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from api.asset_operations import ASSET_SCHEMAS
from api.cataract.schemas import CATARACT_SCHEMAS
from api.flarenet.operations import FLARENET_SCHEMAS
from api.haski.operations import HASKI_SCHEMAS
from api.operation import Answer, Operation, Parameter
from api.rescat.schemas import RESCAT_SCHEMAS
from api.schemas import SCHEMAS, ref
from api.skincare.operations import SKINCARE_SCHEMAS
from pipeline import errors
from pipeline.errors import ScanmillError

_EVERYWHERE: tuple[type[ScanmillError], ...] = (ScanmillError, errors.InvalidRequest, errors.RequestTimeout)
_WITH_A_KEY = (errors.Unauthenticated, errors.ForbiddenScope, errors.StorageUnavailable)

_ABOUT = """Scanmill runs image scans through chains of machine-learning stages.
Submit a picture, keep its id, and look until its status is final. A scan answered 202 is never lost."""


def document(operations: Iterable[Operation], version: str) -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(template(operation.path), {})[operation.method.lower()] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Scanmill", "version": version, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS
            | RESCAT_SCHEMAS
            | HASKI_SCHEMAS
            | SKINCARE_SCHEMAS
            | FLARENET_SCHEMAS
            | CATARACT_SCHEMAS
            | ASSET_SCHEMAS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "An API key: sk_…"},
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def template(rule: str) -> str:
    """A Flask rule as an OpenAPI path: ``/v1/files/<path:key>`` → ``/v1/files/{key}``."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)


def refusals(operation: Operation) -> tuple[type[ScanmillError], ...]:
    """Every error an operation may answer with."""
    keyed = _WITH_A_KEY if operation.scope else ()
    return tuple(dict.fromkeys((*operation.errors, *keyed, *_EVERYWHERE)))


def _described(operation: Operation) -> dict[str, Any]:
    answers = {str(status): _answer(answer) for status, answer in operation.answers.items()}
    described: dict[str, Any] = {
        "operationId": operation.endpoint,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": [_parameter(each) for each in operation.parameters],
        "responses": answers | _problems(operation),
    }
    if operation.body:
        described["requestBody"] = {"required": operation.body_required, "content": _content(operation.body)}
    if operation.scope:
        described["security"] = [{"bearer": []}, {"header": []}]
        described["x-scope"] = operation.scope
    return described


def _problems(operation: Operation) -> dict[str, Any]:
    """One response per status, naming the codes. A status that a good answer has too takes both shapes."""
    by_status: dict[int, list[type[ScanmillError]]] = {}
    for error in refusals(operation):
        by_status.setdefault(error.status, []).append(error)
    return {
        str(status): {
            "description": "; ".join(f"{error.code}: {(error.__doc__ or '').splitlines()[0]}" for error in found),
            "content": {"application/problem+json": {"schema": ref("Problem")}}
            | (_content(operation.answers[status].content) if status in operation.answers else {}),
        }
        for status, found in sorted(by_status.items())
    }


def _answer(answer: Answer) -> dict[str, Any]:
    described: dict[str, Any] = {"description": answer.description}
    if answer.content:
        described["content"] = _content(answer.content)
    if answer.headers:
        described["headers"] = {
            name: {"description": meaning, "schema": {"type": "string"}} for name, meaning in answer.headers.items()
        }
    return described


def _content(content: Mapping[str, Any]) -> dict[str, Any]:
    return {media_type: {"schema": schema} for media_type, schema in content.items()}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "description": parameter.description,
        "schema": dict(parameter.schema),
    }
