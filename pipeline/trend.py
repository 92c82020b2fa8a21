"""The history of one asset: a point per picture, where its scores stop being comparable, and where they first crossed.

Stdlib only. Scores are distances from a memory of normal pictures, so they are compared within one version of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

Json = dict[str, Any]


def history(scans: Iterable[Mapping[str, Any]]) -> Json:
    """``{points, segments, first_crossing}`` of scans as ``db.assets.scans`` tells them, in any order.

    A picture that was scanned again, or retried, is one point: its newest answer, when the picture was taken or else first
    came. ``break`` marks a point by another version of the memory than the answer before; ``segments`` are the stretches
    between, and a crossing is the first point of one that reaches its threshold.
    """
    pictures: dict[object, list[Mapping[str, Any]]] = {}
    by_id = {scan["scan_id"]: scan for scan in scans}
    for scan in by_id.values():
        pictures.setdefault(_picture(scan, by_id), []).append(scan)
    points = sorted((_point(each) for each in pictures.values()), key=lambda point: (point["at"], point["scan_id"]))
    _mark_breaks(points)
    answers = [point for point in points if point["score"] is not None]
    segments = [_segment(list(each)) for _, each in groupby(answers, key=lambda point: point["memory"]["digest"])]
    crossed = [segment["first_crossing"] for segment in segments if segment["first_crossing"]]
    return {"points": points, "segments": segments, "first_crossing": crossed[0] if crossed else None}


def _picture(scan: Mapping[str, Any], by_id: Mapping[str, Mapping[str, Any]]) -> object:
    """What scans of the same picture have in common."""
    if scan["picture"]:
        return scan["picture"], scan["taken_at"]
    while scan["retry_of"] in by_id:
        scan = by_id[scan["retry_of"]]
    return scan["scan_id"]


def _point(scans: Sequence[Mapping[str, Any]]) -> Json:
    newest = max(scans, key=lambda scan: (bool(scan["anomaly"]), scan["created_at"], scan["scan_id"]))
    found, warm = newest["anomaly"], newest["temperatures"] or {}
    model = newest["model"] if found else None
    return {
        "at": (newest["taken_at"] or min(scan["created_at"] for scan in scans)).isoformat(),
        "scan_id": newest["scan_id"],
        "filename": newest["filename"],
        "status": newest["status"],
        "code": newest["code"],
        "score": found["score"] if found else None,
        "classification": found["band"] if found else None,
        "threshold": found["threshold"] if found else None,
        "is_anomalous": found["is_anomalous"] if found else None,
        "memory": {"version": model["version"], "digest": model["digest"]} if model else None,
        "break": False,
        "max_c": warm.get("max"),
        "emissivity": warm.get("emissivity"),
    }


def _mark_breaks(points: Sequence[Json]) -> None:
    before = None
    for point in points:
        if point["memory"] is not None:
            point["break"] = before not in (None, point["memory"]["digest"])
            before = point["memory"]["digest"]


def _segment(points: Sequence[Json]) -> Json:
    crossing = next((point for point in points if point["is_anomalous"]), None)
    told = ("at", "scan_id", "score", "threshold")
    return {
        "memory": points[0]["memory"],
        "from": points[0]["at"],
        "to": points[-1]["at"],
        "points": len(points),
        "first_crossing": {key: crossing[key] for key in told} if crossing else None,
    }
