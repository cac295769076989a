"""The policies as data: what must be so of all of them, whatever they say."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from surefoot.cli.main import app
from surefoot.policies import PolicySettings, shipped
from surefoot.policies.files import FILES
from surefoot.policies.settings import DEFAULT_OPERATOR

ELSEWHERE = PolicySettings(
    operator="system:serviceaccount:flags:mover",
    collectors=("cloud-collector",),
    custodian_users=("cora",),
    custodian_groups=("security",),
)


def of_kind(kind: str, settings: PolicySettings = ELSEWHERE) -> list[dict[str, Any]]:
    """The manifests of one kind."""
    return [manifest for manifest in shipped(settings) if manifest["kind"] == kind]


def test_identity_of_the_operator_is_one_setting() -> None:
    """No policy for another service account still names the default one."""
    assert DEFAULT_OPERATOR not in str(shipped(ELSEWHERE))
    assert "surefoot-system" not in str(shipped(ELSEWHERE))


@pytest.mark.parametrize(
    "policy", ["surefoot-decisions", "surefoot-metadata", "surefoot-configmaps"]
)
def test_further_collectors_are_exempt_where_the_usual_ones_are(policy: str) -> None:
    """A controller manager under another name must be able to clear a namespace."""
    found = next(p for p in of_kind("ValidatingAdmissionPolicy") if p["metadata"]["name"] == policy)
    named = next(v for v in found["spec"]["variables"] if v["name"] == "isCollector")["expression"]
    assert "cloud-collector" in named
    assert "generic-garbage-collector" in named


def test_bounds_of_the_own_account_are_for_the_operator_alone() -> None:
    """They match before anything else is evaluated, so that they are in nobody else's way."""
    (found,) = (
        policy["spec"]
        for policy in of_kind("ValidatingAdmissionPolicy")
        if policy["metadata"]["name"] == "surefoot-own-account"
    )
    (condition,) = found["matchConditions"]
    assert condition["expression"] == f'request.userInfo.username in ["{ELSEWHERE.operator}"]'
    assert "request.namespace == 'flags'" in str(found["variables"])


def test_deletion_is_never_in_the_way_of_those_who_look_at_every_config_map() -> None:
    """A policy that binds everybody on every ConfigMap must not keep a namespace from ending."""
    (found,) = (
        policy["spec"]
        for policy in of_kind("ValidatingAdmissionPolicy")
        if policy["metadata"]["name"] == "surefoot-rollout-uid"
    )
    (rule,) = found["matchConstraints"]["resourceRules"]
    assert rule["operations"] == ["CREATE", "UPDATE"]


def test_every_refusal_is_forbidden_and_says_why() -> None:
    """A refusal without words, or one taken for an invalid object, helps nobody."""
    for policy in of_kind("ValidatingAdmissionPolicy"):
        assert policy["spec"]["failurePolicy"] == "Fail"
        for validation in policy["spec"]["validations"]:
            assert (validation["reason"], bool(validation["message"])) == ("Forbidden", True)


def test_every_policy_is_bound_everywhere_and_denies() -> None:
    """A policy without a binding does nothing."""
    policies = {p["metadata"]["name"] for p in of_kind("ValidatingAdmissionPolicy")}
    bound = {
        binding["spec"]["policyName"]: binding["spec"]
        for binding in of_kind("ValidatingAdmissionPolicyBinding")
    }
    assert bound.keys() == policies
    for spec in bound.values():
        assert spec["validationActions"] == ["Deny", "Audit"]
        assert "matchResources" not in spec


def test_nothing_that_fills_in_names_is_in_the_way_of_a_rollback() -> None:
    """What a mutating policy matches can fail to be served right after an API server starts."""
    for policy in of_kind("MutatingAdmissionPolicy"):
        for rule in policy["spec"]["matchConstraints"]["resourceRules"]:
            assert rule["apiGroups"] == ["surefoot.dev"]
            assert not any("/" in resource for resource in rule["resources"])
        assert policy["spec"]["matchConditions"]


def test_both_variants_refuse_the_same() -> None:
    """Every guarantee is in the validating policies."""
    without = shipped(ELSEWHERE, mutation=False)
    assert [m for m in shipped(ELSEWHERE) if not m["kind"].startswith("Mutating")] == list(without)


def test_files_are_written_as_generated(tmp_path: Path) -> None:
    """And a file that is no longer generated goes."""
    (tmp_path / "stale.yaml").write_text("kind: ConfigMap\n")
    assert list(FILES.differences(tmp_path))
    FILES.write(tmp_path)
    assert not list(FILES.differences(tmp_path))
    assert not (tmp_path / "stale.yaml").exists()


def test_policies_are_printed_for_the_configuration(tmp_path: Path) -> None:
    """From the same section that the operator reads."""
    config = tmp_path / "config.yaml"
    config.write_text(
        "policies: {operator: 'system:serviceaccount:flags:mover', collectors: [cloud-collector], "
        "custodians: {users: [cora], groups: [security]}}"
    )
    done = CliRunner().invoke(app, ["policies", "--config", str(config)])
    assert (done.exit_code, list(yaml.safe_load_all(done.output))) == (0, list(shipped(ELSEWHERE)))


def test_faulty_configuration_prints_no_policies(tmp_path: Path) -> None:
    """1, naming the field."""
    config = tmp_path / "config.yaml"
    config.write_text("policies: {operators: x}")
    done = CliRunner().invoke(app, ["policies", "--config", str(config)])
    assert done.exit_code == 1
    assert "policies.operators" in done.output
