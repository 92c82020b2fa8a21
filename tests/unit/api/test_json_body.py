from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.json_body import MOST_DEPTH, parse_object, text_fits
from api.problems import Refused
from pipeline.errors import InvalidField, InvalidJson


def test_an_object_is_read_as_it_stands() -> None:
    assert parse_object('{"a": [1, 2.5, true, null, "ö"]}') == {"a": [1, 2.5, True, None, "ö"]}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        "3",
        '"text"',
        '{"a": 1, "a": 2}',
        '{"a": {"b": 1, "b": 1}}',
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"a": -Infinity}',
        '{"a":' + "[" * 1_000 + "]" * 1_000 + "}",
        '{"a":' + "[" * 100_000,
        '{"a":' + "[" * MOST_DEPTH + "]" * MOST_DEPTH + "}",
        b'{"a": "\xff"}',
        '{"a": "line\nbreak"}',
        '{"a": 1} trailing',
    ],
)
def test_what_is_no_plain_object_is_refused(text: str | bytes) -> None:
    with pytest.raises(InvalidJson):
        parse_object(text)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('{"a": 1' + "0" * 400 + "}", "body"),
        ('{"a": "\\ud800"}', "a"),
        ('{"a": ["\\udfff"]}', "a"),
        ('{"a": "\\u0000"}', "a"),
        ('{"\\ud800": 1}', "body"),
        ('{"a": {"b": "\\u001b[31m"}}', "a"),
    ],
)
def test_what_a_column_cannot_hold_is_an_invalid_field(text: str, field: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_object(text)
    assert isinstance(refused.value.error, InvalidField)
    assert list(refused.value.fields) == [field]


def test_the_deepest_object_allowed_is_read() -> None:
    text = '{"a":' * (MOST_DEPTH - 1) + "1" + "}" * (MOST_DEPTH - 1)
    assert parse_object(text)


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), _JSON))
def test_what_is_read_is_what_was_written_and_fits_a_column(value: dict[str, object]) -> None:
    try:
        read = parse_object(json.dumps(value))
    except Refused:
        assert not _all_text_fits(value)
    except InvalidJson:
        assert json.dumps(value).count("[") + json.dumps(value).count("{") > MOST_DEPTH
    else:
        assert read == value
        json.dumps(read, ensure_ascii=False).encode()


def _all_text_fits(value: object) -> bool:
    if isinstance(value, dict):
        return all(text_fits(key) and _all_text_fits(item) for key, item in value.items())
    if isinstance(value, list):
        return all(_all_text_fits(item) for item in value)
    return not isinstance(value, str) or text_fits(value)
