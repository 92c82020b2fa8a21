"""Exit codes that scripts rely on, and one clear line for every end."""

from __future__ import annotations

import json

import pytest
import typer
from pydantic import ValidationError

from cli import output
from cli.client_errors import ApiError, Unreachable
from cli.output import Exit
from cli.processes import ProcessError
from db.settings import DatabaseSettings
from pipeline.contracts import ScanStatus
from pipeline.errors import StorageUnavailable


def test_the_codes_are_the_readme_s() -> None:
    assert {end.name: end.value for end in Exit} == {
        "OK": 0,
        "FAILED": 1,
        "USAGE": 2,
        "NOT_ANSWERED": 3,
        "UNREACHABLE": 4,
        "NOT_ALLOWED": 5,
        "INTERRUPTED": 130,
    }


@pytest.mark.parametrize(
    ("status", "code"),
    [("queued", 0), ("running", 0), ("succeeded", 0), ("failed", 1), ("partial", 3), ("rejected", 3), ("cancelled", 3)],
)
def test_every_status_of_a_scan_has_its_code(status: str, code: int) -> None:
    assert output.of_scan(status) == code


def test_no_status_is_forgotten() -> None:
    assert {output.of_scan(status) for status in ScanStatus} == {Exit.OK, Exit.FAILED, Exit.NOT_ANSWERED}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ApiError("UNSUPPORTED_FORMAT", 415, ""), 3),
        (ApiError("UNAUTHENTICATED", 401, ""), 5),
        (ApiError("FORBIDDEN_SCOPE", 403, ""), 5),
        (ApiError("OVERLOADED", 503, ""), 4),
        (ApiError("INTERNAL_ERROR", 500, ""), 1),
        (Unreachable("nobody"), 4),
        (ProcessError("postgres ended"), 1),
        (StorageUnavailable("away"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_every_error_has_its_code_and_a_line_of_json(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended, output.exits(as_json=True):
        raise error
    assert ended.value.exit_code == code
    said = json.loads(capsys.readouterr().out)
    assert said["exit_code"] == code and said["error"]


def test_a_missing_setting_is_named_by_its_variable() -> None:
    with pytest.raises(ValidationError) as missing:
        DatabaseSettings()
    assert output.settings_message(missing.value) == "settings: SCANMILL_DATABASE_URL is not set"


def test_a_wrong_setting_is_named_but_its_value_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANMILL_DATABASE_URL", "postgresql://u:secret@h/d")
    monkeypatch.setenv("SCANMILL_DB_POOL_SIZE", "secret")
    with pytest.raises(ValidationError) as wrong:
        DatabaseSettings()
    said = output.settings_message(wrong.value)
    assert "SCANMILL_DB_POOL_SIZE" in said and "secret" not in said
