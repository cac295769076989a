"""Lengths of time and bounds, as people write them and as people read them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.api.v1alpha1.durations import (
    format_elapsed,
    in_words,
    parse_bound,
    parse_duration,
    parse_elapsed,
)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("48h", timedelta(hours=48)),
        ("30m", timedelta(minutes=30)),
        ("7d", timedelta(days=7)),
        ("0s", timedelta(0)),
        ("90s", timedelta(seconds=90)),
        ("1h30m", timedelta(minutes=90)),
        ("1d2h3m4s", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("12.5s", timedelta(seconds=12.5)),
        ("0.000001s", timedelta(microseconds=1)),
        ("1h0.25s", timedelta(hours=1, milliseconds=250)),
    ],
)
def test_duration_is_read(text: str, length: timedelta) -> None:
    """Units each at most once, the largest first."""
    assert parse_duration(text) == length


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "5",
        "h",
        "1m1h",
        "1h1h",
        "-1h",
        "1.5h",
        "1w",
        "1 h",
        "1h ",
        "1h\n",
        "٣h",
        "1ms",
        "1e3s",
    ],
)
def test_anything_else_is_no_duration(text: str) -> None:
    """The message says what was found and what is expected."""
    with pytest.raises(ValueError, match="is not a duration: write 48h, 30m, 90s, 7d or 1h30m"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(0), "0s"),
        (timedelta(seconds=9), "9s"),
        (timedelta(seconds=60), "1m0s"),
        (timedelta(hours=1, minutes=42), "1h42m0s"),
        (timedelta(hours=48), "48h0m0s"),
        (timedelta(seconds=12.5), "12.5s"),
        (timedelta(hours=1, microseconds=1), "1h0m0.000001s"),
        (timedelta(minutes=1, seconds=2.25), "1m2.25s"),
        (timedelta(seconds=-1), "0s"),
    ],
)
def test_account_is_written_exactly(length: timedelta, text: str) -> None:
    """Down to the microsecond, never negative."""
    assert format_elapsed(length) == text


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=4000)))
def test_account_is_read_as_it_was_written(length: timedelta) -> None:
    """No microsecond is lost or gained."""
    assert parse_elapsed(format_elapsed(length)) == length


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(0), "0s"),
        (timedelta(seconds=-5), "0s"),
        (timedelta(microseconds=1), "1s"),
        (timedelta(seconds=9), "9s"),
        (timedelta(seconds=59.5), "1m"),
        (timedelta(seconds=60), "1m"),
        (timedelta(minutes=3, seconds=20), "3m20s"),
        (timedelta(minutes=59, seconds=59), "59m59s"),
        (timedelta(hours=1), "1h"),
        (timedelta(hours=45, minutes=59, seconds=30), "46h"),
        (timedelta(hours=1, minutes=5), "1h5m"),
        (timedelta(hours=71, minutes=59), "71h59m"),
        (timedelta(hours=71, minutes=59, seconds=1), "72h"),
        (timedelta(hours=72), "3d"),
        (timedelta(days=3, hours=2), "3d2h"),
        (timedelta(days=3, seconds=1), "3d1h"),
        (timedelta(days=6, hours=23, minutes=1), "7d"),
    ],
)
def test_words_are_rounded_up(length: timedelta, text: str) -> None:
    """Anyone who waits is not told less than there is."""
    assert in_words(length) == text


@pytest.mark.parametrize(
    ("bound", "value"),
    [
        (1, 1.0),
        (-3, -3.0),
        (0, 0.0),
        ("1", 1.0),
        ("0.001", 0.001),
        ("0.1%", 0.001),
        ("200%", 2.0),
        ("-5%", -0.05),
        ("-0.5", -0.5),
    ],
)
def test_bound_is_read(bound: int | str, value: float) -> None:
    """A percentage is that share of 1, exactly."""
    assert parse_bound(bound) == value


@pytest.mark.parametrize(
    "bound", ["", "%", "1e3", ".5", "1.", "+1", "1\x20%", "NaN", "inf", "1%%", "٣"]
)
def test_anything_else_is_no_bound(bound: str) -> None:
    """The message says what was found and what is expected."""
    with pytest.raises(ValueError, match="is not a bound: write 1"):
        parse_bound(bound)
