"""The flagd document: anyone who was in stays in, as the SDK itself decides it."""

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.api.v1alpha1.cohorts import Match
from surefoot.domain.facts.snapshot import ConfigMap
from surefoot.domain.flag.config_map import adoption
from surefoot.domain.flag.formats.flagd import FLAGD_KEY, FlagdFormat, flagd_document
from surefoot.domain.flag.release import Circumstances, Whereabouts, release
from tests.support.flagd import KEYS, evaluator, is_in, who_is_in
from tests.support.world import START, World, a_rollout

FLAGD = {
    "configMapName": "memory-sync-flags",
    "flags": ["memory-sync", "hybrid-rag"],
    "format": "Flagd",
    "bucketingKey": "accountId",
}
OFF_IF = {"type": "array", "minItems": 3, "maxItems": 3}
WEIGHT = {"type": "integer", "minimum": 0, "maximum": 100}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["flags"],
    "additionalProperties": False,
    "properties": {
        "flags": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {
                "type": "object",
                "required": ["state", "variants", "defaultVariant"],
                "additionalProperties": False,
                "properties": {
                    "state": {"const": "ENABLED"},
                    "variants": {"const": {"on": True, "off": False}},
                    "defaultVariant": {"const": "off"},
                    "targeting": {"$ref": "#/$defs/rule"},
                },
            },
        }
    },
    "$defs": {
        "rule": {"oneOf": [{"$ref": "#/$defs/if"}, {"$ref": "#/$defs/fractional"}]},
        "if": {
            "type": "object",
            "required": ["if"],
            "additionalProperties": False,
            "properties": {
                "if": {
                    **OFF_IF,
                    "prefixItems": [
                        {"oneOf": [{"required": ["missing"]}, {"required": ["or"]}]},
                        {"const": "off"},
                        {"$ref": "#/$defs/rule"},
                    ],
                }
            },
        },
        "fractional": {
            "type": "object",
            "required": ["fractional"],
            "additionalProperties": False,
            "properties": {
                "fractional": {
                    **OFF_IF,
                    "prefixItems": [
                        {"required": ["cat"]},
                        {"prefixItems": [{"const": "on"}, WEIGHT]},
                        {"prefixItems": [{"const": "off"}, WEIGHT]},
                    ],
                }
            },
        },
    },
}
"""What we write of a flagd document, and nothing else of it."""

PAYMENTS = Match(attribute="workload", in_=("payments",))
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["accountId", "workload", "region"]),
    st.one_of(st.none(), st.sampled_from(["", "a", "b", "payments", "7"]), st.integers(0, 9)),
)
VALUES = st.lists(st.sampled_from(["a", "b", "payments", "7"]), unique=True).map(tuple)
MATCHES = st.builds(
    Match, attribute=st.sampled_from(["workload", "region"]), in_=VALUES, not_in=VALUES
).filter(lambda match: bool(match.in_ or match.not_in))


def test_document_is_the_contract() -> None:
    """The guard for a missing key, the flag's name and the key hashed, two weights of sum 100."""
    assert json.loads(flagd_document(["checkout-v2"], 10, "accountId")) == {
        "flags": {
            "checkout-v2": {
                "state": "ENABLED",
                "variants": {"on": True, "off": False},
                "defaultVariant": "off",
                "targeting": {
                    "if": [
                        {"missing": ["accountId"]},
                        "off",
                        {
                            "fractional": [
                                {"cat": [{"var": "$flagd.flagKey"}, {"var": "accountId"}]},
                                ["on", 10],
                                ["off", 90],
                            ]
                        },
                    ]
                },
            }
        }
    }


@given(percent=st.integers(0, 100), excluded=st.lists(MATCHES, max_size=4).map(tuple))
def test_every_document_is_of_the_shape(percent: int, excluded: tuple[Match, ...]) -> None:
    """Whole weights that add up to 100, variants in one order, three arguments to every `if`."""
    text = flagd_document(["a", "b"], percent, "accountId", excluded)
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(text))
    assert text == flagd_document(["a", "b"], percent, "accountId", excluded)
    for definition in json.loads(text)["flags"].values():
        weights = json.dumps(definition.get("targeting", ["on", percent]))
        assert f'["on", {percent}]' in weights
        assert percent == 0 or f'["off", {100 - percent}]' in weights


def test_each_step_lets_in_its_share_and_loses_nobody() -> None:
    """10,000 accounts, as the SDK decides; at 100% all of them are in."""
    before: set[str] = set()
    for percent in (0, 1, 10, 25, 50, 75, 99, 100):
        now = who_is_in(flagd_document(["checkout"], percent, "accountId"), "checkout", "accountId")
        assert before <= now
        assert abs(len(now) / len(KEYS) * 100 - percent) < 1.5
        before = now
    assert before == set(KEYS)


@given(
    low=st.integers(0, 100),
    high=st.integers(0, 100),
    excluded=st.lists(MATCHES, max_size=3),
    kept=st.integers(0, 3),
    who=ATTRIBUTES,
)
def test_raising_the_percentage_never_moves_anybody_out(
    low: int, high: int, excluded: list[Match], kept: int, who: dict[str, Any]
) -> None:
    """Whatever their attributes, and however many cohorts come in on the way."""
    low, high = sorted((low, high))
    below = evaluator(flagd_document(["f"], low, "accountId", tuple(excluded)))
    above = evaluator(flagd_document(["f"], high, "accountId", tuple(excluded[:kept])))
    assert not is_in(below, "f", **who) or is_in(above, "f", **who)


@pytest.mark.parametrize("context", [{}, {"accountId": ""}, {"accountId": None}])
def test_who_lacks_the_bucketing_key_is_off_at_every_percentage(context: dict[str, Any]) -> None:
    """Else they would share one bucket, and all come in at once."""
    for percent in (1, 50, 100):
        assert not is_in(evaluator(flagd_document(["f"], percent, "accountId")), "f", **context)


def test_targeting_key_of_the_sdk_buckets_by_default() -> None:
    """It is no attribute of the context, and is looked for like one."""
    document = flagd_document(["f"], 100, "targetingKey")
    assert is_in(evaluator(document), "f", "somebody")
    assert not is_in(evaluator(document), "f", accountId="somebody")


@pytest.mark.parametrize(
    ("match", "out", "not_out"),
    [
        (PAYMENTS, ["payments"], ["search", "Payments"]),
        (Match(attribute="workload", not_in=("batch",)), ["payments", "7"], ["batch"]),
        (Match(attribute="workload", in_=("7", "8"), not_in=("8",)), ["7", 7], ["8", 8, "x"]),
    ],
)
def test_excluded_cohort_is_off_with_whoever_lacks_the_attribute(
    match: Match, out: list[Any], not_out: list[Any]
) -> None:
    """Compared as text: a number that is meant is meant."""
    core = evaluator(flagd_document(["f"], 100, "accountId", (match,)))
    for value in (*out, None, ""):
        assert not is_in(core, "f", accountId="a", workload=value), value
    assert not is_in(core, "f", accountId="a")
    for value in not_out:
        assert is_in(core, "f", accountId="a", workload=value), value


def test_exclusion_moves_nobody_else() -> None:
    """Who is in beside the cohort is the same, with it and without."""
    without = flagd_document(["f"], 25, "accountId")
    with_it = flagd_document(["f"], 25, "accountId", (PAYMENTS,))
    assert who_is_in(with_it, "f", "accountId", workload="search") == who_is_in(
        without, "f", "accountId", workload="search"
    )


# In the ConfigMap.


def at_10(**spec: Any) -> World:
    """A rollout in flagd's format that stands at 10%."""
    world = World(a_rollout(target=FLAGD, hold={"soak": "90h"}, **spec))
    world.settle()
    return world


def document(world: World) -> str:
    """What the SDKs read now."""
    assert world.config_map is not None
    return world.config_map.data[FLAGD_KEY]


def test_document_is_beside_the_flags_own_keys() -> None:
    """One write has all flags, in both forms."""
    world = at_10()
    assert world.config_map is not None
    assert world.config_map.annotations["surefoot.dev/format"] == "Flagd"
    assert set(world.config_map.data) == {
        "memory-sync",
        "memory-sync.json",
        "hybrid-rag",
        "hybrid-rag.json",
        "flags.flagd.json",
    }
    assert document(world) == flagd_document(FLAGD["flags"], 10, "accountId")


def test_changed_document_is_drift_and_is_restored() -> None:
    """As any difference is."""
    world = at_10()
    before = document(world)
    world.tamper(**{FLAGD_KEY: "{}"})
    world.settle()
    assert document(world) == before
    assert 'flags.flagd.json is "{}"' in world.status.history[-1].message


def test_rollback_to_zero_turns_everybody_off() -> None:
    """Nobody is in, whatever their attributes."""
    world = at_10()
    world.edit(rollback={"to": 0})
    world.settle()
    assert document(world) == flagd_document(FLAGD["flags"], 0, "accountId")
    assert who_is_in(document(world), "memory-sync", "accountId") == set()


def offered(text: str | None) -> ConfigMap:
    """A ConfigMap at 10% that somebody wrote, with a document or without."""
    data = {"memory-sync": "10", "hybrid-rag": "10"} | ({} if text is None else {FLAGD_KEY: text})
    return ConfigMap(name="m", uid="u", resource_version="5", data=data)


def spelled(text: str) -> str:
    """The same document in another spelling, with what decides nothing."""
    return json.dumps(json.loads(text) | {"metadata": {"version": "1"}}, indent=2, sort_keys=True)


RIGHT = flagd_document(FLAGD["flags"], 10, "accountId")


@pytest.mark.parametrize("text", [None, RIGHT, spelled(RIGHT)])
def test_document_that_buckets_alike_is_adopted(text: str | None) -> None:
    """However it is spelled; where there is none yet, nobody reads it."""
    assert adoption(offered(text), a_rollout(target=FLAGD)).percent == 10


@pytest.mark.parametrize(
    "text",
    [
        RIGHT.replace("10", "11").replace("90", "89"),
        RIGHT.replace("accountId", "userId"),
        RIGHT.replace('"hybrid-rag"', '"hybrid"'),
        RIGHT.replace('["on",10],["off",90]', '["off",90],["on",10]'),
        RIGHT.replace('["on",10],["off",90]', '["on",1],["off",9]'),
        RIGHT.replace('["on",10]', '["on",10.0]'),
        RIGHT.replace('"cat":[', '"cat":["seed",'),
        RIGHT.replace('"missing":["accountId"]', '"missing":[]'),
        RIGHT.replace('"state":"ENABLED"', '"state":"DISABLED"'),
        RIGHT.replace('"on":true', '"on":1'),
        flagd_document(FLAGD["flags"], 10, "accountId", (PAYMENTS,)),
        "{}",
        "[]",
        "not json",
        "[" * 100_000,
    ],
)
def test_document_that_would_move_somebody_is_not_adopted(text: str) -> None:
    """Another order, sum, name, seed, key or guard: each moves somebody, or may."""
    assert text != RIGHT
    found = adoption(offered(text), a_rollout(target=FLAGD))
    assert (found.percent, found.reason) == (None, "AdoptedDocumentDiffers")
    assert "flags.flagd.json that may let in others than 10% of accountId" in found.message
    assert not FlagdFormat().same_audience(text, RIGHT)


def test_document_is_foreign_to_the_format_percentage() -> None:
    """A format that does not write it would leave it as it is forever."""
    assert adoption(offered(RIGHT), a_rollout()).reason == "AdoptedForeignKeys"


def test_adopted_document_shows_what_it_must_say() -> None:
    """So that it can be copied."""
    found = adoption(offered("{}"), a_rollout(target=FLAGD | {"flags": ["memory-sync"]}))
    assert found.reason == "AdoptedForeignKeys"
    only = ConfigMap("m", "u", "5", {"memory-sync": "10", FLAGD_KEY: "{}"})
    found = adoption(only, a_rollout(target=FLAGD | {"flags": ["memory-sync"]}))
    assert flagd_document(["memory-sync"], 10, "accountId") in found.message


def test_flags_of_a_deleted_rollout_are_off_in_the_document_too() -> None:
    """With `onDelete: Zero`; a later Rollout may adopt it as it is."""
    world = World(a_rollout(target=FLAGD | {"onDelete": "Zero"}, hold={"soak": "90h"}))
    world.settle()
    assert world.config_map is not None
    gone = Circumstances(Whereabouts.ABSENT, kinds_established=True, namespace_terminating=False)
    released = release(world.config_map, gone, START)
    assert released is not None
    assert who_is_in(released.data[FLAGD_KEY], "hybrid-rag", "accountId") == set()
    left = ConfigMap("m", "u", "6", released.data)
    assert adoption(left, a_rollout(target=FLAGD)).percent == 0
