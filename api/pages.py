"""The few pages a browser gets: what this is, and the API to read. No script, nothing from elsewhere."""

from __future__ import annotations

from pathlib import Path

from flask import Response, jsonify, render_template

from api.services import services
from api.system import version
from pipeline.errors import PLAIN_CODES, taxonomy

STYLE = (Path(__file__).parent / "assets" / "style.css").read_bytes()


def openapi() -> Response:
    """This document: made from the same table as the routes."""
    return jsonify(services().openapi)


def home() -> Response:
    """A page that says what this is."""
    return _page("home.html")


def docs() -> Response:
    """The API to read: every operation, shape and error code."""
    codes = [
        {"code": code, "status": error.status, "message": (error.__doc__ or "").splitlines()[0]}
        for code, error in sorted(taxonomy().items())
    ]
    codes += [{"code": code, "status": "", "message": message} for code, message in sorted(PLAIN_CODES.items())]
    return _page("docs.html", api=services().openapi, codes=codes)


def style() -> Response:
    """The pages' style sheet."""
    response = Response(STYLE, mimetype="text/css")
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response


def _page(template: str, **values: object) -> Response:
    return Response(render_template(template, version=version(), **values), mimetype="text/html")
