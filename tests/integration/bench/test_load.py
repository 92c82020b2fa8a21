"""The load test against small real servers: it follows, comes back, gives up, and says so."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bench.load import __main__ as tool
from bench.load import figures, rounds, services, users
from bench.load.users import ask_all
from bench.photos import pictures
from tests import photos

PLAN = {
    "/slow": [(202, {"poll_url": "/scan", "scan_id": "1"}, {})],
    "/scan": [(202, {"poll_url": "/scan"}, {}), (200, {"scan_id": "1", "stage_ms": {"a": 2.0, "b": None}}, {})],
    "/busy": [(503, {"code": "OVERLOADED"}, {"Retry-After": "0"}), (200, {}, {})],
    "/verdict": [(422, {"code": "NOT_AN_EYE", "id": "2"}, {})],
    "/broken": [(500, {"code": "INTERNAL_ERROR"}, {})],
    "/never": [(202, {"poll_url": "/never"}, {})],
}
"""What a path answers, in order; the last again and again."""


class Service(BaseHTTPRequestHandler):
    """Keeps the contract of the seed's calls: 200, 202 with ``poll_url``, 503 with ``Retry-After``, a problem."""

    protocol_version = "HTTP/1.1"
    asked: Counter[str]
    keys: set[str | None]

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/gone":
            self.close_connection = True
            return
        turns = PLAN[self.path]
        status, body, headers = turns[min(self.asked[self.path], len(turns) - 1)]
        self.asked[self.path] += 1
        if self.command == "POST":
            self.keys.add(self.headers["Idempotency-Key"])
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815  the library names it

    def log_message(self, *words: Any) -> None:
        pass


@pytest.fixture
def service() -> Iterator[str]:
    Service.asked, Service.keys = Counter(), set()
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def one(url: str, path: str) -> users.Asked:
    (asked,), _ = ask_all(url, path, "sk_test", [b"a picture"], 1)
    return asked


def test_an_answer_that_takes_longer_is_followed_and_timed_to_its_end(service: str) -> None:
    asked = one(service, "/slow")
    assert (asked.status, asked.turns, asked.scan_id, asked.computed_ms) == (200, {"polled": 2}, "1", 2.0)
    assert asked.answered and asked.seconds >= 2 * users.POLL_S


def test_who_is_sent_away_comes_back_with_the_same_key(service: str) -> None:
    asked = one(service, "/busy")
    assert (asked.status, asked.turns) == (200, {"refused": 1})
    assert Service.asked["/busy"] == 2 and len(Service.keys - {None}) == 1 == len(Service.keys)


@pytest.mark.parametrize(
    ("path", "status", "code", "answered"),
    [("/verdict", 422, "NOT_AN_EYE", True), ("/broken", 500, "INTERNAL_ERROR", False)],
)
def test_a_verdict_is_an_answer_and_an_error_is_none(
    service: str, path: str, status: int, code: str, answered: bool
) -> None:
    asked = one(service, path)
    assert (asked.status, asked.code, asked.answered) == (status, code, answered)


def test_a_line_that_breaks_is_named_and_the_caller_goes_on(service: str) -> None:
    asked, _ = ask_all(service, "/gone", None, [b"1", b"2"], 1)
    assert [(one.status, one.code, one.answered) for one in asked] == [(0, "RemoteProtocolError", False)] * 2
    assert [one.turns for one in asked] == [{"broken": users.TRIES}] * 2


def test_an_answer_that_never_comes_is_given_up(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "LONGEST_S", 0.3)
    assert (one(service, "/never").code, one(service, "/never").answered) == (users.GIVEN_UP, False)


def test_callers_share_the_pictures_and_ask_side_by_side(service: str) -> None:
    asked, seconds = ask_all(service, "/verdict", None, [b"%d" % n for n in range(7)], 3)
    assert sorted(Counter(one.user for one in asked).values()) == [2, 2, 3]
    assert len(Service.keys) == 7 and seconds > 0


def test_the_command_measures_the_seeds_plain_api_with_its_real_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cat is no eye: the gate's verdict is what both its models' owners would answer."""
    (tmp_path / "cat.jpg").write_bytes(photos.cat())
    with services.plain("onnx") as plain:
        words = ["--url", plain.url, "--num_users", "2", "--requests_per_user", "2", "--warm-up", "1"]
        words += ["--image_path", str(tmp_path / "cat.jpg"), "--out", str(tmp_path / "out.json")]
        monkeypatch.setattr("sys.argv", ["load", *words])
        assert tool.main() == 0
        told = rounds.round_of(plain, [photos.cat()], 1)
    said, kept = json.loads(capsys.readouterr().out), figures.read(tmp_path / "out.json")
    assert said["rounds"][0]["codes"] == {"NOT_AN_EYE": 4} and said["rounds"][0]["requests"] == 4
    assert kept["versions"]["service"] == "plain onnx" and kept["pictures"] == "distinct" and kept["machine"]
    assert told["service_cpu_ms_per_request"] > 0 and told["ledger"] is None


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_ledger_has_a_scan_for_each_request_that_was_let_in_and_no_other() -> None:
    """More callers than places to wait: some are sent away, and come back."""
    with services.scanmill(rounds.DEFAULTS) as ours:
        told = rounds.round_of(ours, pictures(None, 24), 12)
    assert told["failures"] == {} and told["answered"] == 24
    assert told["ledger"] == {"accepted": 24, "unknown": 0, "scans": 24, "open": 0}
