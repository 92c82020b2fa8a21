"""Every operation of the API, in one table. What is not here is no route; what is here is in the OpenAPI document."""

from __future__ import annotations

from api import health, keys, pages, reading, system
from api.asset_operations import ASSET_OPERATIONS
from api.batch_diff_operations import BATCH_DIFF_OPERATIONS
from api.batch_operations import BATCH_OPERATIONS
from api.cataract.operations import CATARACT_OPERATIONS
from api.consent_operations import CONSENT_OPERATIONS
from api.drift_operations import DRIFT_OPERATIONS
from api.flarenet.operations import FLARENET_OPERATIONS
from api.haski.operations import HASKI_OPERATIONS
from api.model_operations import MODEL_OPERATIONS
from api.operation import Answer, Operation, Parameter, answer
from api.rescat.operations import RESCAT_OPERATIONS
from api.scan_operations import SCAN_OPERATIONS
from api.scanpack_operations import SCANPACK_OPERATIONS
from api.schemas import listed, ref
from api.skincare.operations import SKINCARE_OPERATIONS
from api.training_operations import TRAINING_OPERATIONS
from api.webhook_operations import WEBHOOK_OPERATIONS
from pipeline import errors

_SIGNED = tuple(
    Parameter(name, "query", "Part of the signed link") for name in ("expires", "type", "name", "signature")
)

_OTHERS = (
    Operation(
        method="GET",
        path="/v1/files/<path:key>",
        handler=reading.get_file,
        tag="scans",
        summary="Follow a signed link of the local storage",
        scope=None,
        parameters=(Parameter("key", "path", "The file's key"), *_SIGNED),
        answers={200: Answer("The file", {"application/octet-stream": {}})},
        errors=(errors.NotFound, errors.InputMissing, errors.InputCorrupt),
    ),
    Operation(
        method="GET",
        path="/v1/pipelines",
        handler=system.list_pipelines,
        tag="service",
        summary="Systems and their stages",
        scope="scans:read",
        answers={200: Answer("Current pipelines", {"application/json": listed(ref("Pipeline"))})},
    ),
    Operation(
        method="GET",
        path="/v1/keys",
        handler=keys.list_keys,
        tag="keys",
        summary="List API keys",
        scope="admin",
        answers={200: Answer("Keys, without their secrets", {"application/json": listed(ref("Key"))})},
    ),
    Operation(
        method="POST",
        path="/v1/keys",
        handler=keys.create_key,
        tag="keys",
        summary="Make an API key",
        scope="admin",
        body={"application/json": ref("NewKey")},
        answers={201: answer("MadeKey", "The key; its token is shown this once")},
        errors=(errors.InvalidJson, errors.InvalidField, errors.UnsupportedContentType, errors.PayloadTooLarge),
    ),
    Operation(
        method="DELETE",
        path="/v1/keys/<key_id>",
        handler=keys.revoke_key,
        tag="keys",
        summary="Revoke an API key",
        scope="admin",
        parameters=(Parameter("key_id", "path", "The key's id: the middle part of its token"),),
        answers={204: Answer("Revoked")},
        errors=(errors.NotFound,),
    ),
    Operation(
        method="GET",
        path="/v1/system",
        handler=system.system,
        tag="service",
        summary="Version, and counts that add up",
        scope="scans:read",
        answers={200: answer("System", "Counts of your own scans")},
    ),
    Operation(
        method="GET",
        path="/health",
        handler=health.health,
        tag="service",
        summary="Is this process alive, and are models at hand?",
        scope=None,
        answers={200: answer("Health", "Yes")},
    ),
    Operation(
        method="GET",
        path="/ready",
        handler=system.ready,
        tag="service",
        summary="Would a submit be accepted and worked on?",
        scope=None,
        answers={200: answer("Ready", "Yes; degraded while Redis is away"), 503: answer("Ready", "No")},
    ),
    Operation(
        method="GET",
        path="/metrics",
        handler=system.metrics,
        tag="service",
        summary="Figures for Prometheus",
        scope=None,
        answers={200: Answer("Prometheus' text format", {"text/plain": {"type": "string"}})},
        errors=(errors.Unauthenticated,),
    ),
    Operation(
        method="GET",
        path="/openapi.json",
        handler=pages.openapi,
        tag="pages",
        summary="This document",
        scope=None,
        answers={200: Answer("OpenAPI 3.1", {"application/json": {"type": "object"}})},
    ),
    *(
        Operation(
            method="GET",
            path=path,
            handler=handler,
            tag="pages",
            summary=summary,
            scope=None,
            answers={200: Answer("A page", {media_type: {"type": "string"}})},
        )
        for path, handler, summary, media_type in (
            ("/", pages.home, "What this is", "text/html"),
            ("/docs", pages.docs, "This document, to read", "text/html"),
            ("/assets/style.css", pages.style, "The pages' style", "text/css"),
        )
    ),
)

OPERATIONS: tuple[Operation, ...] = (
    *SCAN_OPERATIONS,
    *CONSENT_OPERATIONS,
    *ASSET_OPERATIONS,
    *BATCH_OPERATIONS,
    *SCANPACK_OPERATIONS,
    *BATCH_DIFF_OPERATIONS,
    *RESCAT_OPERATIONS,
    *HASKI_OPERATIONS,
    *SKINCARE_OPERATIONS,
    *FLARENET_OPERATIONS,
    *CATARACT_OPERATIONS,
    *DRIFT_OPERATIONS,
    *MODEL_OPERATIONS,
    *TRAINING_OPERATIONS,
    *WEBHOOK_OPERATIONS,
    *_OTHERS,
)
