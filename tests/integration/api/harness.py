"""The real app on a real database and a real folder, and a client that holds every response to its declared shape."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import jsonschema
from flask import Flask
from pydantic import SecretStr
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.test import TestResponse, encode_multipart

from api.app import assemble, connect
from api.openapi import template
from api.operations import OPERATIONS
from api.services import EXTENSION, Services
from api.settings import ApiSettings
from db import ledger, pipelines, results, tenants
from db.results import Answer, StoredFile
from db.session import Database
from db.settings import DatabaseSettings
from pipeline.contracts import RunState
from storage.keys import artifact_key
from tests.integration.api.pictures import jpeg

SPECIFICATION = {
    "system": "cat_face",
    "stages": [
        {
            "name": name,
            "kind": name,
            "version": 1,
            "queue": "cpu",
            "deadline_s": 60.0,
            "needs": needs,
            "optional": [],
            "switch": switch,
            "parameters": {},
            "models": {},
        }
        for name, needs, switch in (
            ("fetch_input", [], None),
            ("render_preview", ["fetch_input"], "generate_preview"),
            ("build_report", ["fetch_input"], None),
        )
    ],
}
PROFILE = "test profile"
RULES = Map([Rule(op.path, endpoint=op.path, methods=[op.method]) for op in OPERATIONS], strict_slashes=False)
"""Made once: requests come in several threads, and making rules parses Python, which 3.11 cannot always do in two."""


@dataclass
class Api:
    """The app and its two tenants. ``call`` checks every response."""

    app: Flask
    here: Services
    tokens: dict[str, str] = field(default_factory=dict)
    tenants: dict[str, UUID] = field(default_factory=dict)

    def call(self, method: str, path: str, token: str | None = "a", **options: Any) -> TestResponse:
        """A request with tenant ``a``'s full key, another of ``tokens``, or none."""
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {self.tokens.get(token, token)}"
        response = self.app.test_client().open(path, method=method, headers=headers, **options)
        check(self.here.openapi, method, path, response)
        return response

    def submit(
        self, token: str | None = "a", content: bytes | None = None, name: str = "cat.jpg", **options: Any
    ) -> TestResponse:
        """A multipart submit; other options are form fields, ``headers`` headers."""
        headers = options.pop("headers", {})
        file = FileStorage(io.BytesIO(jpeg() if content is None else content), name)
        boundary, body = encode_multipart({"file": file, **options})
        content_type = f"multipart/form-data; boundary={boundary}"
        return self.call("POST", "/v1/scans", token, data=body, content_type=content_type, headers=headers)

    def scan(self, token: str = "a", **options: Any) -> str:
        """A scan that was accepted."""
        response = self.submit(token, **options)
        assert response.status_code == 202, response.get_data(as_text=True)
        return str(response.json["id"])

    def work(self, artifact: bytes = b"preview") -> int:
        """Do all the work there is, as a worker would: claim, store, complete. Returns the number of runs."""
        owner, done = uuid4(), 0
        with self.here.database.begin() as connection:
            ledger.register(connection, owner, "test@host", 1, PROFILE)
            known = {spec.id: spec.name for spec in pipelines.every_stage(connection, after=0)}
        while True:
            with self.here.database.begin() as connection:
                found = ledger.next_stage(connection, ["cpu"], list(known))
                if found is None:
                    return done
                claims = ledger.claim(connection, owner, found.stage_id, 16)
                ledger.start(connection, [claim.scan_id for claim in claims])
            answers = [self._answer(known[claim.stage_id], claim, artifact) for claim in claims]
            with self.here.database.begin() as connection:
                done += len(results.complete(connection, answers, PROFILE).ended)

    def _answer(self, stage: str, claim: ledger.Claim, artifact: bytes) -> Answer:
        if stage == "build_report":
            return Answer(claim, RunState.OK, data={"report": {"subject": "cat"}}, compute_ms=1.0)
        if stage == "render_preview":
            stored = stored_file(self.here, claim.tenant_id, artifact)
            return Answer(claim, RunState.OK, artifacts={"preview": stored}, compute_ms=1.0)
        return Answer(claim, RunState.OK, compute_ms=1.0)


def stored_file(here: Services, tenant_id: UUID, content: bytes) -> StoredFile:
    """An artifact put where a worker puts it."""
    sha256 = hashlib.sha256(content).hexdigest()
    here.storage.put(artifact_key(tenant_id, sha256), content, "image/jpeg")
    return StoredFile(sha256, len(content), "image/jpeg")


def check(openapi: Mapping[str, Any], method: str, path: str, response: TestResponse) -> None:
    """A response is what the OpenAPI document says, and carries the security headers."""
    for name in ("Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "X-Request-Id"):
        assert response.headers.get(name), f"{method} {path} has no {name}"
    assert "Access-Control-Allow-Origin" not in response.headers
    if response.mimetype == "application/problem+json":
        jsonschema.validate(response.json, _schema(openapi, {"$ref": "#/components/schemas/Problem"}))
        assert response.json["status"] == response.status_code
    declared = _declared(openapi, method, path)
    if declared is None:
        assert response.status_code in (404, 405)
        return
    answer = declared["responses"].get(str(response.status_code))
    assert answer, (
        f"{method} {path} answered {response.status_code}, which is not declared: {response.get_data()[:300]!r}"
    )
    if response.mimetype == "application/problem+json":
        assert response.json["code"] in answer["description"], (
            f"{method} {path} does not declare {response.json['code']}"
        )
    if response.mimetype == "application/json" and method != "HEAD":
        jsonschema.validate(response.json, _schema(openapi, answer["content"]["application/json"]["schema"]))


def _declared(openapi: Mapping[str, Any], method: str, path: str) -> Any:
    try:
        rule, _ = RULES.bind("localhost").match(
            path.split("?", maxsplit=1)[0], method="GET" if method == "HEAD" else method
        )
    except HTTPException:
        return None
    return openapi["paths"][template(rule)]["get" if method == "HEAD" else method.lower()]


def _schema(openapi: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    return {**schema, "components": openapi["components"]}


def make_api(settings: ApiSettings | None = None) -> Api:
    """An app on the servers of the environment, with a published pipeline and two tenants."""
    here = connect(settings or ApiSettings(key_cache_s=0))
    app = assemble(here)
    made = Api(app, app.extensions[EXTENSION])
    with here.database.begin() as connection:
        pipelines.publish(connection, SPECIFICATION)
        for name in ("a", "b"):
            tenant = made.tenants[name] = tenants.create_tenant(connection, name)
            made.tokens[name] = tenants.create_key(connection, tenant, "all", tenants.SCOPES)[1]
            for scope in tenants.SCOPES:
                made.tokens[f"{name} {scope}"] = tenants.create_key(connection, tenant, scope, frozenset({scope}))[1]
    return made


def environment(database_url: str, redis_url: str, storage: Path) -> dict[str, str]:
    """The settings of an API process on the given servers."""
    return {
        "SCANMILL_ENV": "test",
        "SCANMILL_DATABASE_URL": database_url,
        "SCANMILL_REDIS_URL": redis_url,
        "SCANMILL_STORAGE_URL": f"file://{storage}",
        "SCANMILL_STORAGE_SIGNING_KEY": "k" * 64,
    }


def admit(database_url: str) -> None:
    """Make a key, so that a server may start."""
    database = Database(DatabaseSettings(database_url=SecretStr(database_url)))
    with database.begin() as connection:
        tenants.create_key(connection, tenants.create_tenant(connection, "first"), "first", tenants.SCOPES)
    database.dispose()


def problem(response: TestResponse) -> tuple[int, str]:
    """A refusal's status and code, once it is known to have the one shape."""
    assert response.mimetype == "application/problem+json", response.get_data(as_text=True)[:300]
    body = json.loads(response.get_data())
    assert body["id"] is None
    return response.status_code, body["code"]
