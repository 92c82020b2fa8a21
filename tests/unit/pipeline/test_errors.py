"""The taxonomy: one code, one sentence, one status per way to go wrong."""

from __future__ import annotations

import re

import pytest

from pipeline import errors
from pipeline.contracts import RunState
from pipeline.errors import (
    PLAIN_CODES,
    InputError,
    OutsideError,
    RequestError,
    ScanmillError,
    ServiceError,
    Verdict,
    taxonomy,
)

FAMILIES = {RequestError, Verdict, InputError, OutsideError, ServiceError}
EVERY = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ScanmillError)]


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in EVERY]
    assert len(codes) == len(set(codes))
    assert taxonomy() == {kind.code: kind for kind in EVERY}
    assert not set(codes) & set(PLAIN_CODES), "a code that no exception carries is one that none could carry"


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.code)
def test_an_error_has_a_code_in_capitals_and_one_public_sentence(kind: type[ScanmillError]) -> None:
    assert re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*", kind.code)
    sentence = kind("what the log may know").public_message
    assert "__doc__" in vars(kind) and sentence == (kind.__doc__ or "").strip(), "its own sentence, on one line"
    assert sentence[0].isupper() and sentence.endswith(".") and len(sentence) <= 100
    assert "what the log may know" not in sentence


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.code)
def test_families_say_whose_fault_it_is(kind: type[ScanmillError]) -> None:
    if issubclass(kind, RequestError):
        assert 400 <= kind.status < 500 or (kind.status == 503 and kind.retryable)
    elif issubclass(kind, InputError):
        assert 400 <= kind.status < 500
        assert (kind.outcome, kind.retryable) == (RunState.REJECTED, False), "the picture's fault ends the scan"
    elif issubclass(kind, Verdict):
        assert (kind.status, kind.retryable) == (422, False)
        assert kind.outcome in (RunState.REJECTED, RunState.ABSTAINED, RunState.SKIPPED)
    elif issubclass(kind, OutsideError):
        assert (kind.status, kind.outcome) == (502, RunState.FAILED)
    elif issubclass(kind, ServiceError):
        assert (kind.status, kind.retryable, kind.outcome) == (503, True, RunState.FAILED), "ours: always tried again"
    else:
        assert (kind.status, kind.retryable, kind.outcome) == (500, False, RunState.FAILED)


def test_every_error_is_in_one_family_at_most_and_families_are_two_deep() -> None:
    for kind in EVERY:
        assert sum(issubclass(kind, family) for family in FAMILIES) <= 1
        assert len(kind.__mro__) <= len(ScanmillError.__mro__) + 2


@pytest.mark.parametrize(
    ("name", "code"),
    [("NotACat", "NOT_A_CAT"), ("UrlHttpStatus", "URL_HTTP_STATUS"), ("ImageTooManyPixels", "IMAGE_TOO_MANY_PIXELS")],
)
def test_a_code_is_its_class_name_in_capitals(name: str, code: str) -> None:
    assert getattr(errors, name).code == code
    assert ScanmillError.code == "INTERNAL_ERROR", "a bare error is our bug"


def test_a_verdict_keeps_the_numbers_behind_it_and_nobody_elses() -> None:
    numbers = {"probability": 0.1}
    verdict = errors.NotACat("too unsure", numbers)
    numbers["probability"] = 0.9
    assert verdict.data == {"probability": 0.1}
    assert errors.NotACat().data == {} == errors.CorruptImage().data


@pytest.mark.parametrize(("code", "sentence"), PLAIN_CODES.items())
def test_plain_codes_have_their_sentence(code: str, sentence: str) -> None:
    assert code == code.upper() and sentence[0].isupper() and sentence.endswith(".")
