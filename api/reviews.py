"""What is worth a person's look, as a list and as a page: open alerts, doubtful scans, pictures from then and now."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Response, jsonify, request

from api import review_page
from api.auth import principal
from api.drift import LONGEST_SOURCE, alert_of, shown
from api.fields import asked, page_size, system_of, text_of
from api.links import Links
from api.replies import address
from api.services import services
from db import corrections, drift_alerts, drift_days, reviews
from db.drift_alerts import AlertRow
from db.session import Connection
from pipeline.contracts import System
from pipeline.drift import ALL, Window, added
from pipeline.errors import NotFound

PICTURES = ("preview", "canonical")
"""The first of these that a scan has is shown."""
EXAMPLES, ON_PAGE = 6, 24


@dataclass(frozen=True, slots=True)
class _Review:
    """What is looked at: the days of an alert, or the newest ones."""

    system: System
    source: str
    reference: Window
    recent: Window
    alerts: list[AlertRow]


def list_reviews() -> Response:
    """Scans of the newest days, or of an alert's, the most doubtful first: uncertainty times disagreement.

    A scan that only one model answered has disagreement 0 and the small weight 0.1. Each is listed with its picture's address
    and with what people have said of it.
    """
    asked({"pipeline", "alert", "source", "limit"})
    limit = page_size()
    with services().database.begin() as connection:
        review = _asked(connection)
        items = _items(connection, review, limit)
    told = {"pipeline": review.system, "source": review.source, "alerts": [shown(alert) for alert in review.alerts]}
    window = {"since": review.recent.since.isoformat(), "until": review.recent.until.isoformat()}
    return jsonify({**told, **window, "items": items})


def get_review_page() -> Response:
    """The same to look at: one HTML page without script, with pictures of the reference beside those of lately."""
    asked({"pipeline", "alert", "source"})
    here, tenant = services(), principal().tenant_id
    with here.database.begin() as connection:
        review = _asked(connection)
        items = _items(connection, review, ON_PAGE)
        sides = [
            reviews.examples(connection, tenant, review.system, window, review.source, EXAMPLES)
            for window in (review.reference, review.recent)
        ]
        counts = {alert.id: _counts(connection, alert) for alert in review.alerts}
    links = Links(here, [*sides[0], *sides[1], *(item["scan_id"] for item in items)])
    page = review_page.Review(
        system=review.system,
        source=review.source,
        windows=(review.reference, review.recent),
        alerts=[review_page.card(shown(alert), *counts[alert.id]) for alert in review.alerts],
        then=[(scan, _picture(links, scan)) for scan in sides[0]],
        now=[(scan, _picture(links, scan)) for scan in sides[1]],
        looks=[review_page.look(item, _picture(links, item["scan_id"])) for item in items],
    )
    response = Response(review_page.write(page), mimetype="text/html")
    response.headers["Content-Security-Policy"] = review_page.policy(links.made)
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _asked(connection: Connection) -> _Review:
    """Raises NotFound for an alert that is not the caller's, or of another pipeline."""
    here, tenant, wanted = services(), principal().tenant_id, request.args.get("alert")
    if wanted is not None:
        alert = alert_of(wanted)
        if request.args.get("pipeline", alert.system) != alert.system:
            raise NotFound
        reference, recent = Window(alert.reference_since, alert.reference_until), Window(alert.since, alert.until)
        return _Review(System(alert.system), alert.source, reference, recent, [alert])
    system = system_of(request.args.get("pipeline"))
    plan = here.drift.plan(drift_days.counted_until(connection, tenant) or datetime.now(UTC).date())
    source = text_of(request.args.get("source", ALL), "source", LONGEST_SOURCE)
    alerts = [each for each in drift_alerts.listing(connection, tenant, system) if source in (ALL, each.source)]
    return _Review(system, source, plan.reference, plan.recent, alerts)


def _items(connection: Connection, review: _Review, limit: int) -> list[dict[str, Any]]:
    tenant = principal().tenant_id
    looks = reviews.listing(connection, tenant, review.system, review.recent, review.source, limit)
    ids = [look.scan_id for look in looks]
    there = reviews.scans(connection, tenant, ids)
    said = corrections.of_scans(connection, tenant, ids)
    return [
        {
            "scan_id": look.scan_id,
            "day": look.day.isoformat(),
            "source": look.source,
            "uncertainty": look.uncertainty,
            "disagreement": look.disagreement,
            "score": look.score,
            **there[look.scan_id],
            "picture_url": address(f"/v1/scans/{look.scan_id}/artifacts/canonical", absolute=True),
            "corrections": [asdict(each) for each in said.get(look.scan_id, [])],
        }
        for look in looks
    ]


def _counts(connection: Connection, alert: AlertRow) -> tuple[dict[str, int], dict[str, int]]:
    """What was counted of the alert's measure, in the reference and lately."""
    windows = Window(alert.reference_since, alert.reference_until), Window(alert.since, alert.until)
    tenant, source = principal().tenant_id, None if alert.source == ALL else alert.source
    before, after = (
        dict(added(drift_days.days(connection, tenant, alert.system, [window], source))[alert.measure])
        for window in windows
    )
    return before, after


def _picture(links: Links, scan: str) -> str | None:
    return next((link for name in PICTURES if (link := links.of(scan, name, 0))), None)
