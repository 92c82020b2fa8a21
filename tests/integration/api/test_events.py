"""The event stream: in order, without gaps, resumable, bounded."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from api.settings import ApiSettings
from tests.integration.api.harness import Api, make_api, problem
from tests.integration.api.pictures import jpeg

pytest_plugins = ("tests.integration.api.fixtures",)


def frames(text: str) -> list[dict[str, Any]]:
    """Events of a stream: id, event, data."""
    made = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            made.append({"id": int(fields["id"]), "event": fields["event"], "data": json.loads(fields["data"])})
    return made


def follow(api: Api, scan_id: str, **options: Any) -> list[dict[str, Any]]:
    response = api.call("GET", f"/v1/scans/{scan_id}/events", **options)
    assert response.mimetype == "text/event-stream"
    return frames(response.get_data(as_text=True))


def test_a_finished_scan_is_told_from_its_first_event_to_its_last(api: Api) -> None:
    scan_id = api.scan()
    api.work()
    told = follow(api, scan_id)
    assert [event["id"] for event in told] == list(range(1, len(told) + 1))
    assert [e["data"]["status"] for e in told if e["event"] == "status"] == ["queued", "running", "succeeded"]
    assert told[-1]["event"] == "status"
    assert all(event["data"]["at"] for event in told)


@pytest.mark.parametrize("how", ["header", "query"])
def test_a_stream_goes_on_where_it_broke_off(api: Api, how: str) -> None:
    scan_id = api.scan()
    api.work()
    everything = follow(api, scan_id)
    if how == "header":
        rest = follow(api, scan_id, headers={"Last-Event-ID": "2"})
    else:
        rest = frames(api.call("GET", f"/v1/scans/{scan_id}/events?after=2").get_data(as_text=True))
    assert rest == everything[2:]


def test_a_stream_waits_for_what_has_yet_to_happen_and_ends_with_the_scan(api: Api) -> None:
    scan_id = api.scan()
    with ThreadPoolExecutor() as pool:
        following = pool.submit(follow, api, scan_id)
        time.sleep(0.5)
        assert not following.done()
        api.work()
        told = following.result(30)
    assert told[-1]["data"]["status"] == "succeeded"
    assert [event["id"] for event in told] == list(range(1, len(told) + 1))


def test_after_the_last_event_there_is_nothing_more(api: Api) -> None:
    scan_id = api.scan()
    api.work()
    last = follow(api, scan_id)[-1]["id"]
    assert api.call("GET", f"/v1/scans/{scan_id}/events", headers={"Last-Event-ID": str(last)}).status_code == 204


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "1" * 10, "٣"])
def test_an_event_id_of_nonsense_is_refused(api: Api, after: str) -> None:
    assert problem(api.call("GET", f"/v1/scans/{api.scan()}/events", query_string={"after": after})) == (
        422,
        "INVALID_FIELD",
    )


def test_streams_are_bounded_and_give_their_place_back(api: Api) -> None:
    scan_id = api.scan()
    client = api.app.test_client()
    address, headers = f"/v1/scans/{scan_id}/events", {"Authorization": f"Bearer {api.tokens['a']}"}
    held = [client.get(address, headers=headers, buffered=False) for _ in range(api.here.streams.most)]
    refused = api.call("GET", address)
    assert problem(refused) == (503, "OVERLOADED")
    assert refused.headers["Retry-After"]
    assert api.call("GET", f"/v1/scans/{scan_id}").status_code == 200
    for stream in held:
        stream.close()
    api.work()
    assert follow(api, scan_id)[-1]["data"]["status"] == "succeeded"


def test_a_head_request_takes_no_place(api: Api) -> None:
    scan_id = api.scan()
    for _ in range(api.here.streams.most + 1):
        assert api.call("HEAD", f"/v1/scans/{scan_id}/events").status_code == 200


def test_a_silent_stream_says_that_it_is_there_and_ends_after_its_time(api_environment: dict[str, str]) -> None:
    api = make_api(ApiSettings(heartbeat_s=0.2, stream_s=1.0))
    text = api.call("GET", f"/v1/scans/{api.scan()}/events").get_data(as_text=True)
    assert text.count(": still here") >= 2
    assert [event["event"] for event in frames(text)] == ["status"]


def test_a_stopping_server_ends_its_streams_and_waits(api: Api) -> None:
    scan_id = api.scan()
    with ThreadPoolExecutor() as pool:
        stream = pool.submit(follow, api, scan_id)
        wait = pool.submit(api.call, "GET", f"/v1/scans/{scan_id}", headers={"Prefer": "wait=30"})
        submit = pool.submit(api.submit, content=jpeg(shade=1), headers={"Prefer": "wait=30"})
        time.sleep(0.4)
        api.here.stopping.set()
        assert stream.result(15)
        assert wait.result(15).json["status"] == "queued"
        assert submit.result(15).status_code == 202
