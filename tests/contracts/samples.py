"""The samples of docs/integrations as programs, and what may stand between them and Scanmill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import flask
import httpx
from werkzeug.serving import make_server

from tests.contracts.kennel import Kennel
from tests.house.tree import ROOT

SAMPLES = ROOT / "docs" / "integrations"
COMMANDS: dict[str, list[str]] = {
    "python": [sys.executable, str(SAMPLES / "python" / "thermal.py"), "detect"],
    "curl": ["bash", str(SAMPLES / "curl" / "thermal.sh"), "detect"],
    "java": ["java", str(SAMPLES / "java/src/main/java/example/thermal/ScanmillClient.java")],
}
"""How each sends one picture."""


def run(command: list[str], kennel: Kennel, url: str = "") -> subprocess.CompletedProcess[str]:
    """A sample's command, with Scanmill's address (or another one) and key in its environment."""
    access = {"SCANMILL_API_URL": url or kennel.stack.url, "SCANMILL_API_KEY": kennel.key}
    return subprocess.run(
        command, env={**os.environ, **access}, capture_output=True, text=True, check=False, timeout=120
    )


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@contextmanager
def bad_line(kennel: Kennel) -> Iterator[str]:
    """An address before Scanmill's where the first submit is answered "busy", and the answer to the second gets lost."""
    submits: list[str | None] = []

    class Line(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._relay(b"")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            submits.append(self.headers["Idempotency-Key"])
            if len(submits) == 1:
                self._answer(HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "1"}, b"<html>busy</html>")
            else:
                self._relay(body, lost=len(submits) == 2)

        def _relay(self, body: bytes, *, lost: bool = False) -> None:
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            answer = httpx.request(
                self.command, kennel.stack.url + self.path, headers=headers, content=body, timeout=60
            )
            if lost:
                self.close_connection = True
                return
            kept = {name: answer.headers[name] for name in ("Location", "Content-Type") if name in answer.headers}
            self._answer(answer.status_code, kept, answer.content)

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Line) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
    assert len(submits) == 3 and None not in submits and len(set(submits)) == 1


@dataclass
class JavaSide:
    """Keeps the contract of ``MLController`` towards a browser: one upload in, Scanmill's answer out."""

    kennel: Kennel
    url: str = ""
    uploads: list[tuple[str | None, str]] = field(default_factory=list)
    """Idempotency-Key and file name of each."""
    secrets: list[str] = field(default_factory=list)
    """What a browser must not have sent."""
    looks: int = 0
    """How often it asked again."""

    def upload(self, transformer_id: int) -> flask.Response:
        picture = flask.request.files["file"]
        name, key = picture.filename or "", flask.request.headers.get("Idempotency-Key")
        self.uploads.append((key, name))
        self.secrets += [each for each in ("Authorization", "X-API-Key") if each in flask.request.headers]
        if name == "busy.png" and [each for _, each in self.uploads].count(name) == 1:
            return self._refusal(503, {"code": "OVERLOADED", "detail": "Busy.", "retryable": True})
        if name == "proxy.png":
            return flask.Response("<html>too large</html>", 413)
        prefer = "respond-async" if name == "slow.png" else "wait=20"
        headers = {"Idempotency-Key": f"{transformer_id}/{key}", "Prefer": prefer}
        sent = {"file": (name, picture.stream.read())}
        answer = self.kennel.http.post("/api/v1/detect-anomaly", files=sent, headers=headers)
        stored = {"transformerId": transformer_id, **flask.request.form}
        return self._answer(answer, {"uploadResult": stored, "mlResult": answer.json()})

    def analysis(self, scan_id: str) -> flask.Response:
        self.looks += 1
        answer = self.kennel.http.get(f"/api/v1/detect-anomaly/{scan_id}")
        return self._answer(answer, answer.json())

    def _answer(self, answer: httpx.Response, body: dict[str, Any]) -> flask.Response:
        if answer.is_error:
            return self._refusal(answer.status_code, answer.json())
        response = flask.jsonify(body)
        response.status_code = answer.status_code
        if answer.status_code == HTTPStatus.ACCEPTED:
            response.headers["Location"] = f"/api/ml/analyses/{answer.json()['scan_id']}"
        return response

    def _refusal(self, status: int, problem: dict[str, Any]) -> flask.Response:
        response = flask.jsonify({"message": problem["detail"], **{k: problem[k] for k in ("code", "retryable")}})
        response.status_code = status
        return response


@contextmanager
def java_side(kennel: Kennel) -> Iterator[JavaSide]:
    """Runs until the end of the block."""
    side, app = JavaSide(kennel), flask.Flask(__name__)
    app.post("/api/transformers/<int:transformer_id>/images")(side.upload)
    app.get("/api/ml/analyses/<scan_id>")(side.analysis)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    side.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield side
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def uploaded(url: str, *pictures: Path) -> list[dict[str, Any]]:
    """What ``uploadImageWithML`` says of each picture, run by Node."""
    script = ROOT / "tests" / "contracts" / "upload_with_node.mjs"
    done = subprocess.run(
        ["node", str(script), url, *map(str, pictures)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
