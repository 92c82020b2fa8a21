"""Looking: pages, artifacts behind short-lived links, counts that add up."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa

from api.settings import ApiSettings
from tests.integration.api.harness import Api, make_api, problem
from tests.integration.api.pictures import jpeg

pytest_plugins = ("tests.integration.api.fixtures",)


def test_pages_come_newest_first_and_miss_nothing(api: Api) -> None:
    made = [api.scan(content=jpeg(shade=shade)) for shade in range(5)]
    seen, address = [], "/v1/scans?limit=2"
    while address:
        page = api.call("GET", address).json
        seen += [item["id"] for item in page["items"]]
        address = page["next_cursor"] and f"/v1/scans?limit=2&cursor={page['next_cursor']}"
    assert seen == made[::-1]


def test_pages_are_filtered(api: Api) -> None:
    finished = api.scan()
    api.work()
    queued = api.scan(content=jpeg(shade=1))
    for status, expected in (("queued", [queued]), ("succeeded", [finished]), ("failed", [])):
        page = api.call("GET", f"/v1/scans?status={status}&system=cat_face").json
        assert [item["id"] for item in page["items"]] == expected


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=x", "limit=", "limit=٣", "status=lost", "system=dog", "cursor=x", "colour=red"],
)
def test_a_page_of_nonsense_is_refused(api: Api, query: str) -> None:
    assert problem(api.call("GET", f"/v1/scans?{query}")) == (422, "INVALID_FIELD")


def test_a_foreign_cursor_shows_nothing(api: Api) -> None:
    foreign = api.scan("b")
    api.scan()
    assert api.call("GET", f"/v1/scans?cursor={foreign}").json["items"] == []


def test_a_look_may_wait_for_the_end(api: Api) -> None:
    scan_id = api.scan()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(api.call, "GET", f"/v1/scans/{scan_id}", headers={"Prefer": "wait=20"})
        time.sleep(0.2)
        assert not waiting.done()
        api.work()
        assert waiting.result().json["status"] == "succeeded"


def test_a_look_at_a_finished_scan_takes_no_place(api: Api) -> None:
    scan_id = api.scan()
    for _ in range(api.here.waits.most):
        api.here.waits.acquire()
    assert problem(api.call("GET", f"/v1/scans/{scan_id}", headers={"Prefer": "wait=5"})) == (503, "OVERLOADED")
    api.work()
    assert api.call("GET", f"/v1/scans/{scan_id}", headers={"Prefer": "wait=5"}).json["status"] == "succeeded"


def test_an_artifact_is_a_redirect_to_a_link_that_serves_its_bytes_as_a_download(api: Api) -> None:
    scan_id = api.scan()
    api.work(b"the preview")
    [artifact] = api.call("GET", f"/v1/scans/{scan_id}").json["artifacts"]
    assert artifact["name"] == "preview"
    redirect = api.call("GET", f"/v1/scans/{scan_id}/artifacts/preview")
    assert redirect.status_code == 302
    assert redirect.headers["Cache-Control"] == "private, no-store"
    file = api.call("GET", redirect.headers["Location"], None)
    assert file.get_data() == b"the preview"
    assert file.mimetype == "image/jpeg"
    assert file.headers["Content-Disposition"] == f"attachment; filename={scan_id}-preview.jpg"
    assert file.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in file.headers["Content-Security-Policy"]


def test_the_link_can_be_had_as_json(api: Api) -> None:
    scan_id = api.scan()
    api.work(b"the preview")
    link = api.call("GET", f"/v1/scans/{scan_id}/artifacts/preview?redirect=0").json
    assert (link["name"], link["size"], link["expires_in_s"]) == ("preview", 11, 300)
    parts = urlsplit(link["url"])
    assert parts.scheme == "http"
    assert api.call("GET", f"{parts.path}?{parts.query}", None).get_data() == b"the preview"


def test_links_use_the_public_address(api_environment: dict[str, str]) -> None:
    api = make_api(ApiSettings(public_url="https://scans.example/api/"))
    scan_id = api.scan()
    api.work()
    link = api.call("GET", f"/v1/scans/{scan_id}/artifacts/preview?redirect=0")
    assert link.json["url"].startswith("https://scans.example/api/v1/files/")
    assert link.headers["Strict-Transport-Security"]
    redirect = api.call("GET", f"/v1/scans/{scan_id}/artifacts/preview")
    assert redirect.headers["Location"].startswith("https://scans.example/api/v1/files/")
    assert api.submit(content=jpeg(shade=1)).headers["Location"].startswith("https://scans.example/api/v1/scans/")


@pytest.mark.parametrize("name", ["nothing", "../preview", "Preview", "%00", "preview%0d%0aX: y", "a" * 65])
def test_an_unknown_artifact_is_not_found(api: Api, name: str) -> None:
    scan_id = api.scan()
    api.work()
    assert problem(api.call("GET", f"/v1/scans/{scan_id}/artifacts/{name}")) == (404, "NOT_FOUND")


def test_an_expired_artifact_is_gone(api: Api) -> None:
    scan_id = api.scan()
    api.work()
    with api.here.database.begin() as connection:
        connection.execute(sa.text("UPDATE artifact SET expired_at = clock_timestamp()"))
    assert problem(api.call("GET", f"/v1/scans/{scan_id}/artifacts/preview")) == (410, "ARTIFACT_EXPIRED")


@pytest.mark.parametrize("damage", ["signature", "expires", "name", "type", "key", "none", "letters"])
def test_a_link_that_was_touched_opens_nothing(api: Api, damage: str) -> None:
    scan_id = api.scan()
    api.work()
    link = api.call("GET", f"/v1/scans/{scan_id}/artifacts/preview").headers["Location"]
    touched = {
        "signature": link[:-1] + ("0" if link[-1] != "0" else "1"),
        "expires": link.replace("expires=", "expires=1"),
        "name": link.replace("preview.jpg", "preview.html"),
        "type": link.replace("image%2Fjpeg", "text%2Fhtml"),
        "key": link.replace("/a/", "/b/"),
        "none": link.split("?")[0],
        "letters": link.split("&signature=")[0] + "&signature=%C3%A9",
    }[damage]
    assert touched != link
    assert problem(api.call("GET", touched, None)) == (404, "NOT_FOUND")


def test_a_link_dies_with_its_time(api_environment: dict[str, str]) -> None:
    api = make_api(ApiSettings(signed_url_s=1))
    scan_id = api.scan()
    api.work()
    link = api.call("GET", f"/v1/scans/{scan_id}/artifacts/preview").headers["Location"]
    assert api.call("GET", link, None).status_code == 200
    time.sleep(2)
    assert problem(api.call("GET", link, None)) == (404, "NOT_FOUND")


def test_counts_add_up(api: Api) -> None:
    api.scan()
    api.work()
    cancelled = api.scan(content=jpeg(shade=1))
    api.call("POST", f"/v1/scans/{cancelled}/cancel")
    api.scan(content=jpeg(shade=2))
    api.scan("b")
    counts = api.call("GET", "/v1/system").json["scans"]
    assert counts.pop("submitted") == sum(counts.values()) == 3
    assert {name: n for name, n in counts.items() if n} == {"succeeded": 1, "cancelled": 1, "queued": 1}


def test_pipelines_are_listed_with_their_switches(api: Api) -> None:
    [pipeline] = api.call("GET", "/v1/pipelines").json["items"]
    assert pipeline["system"] == "cat_face"
    assert {stage["name"]: stage["switch"] for stage in pipeline["stages"]}["render_preview"] == "generate_preview"
