"""JSON as pydantic's reader and writer have it: what the standard library says of the same."""

import json
from typing import Any

import pytest

from surefoot.adapters.kubernetes.codec import decoded, encoded

HALF_OF_A_PAIR = "\ud83d"


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":2}',
        '{"number":123456789012345678901234567890,"small":1e-7}',
        f'{{"text":{json.dumps("→ ☕ " + HALF_OF_A_PAIR)}}}',
        "[" * 500 + "]" * 500,
        "null",
    ],
    ids=["twice", "numbers", "half-of-a-pair", "deep", "null"],
)
def test_texts_are_read_as_the_standard_library_reads_them(text: str) -> None:
    """A text that the quick reader refuses is not lost."""
    assert decoded(text.encode()) == json.loads(text)


@pytest.mark.parametrize("text", [b"", b"{", b"not JSON", b"\xff", b'{"a":1} more'])
def test_what_is_no_json_is_refused(text: bytes) -> None:
    """Both readers raise the same kind of error."""
    with pytest.raises(ValueError):  # noqa: PT011 - each text has words of its own
        decoded(text)


@pytest.mark.parametrize(
    "body",
    [
        {"text": "→ ☕", "number": 0.1, "none": None, "nested": {"list": [1, True]}},
        {"text": f"half {HALF_OF_A_PAIR}"},
    ],
    ids=["plain", "half-of-a-pair"],
)
def test_what_is_written_is_read_as_it_was(body: dict[str, Any]) -> None:
    """A text that the quick writer refuses keeps no status from being written."""
    assert json.loads(encoded(body)) == body
