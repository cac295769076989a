"""What holds for every format of the registry. Anyone who adds one adds its line there, no test."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.api.v1alpha1.cohorts import Match
from surefoot.api.v1alpha1.rollout import RESERVED_KEYS, FlagFormat
from surefoot.domain.checks.table import plan_faults
from surefoot.domain.facts.snapshot import ConfigMap
from surefoot.domain.flag.config_map import adoption
from surefoot.domain.flag.formats.flagd import FLAGD_KEY
from surefoot.domain.flag.formats.interface import FlagState, Format
from surefoot.domain.flag.formats.percentage import document_key
from surefoot.domain.flag.formats.registry import BASE, FORMATS, other_audience, render, zero
from tests.support.flagd import evaluator, is_in
from tests.support.world import START, World, a_rollout

FLAGS = ("memory-sync", "hybrid-rag")
LATER = START + timedelta(hours=1)
EVERY_FORMAT = pytest.mark.parametrize("format_", FORMATS.values(), ids=lambda each: each.name)
EVERY_NAME = pytest.mark.parametrize("name", FORMATS)
PAYMENTS = Match(attribute="workload", in_=("payments",))
EVERYBODY_IN = json.dumps(
    {
        "flags": {
            "stray": {
                "state": "ENABLED",
                "variants": {"on": True, "off": False},
                "defaultVariant": "on",
            }
        }
    }
)


def a_state(percent: int = 25, flags: tuple[str, ...] = FLAGS, **changes: Any) -> FlagState:
    """A state as a transition writes it."""
    facts: dict[str, Any] = {
        "bucketing_key": "accountId",
        "excluded": (),
        "step": 1,
        "transition_id": "1f0e",
        "written_at": START,
    }
    return FlagState(flags=flags, percent=percent, **facts | changes)


def lets_in(data: dict[str, str], flag: str) -> bool:
    """Whether anybody is in by any key, as programs read each of them."""
    try:
        if float(data.get(flag, "0")) != 0:
            return True
    except ValueError:
        pass
    try:
        document = json.loads(data.get(document_key(flag), "{}"))
    except ValueError:
        document = {}
    if isinstance(document, dict) and document.get("percent", 0) != 0:
        return True
    text = data.get(FLAGD_KEY)
    if text is None or flag not in json.loads(text)["flags"]:
        return False
    core = evaluator(text)
    context = {"accountId": "a", "targetingKey": "a", "workload": "search"}
    return any(is_in(core, flag, key, **context) for key in ("a", "b", None))


@EVERY_NAME
def test_rendering_is_deterministic_and_complete(name: FlagFormat) -> None:
    """The same state makes the same bytes, and every format has what `Percentage` writes."""
    assert render(name, a_state()) == render(name, a_state())
    assert render(name, a_state()).items() >= BASE.render(a_state()).items()
    assert all(lets_in(render(name, a_state(100)), flag) for flag in FLAGS)
    assert not any(lets_in(render(name, a_state(0)), flag) for flag in FLAGS)


@EVERY_FORMAT
def test_keys_of_a_format_are_reserved(format_: Format) -> None:
    """No flag may be called like a document that is for all flags at once."""
    own = set(format_.render(a_state())) - set(BASE.render(a_state()))
    assert own <= set(RESERVED_KEYS)


@EVERY_FORMAT
@given(percent=st.integers(0, 100), flags=st.integers(1, 40))
def test_zero_turns_everybody_off(format_: Format, percent: int, flags: int) -> None:
    """The data of any step, with one flag or with many, says 0 as soon as it is released."""
    state = a_state(percent, tuple(f"flag-{number}" for number in range(flags)))
    data = render(format_.name, state)
    off = zero(data, LATER)
    assert set(off) == set(data)
    assert not any(lets_in(off, flag) for flag in state.flags)
    assert off == render_of_zero(format_, state)


def render_of_zero(format_: Format, state: FlagState) -> dict[str, str]:
    """What a rollback to 0 would have written, but for the transition that there was none of."""
    at_zero = a_state(0, state.flags, written_at=LATER, bucketing_key="")
    data = render(format_.name, at_zero)
    data |= {
        document_key(flag): json.dumps(
            {"percent": 0, "since": LATER.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}, separators=(",", ":")
        )
        for flag in state.flags
    }
    if FLAGD_KEY in data:  # the order of the flags decides nothing
        flags = json.loads(data[FLAGD_KEY])["flags"]
        ordered = {flag: flags[flag] for flag in sorted(flags)}
        data[FLAGD_KEY] = json.dumps({"flags": ordered}, separators=(",", ":"))
    return data


TAMPERED: dict[str, dict[str, str | None]] = {
    "another number": {FLAGS[0]: "100"},
    "words": {FLAGS[0]: "ON"},
    "a number with spaces": {FLAGS[0]: " 1e2 "},
    "a number too large": {FLAGS[0]: "9" * 5000},
    "another document": {document_key(FLAGS[0]): '{"percent":100}'},
    "a document twice": {document_key(FLAGS[0]): '{"percent":0,"percent":100}'},
    "no document": {document_key(FLAGS[0]): None},
    "no number": {FLAGS[0]: None},
    "neither": {FLAGS[0]: None, document_key(FLAGS[0]): None},
    "not JSON": {document_key(FLAGS[0]): "not json", FLAGD_KEY: "not json"},
    "JSON of no shape": {document_key(FLAGS[0]): "[]", FLAGD_KEY: '{"flags":["x"]}'},
    "JSON too deep": {document_key(FLAGS[0]): "[" * 90_000, FLAGD_KEY: "[" * 90_000},
    "a stray number": {"stray": "100"},
    "a stray document": {"stray.json": '{"percent":100}'},
    "a stray definition": {FLAGD_KEY: EVERYBODY_IN, "stray": "yes"},
    "names that are no keys": {FLAGD_KEY: EVERYBODY_IN.replace("stray", "a b/c")},
    "the stem of a document": {"flags.flagd": "100", FLAGD_KEY: EVERYBODY_IN},
    "a million definitions": {
        FLAGD_KEY: json.dumps({"flags": {f"{number}": {} for number in range(50_000)}})
    },
    "the keys of every format": {FLAGD_KEY: EVERYBODY_IN},
}


@EVERY_FORMAT
@pytest.mark.parametrize("how", TAMPERED)
def test_zero_turns_everybody_off_whatever_somebody_wrote(format_: Format, how: str) -> None:
    """Also in documents of another format, and within what a ConfigMap has room for."""
    data = {
        key: value
        for key, value in {**render(format_.name, a_state()), **TAMPERED[how]}.items()
        if value is not None
    }
    off = zero(data, LATER)
    assert set(off) == set(data)
    for flag in (*FLAGS, "stray", "a b/c"):
        assert not lets_in(off, flag), flag
    assert sum(len(key) + len(value) for key, value in off.items()) < 1024 * 1024


@given(
    data=st.dictionaries(
        st.sampled_from([*FLAGS, *map(document_key, FLAGS), FLAGD_KEY, "stray", "stray.json"]),
        st.one_of(
            st.sampled_from(["0", "25", "100", EVERYBODY_IN, '{"percent":50}', "", "nan"]),
            st.text('aN01 .:{}[]"', max_size=20),
        ),
    )
)
def test_zero_holds_for_any_data(data: dict[str, str]) -> None:
    """Nothing that is there raises an error, and nothing lets anybody in afterwards."""
    off = zero(data, LATER)
    assert not any(lets_in(off, flag) for flag in (*FLAGS, "stray"))
    assert zero(off, LATER) == off


def test_what_is_no_flag_is_left_alone() -> None:
    """Text of somebody else's that no program reads as a flag."""
    data = render(FlagFormat.PERCENTAGE, a_state()) | {"README": "ask atlas", "x.json": '{"a":1}'}
    off = zero(data, LATER)
    assert (off["README"], off["x.json"]) == ("ask atlas", '{"a":1}')


@EVERY_FORMAT
def test_documents_of_the_same_audience_are_adopted(format_: Format) -> None:
    """Whatever they say of the transition that wrote them, and however they are spelled."""
    state = a_state()
    other_words = render(format_.name, a_state(step=0, transition_id="other", written_at=LATER))
    spelled = {
        key: json.dumps(json.loads(value), indent=2) if key.endswith(".json") else value
        for key, value in other_words.items()
    }
    assert other_audience(format_.name, state, other_words) is None
    assert other_audience(format_.name, state, spelled) is None
    assert other_audience(format_.name, state, {}) is None


@EVERY_FORMAT
@pytest.mark.parametrize(
    ("what", "other"),
    [
        ("percent", a_state(26)),
        ("flags", a_state(flags=(FLAGS[0], "other"))),
        ("bucketing key", a_state(bucketing_key="userId")),
        ("cohorts", a_state(excluded=(PAYMENTS,))),
    ],
)
def test_document_that_buckets_differently_is_refused(
    format_: Format, what: str, other: FlagState
) -> None:
    """Everything that decides who is in is compared, as far as the format writes it at all."""
    state = a_state()
    mine, theirs = format_.render(state), format_.render(other)
    differing = {key for key in mine.keys() & theirs.keys() if mine[key] != theirs[key]}
    for key in differing:
        assert not format_.same_audience(theirs[key], mine[key])
    if differing:
        said = other_audience(format_.name, state, render(format_.name, state) | theirs)
        assert said is not None
        assert said.split()[0] in differing
    if format_.has_attributes:
        assert mine != theirs, f"{format_.name} does not write {what}"


@EVERY_FORMAT
@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", "not json", "[" * 90_000, '{"percent":25,"percent":25}']
)
def test_document_that_cannot_be_read_is_refused(format_: Format, text: str) -> None:
    """In doubt it lets in others, so it is never adopted."""
    for key, expected in format_.render(a_state()).items():
        if key.endswith(".json"):
            assert not format_.same_audience(text, expected)


@EVERY_FORMAT
def test_adoption_asks_the_format(format_: Format) -> None:
    """A ConfigMap whose documents say another percentage than its flags is refused."""
    target = {
        "configMapName": "m",
        "flags": list(FLAGS),
        "format": format_.name.value,
        "bucketingKey": "accountId",
    }
    rollout = a_rollout(target=target)
    right = render(format_.name, a_state(10))
    assert adoption(ConfigMap("m", "u", "5", right), rollout).percent == 10
    wrong = render(format_.name, a_state(50)) | dict.fromkeys(FLAGS, "10")
    assert adoption(ConfigMap("m", "u", "5", wrong), rollout).reason == "AdoptedDocumentDiffers"


def faults(format_: FlagFormat, **spec: Any) -> set[str]:
    """Why a plan in this format is invalid."""
    target = {"configMapName": "m", "flags": list(FLAGS), "format": format_.value}
    world = World(a_rollout(target=target, **spec))
    return {fault.reason for fault in plan_faults(world.snapshot())}


@EVERY_FORMAT
def test_cohorts_are_refused_where_there_are_no_attributes(format_: Format) -> None:
    """They could not be kept off."""
    cohorts = [{"name": "payments", "match": PAYMENTS.to_wire(), "from": 50}]
    refused = faults(format_.name, cohorts=cohorts)
    assert refused == (set() if format_.has_attributes else {"CohortsNeedAttributes"})


@pytest.mark.parametrize("name", FlagFormat)
def test_formats_without_a_module_are_refused(name: FlagFormat) -> None:
    """The API has them, and no rollout in them ever starts."""
    assert faults(name) == (set() if name in FORMATS else {"NotSupported"})


def test_formats_that_are_built_are_those_of_the_documentation() -> None:
    """A format that leaves the registry is noticed here."""
    assert set(FORMATS) == {FlagFormat.PERCENTAGE, FlagFormat.FLAGD}
