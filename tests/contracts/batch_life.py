"""What every system can do with a batch, by the house's own calls and without a line of code of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.contracts.kennel import Kennel
from tests.stack import until


def lived(kennel: Kennel, pipeline: str, pictures: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """The lines of a batch of these pictures, after it was done again, compared and shown.

    Nothing has changed between the two, so no line may.
    """
    http = kennel.http
    batch = http.post("/v1/batches", json={"pipeline": pipeline}).raise_for_status().json()["id"]
    for name, content in pictures.items():
        form = {"custom_id": name}
        http.post(f"/v1/batches/{batch}/items", files={"file": (name, content)}, data=form).raise_for_status()
    http.post(f"/v1/batches/{batch}/finalise").raise_for_status()
    lines = _ended(kennel, batch)
    again = http.post(f"/v1/batches/{batch}/reprocess", json={}).raise_for_status().json()["id"]
    assert [line["report"] for line in _ended(kennel, again)] == [line["report"] for line in lines]
    found = http.get(f"/v1/batches/{batch}/diff/{again}").raise_for_status().json()
    assert (found["lines"], found["flips"], found["worst"]) == (len(pictures), 0, [])
    report = http.get(f"/v1/batches/{batch}/report").raise_for_status().text
    assert all(name in report for name in pictures)
    assert batch in http.get(f"/v1/batches/{batch}/diff/{again}/page").raise_for_status().text
    return lines


def _ended(kennel: Kennel, batch: str) -> list[dict[str, Any]]:
    address = f"/v1/batches/{batch}"
    until(lambda: bool(kennel.http.get(address).json()["finished_at"]), 90, kennel.stack.last_words)
    return [json.loads(line) for line in kennel.http.get(f"{address}/export").raise_for_status().text.splitlines()]
