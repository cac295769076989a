"""What an edit costs, and what an adoption needs."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from surefoot.cli.main import app
from surefoot.plugin.planning import costs, differences, plan_to_adopt
from surefoot.plugin.session import Declined, path_of
from tests.unit.plugin.things import GO_BY_HUDSON, NOW, metadata, raw_approval, raw_rollout, rollout

PLAIN = b"apiVersion: surefoot.dev/v1alpha1\nkind: Rollout\nmetadata: {name: x}\n"
BOMB = b"a: &a [x,x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (after, after, b",".join([b"*%c" % before] * 10))
    for before, after in zip(b"abcdefg", b"bcdefgh", strict=True)
)
TRIGGERS = {
    "metrics": [{"name": "errors", "query": "errors"}],
    "triggers": [{"name": "errors", "above": "1%"}],
}


def cost_of(after: dict[str, Any], requests: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """What it costs to make a plan with a soak of 2h into another one."""
    hold = {"hold": {"soak": "2h"}}
    raw = raw_rollout(None, **hold)
    given = [raw_approval(decided=GO_BY_HUDSON, state="Go")] if requests is None else requests
    return costs(raw, rollout(None, **hold), rollout(None, **{**hold, **after}), given, NOW)


def test_edit_of_the_hold_keeps_the_soak_and_voids_signatures() -> None:
    """With the earliest time before and after."""
    found = cost_of({"hold": {"soak": "3h"}})
    assert found["changed"] == ["hold"]
    assert found["soak"] == {"healthy": "1h/2h", "kept": True, "because": []}
    assert [(each["as"], each["by"]) for each in found["void"]] == [("security", "hudson")]
    assert found["earliest"] == {"before": "2026-03-01T11:00:00Z", "after": "2026-03-01T12:00:00Z"}
    assert found["later"] == "1h"


def test_edit_of_what_the_soak_measured_loses_it() -> None:
    """Triggers, metrics, cohorts, target."""
    found = cost_of(TRIGGERS)
    assert found["soak"] == {"healthy": "1h/2h", "kept": False, "because": ["metrics", "triggers"]}
    assert found["earliest"]["after"] == "2026-03-01T12:00:00Z"


def test_edit_that_is_none_costs_nothing() -> None:
    """Another spelling is the same plan; what people set in the cluster is none of it."""
    for same in ({"hold": {"soak": "120m"}}, {"paused": True}):
        found = cost_of(same)
        assert (found["isNewPlan"], found["void"], found["changed"]) == (False, [], [])


def test_requests_that_are_over_or_of_another_rollout_are_not_lost() -> None:
    """Nor those that nobody has decided."""
    other = raw_approval(decided=GO_BY_HUDSON, state="Go", rollout={"name": "checkout", "uid": "x"})
    used = raw_approval(decided=GO_BY_HUDSON, state="Used")
    assert cost_of({"hold": {"soak": "3h"}}, [other, used, raw_approval()])["void"] == []


def test_differences_tell_entries_by_name() -> None:
    """Not by their place in the list."""
    before = {"gates": [{"name": "a", "atMost": 1}, {"name": "b", "atMost": 2}], "x": [1]}
    after = {"gates": [{"name": "b", "atMost": 3}, {"name": "c", "atMost": 1}], "x": [1, 2]}
    assert list(differences(before, after)) == [
        ("gates[a]", "{atMost: 1, name: a}", "absent"),
        ("gates[b].atMost", "2", "3"),
        ("gates[c]", "absent", "{atMost: 1, name: c}"),
        ("x", "[1]", "[1, 2]"),
    ]


def a_config_map(data: dict[str, str], **more: Any) -> dict[str, Any]:
    """A ConfigMap that somebody made by hand."""
    return {"metadata": metadata("flags") | more, "data": data}


@pytest.mark.parametrize(
    ("value", "steps"), [("37", [37, 50, 100]), ("0", [1, 10, 25, 50, 100]), ("100", [100])]
)
def test_plan_to_adopt_begins_where_the_flag_stands(value: str, steps: list[int]) -> None:
    """Nobody is moved, and no step is below."""
    plan = plan_to_adopt(a_config_map({"cart": value}), None)
    assert [step["percent"] for step in plan["spec"]["steps"]] == steps
    assert plan["metadata"] == {"name": "cart", "namespace": "shop"}
    assert plan["spec"]["target"] == {"configMapName": "flags", "flags": ["cart"]}


@pytest.mark.parametrize(
    ("config_map", "said"),
    [
        (a_config_map({"a": "yes"}), "holds no flag that could be adopted"),
        (a_config_map({"a": "10", "b": "20"}), "must hold the same whole number"),
        (
            a_config_map({"a": "10", "colour": "red"}),
            "has keys that are no flags of the plan: colour",
        ),
        (
            a_config_map(
                {"a": "10"},
                labels={"surefoot.dev/managed": "true"},
                annotations={"surefoot.dev/rollout": "checkout"},
            ),
            "is managed by Rollout checkout already",
        ),
    ],
)
def test_config_map_that_cannot_be_adopted_says_why(config_map: dict[str, Any], said: str) -> None:
    """In the words in which the operator would refuse it."""
    with pytest.raises(Declined, match=said):
        plan_to_adopt(config_map, None)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: [b\n  c: d\n", "plan.yaml:2:4: did not find expected"),
        (b"a: [b\n  c: d\n", "  c: d\n"),
        (b"", "no Rollout is in "),
        (b"- a\n", "document 1 is no object"),
        (b"kind: ConfigMap\n", "document 1 is a ConfigMap"),
        (b"apiVersion: argoproj.io/v1alpha1\nkind: Rollout\n", "a Rollout of argoproj.io"),
        (PLAIN + b"---\n" + PLAIN, "has 2 Rollouts, and one is needed"),
        (PLAIN.replace(b"name: x", b""), "the Rollout has no metadata.name"),
        (b"\xff\xfe\x00", "it is no UTF-8 (byte 0xff)"),
        (b"a: &a [*a]\nb: !!python/object:os.system {}\n", "plan.yaml:1:8:"),
        (b"[" * 20_000, "nested more than 100 deep"),
        (PLAIN + BOMB, "it has more than 200000 values, aliases included"),
        (b"x" * (3 * 1024 * 1024 + 1), "at most 3 MiB are read"),
    ],
    ids=range(13),
)
def test_file_that_is_no_plan_is_wrong_use(tmp_path: Path, content: bytes, said: str) -> None:
    """With line, column and a caret, before any cluster is asked."""
    file = tmp_path / "plan.yaml"
    file.write_bytes(content)
    done = CliRunner().invoke(app, ["ctl", "diff", str(file)])
    assert done.exit_code == 2
    assert said in done.output


def test_name_never_leads_elsewhere() -> None:
    """Whatever it has in it is one part of the path."""
    assert path_of("configmaps", "shop", "../x") == "/api/v1/namespaces/shop/configmaps/..%2Fx"
