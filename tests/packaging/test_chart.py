"""The chart: the same objects as kustomize, and words for anyone who gets a value wrong."""

import re
from pathlib import Path

import pytest
import yaml

from deploy.chart import FILES
from surefoot.adapters.settings import Settings
from surefoot.policies import PolicySettings, shipped
from tests.packaging.rendering import (
    CHART,
    NAMESPACE,
    Manifest,
    chart,
    comparable,
    crds,
    helm,
    key_of,
    overlay,
    tool,
)

VARIANTS = ("default", "namespaced", "high-availability", "without-mutation")


@pytest.fixture(scope="module", autouse=True)
def _tools() -> None:
    """Build the tools before the first test, which may take minutes on a new machine."""
    for name in ("helm", "kustomize"):
        tool(name)


@pytest.mark.parametrize("variant", VARIANTS)
def test_chart_and_overlay_render_the_same_objects(variant: str) -> None:
    """Object by object; the CRDs are installed apart from an overlay."""
    rendered = comparable(chart("-f", str(CHART / "ci" / f"{variant}.yaml")))
    built = comparable([*crds(), *overlay(variant)])
    assert rendered.keys() == built.keys()
    for key, manifest in built.items():
        assert rendered[key] == manifest


def test_chart_and_overlay_render_the_same_monitoring() -> None:
    """The overlay has nothing but that, so the chart's other objects are those of its default."""
    plain = comparable(chart())
    monitored = comparable(chart("-f", str(CHART / "ci" / "monitoring.yaml")))
    added = {key: manifest for key, manifest in monitored.items() if key not in plain}
    assert added == comparable(overlay("monitoring"))


def test_chart_and_manifests_rank_the_requests_alike() -> None:
    """For the account of the release, and only where it is asked for."""
    plain = comparable(chart())
    ranked = comparable(chart("--set", "apiPriority.create=true"))
    added = {key: manifest for key, manifest in ranked.items() if key not in plain}
    assert added == comparable(overlay("priority"))
    walker = chart("--set", "apiPriority.create=true,serviceAccount.name=walker", namespace="away")
    subjects = [
        subject
        for each in comparable(walker).values()
        if each["kind"] == "FlowSchema"
        for rule in each["spec"]["rules"]
        for subject in rule["subjects"]
    ]
    account = {"name": "walker", "namespace": "away"}
    assert subjects == [{"kind": "ServiceAccount", "serviceAccount": account}] * 2


def test_guarded_metrics_are_mounted_configured_and_scraped() -> None:
    """One Secret for TLS and one for the token reach the operator, its probes and Prometheus."""
    rendered = comparable(chart("-f", str(CHART / "ci" / "guarded-metrics.yaml")))
    where = (NAMESPACE, "surefoot")
    config = rendered["v1", "ConfigMap", NAMESPACE, "surefoot-config"]["data"]["config.yaml"]
    serving = Settings.model_validate(config).serving
    assert serving.tls is not None
    pod = rendered["apps/v1", "Deployment", *where]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    secrets = {
        mounts[volume["name"]]: volume["secret"]["secretName"]
        for volume in pod["volumes"]
        if "secret" in volume
    }
    files = (serving.tls.cert_file, serving.tls.key_file, serving.metrics_token_file)
    assert [(secrets[str(file.parent)], file.name) for file in files if file] == [
        ("surefoot-tls", "tls.crt"),
        ("surefoot-tls", "tls.key"),
        ("surefoot-metrics-token", "token"),
    ]
    probes = ("startupProbe", "livenessProbe", "readinessProbe")
    assert {container[probe]["httpGet"]["scheme"] for probe in probes} == {"HTTPS"}
    monitor = rendered["monitoring.coreos.com/v1", "ServiceMonitor", *where]
    (endpoint,) = monitor["spec"]["endpoints"]
    assert (endpoint["scheme"], endpoint["tlsConfig"], endpoint["authorization"]) == (
        "https",
        {
            "ca": {"secret": {"name": "surefoot-tls", "key": "ca.crt"}},
            "serverName": f"surefoot.{NAMESPACE}.svc",
        },
        {"credentials": {"name": "surefoot-metrics-token", "key": "token"}},
    )
    values = ("-f", str(CHART / "ci" / "guarded-metrics.yaml"))
    test = helm("template", "surefoot", str(CHART), *values, "-s", "templates/tests/ready.yaml")
    assert "https://surefoot:8080/readyz" in test.stdout


def test_generated_files_of_the_chart_are_up_to_date() -> None:
    """`make chart` writes them."""
    assert not list(FILES.differences(CHART))


def test_policies_follow_the_release_and_its_values() -> None:
    """In another namespace, with another account and other people: the policies made for that.

    The operator compares the policies with its configuration, so that has to say the same.
    """
    sets = (
        "serviceAccount.name=walker",
        "policies.collectors={system:gc-a,system:gc-b}",
        "policies.custodians.users={eve}",
        "policies.custodians.groups={keepers,wardens}",
    )
    rendered = comparable(
        chart(*(word for one in sets for word in ("--set", one)), namespace="elsewhere")
    )
    settings = PolicySettings(
        operator="system:serviceaccount:elsewhere:walker",
        collectors=("system:gc-a", "system:gc-b"),
        custodian_users=("eve",),
        custodian_groups=("keepers", "wardens"),
    )
    for policy in shipped(settings):
        assert rendered[key_of(policy)] == policy
    config = rendered["v1", "ConfigMap", "elsewhere", "surefoot-config"]["data"]["config.yaml"]
    assert config["policies"] == {
        "operator": "system:serviceaccount:elsewhere:walker",
        "collectors": ["system:gc-a", "system:gc-b"],
        "custodians": {"users": ["eve"], "groups": ["keepers", "wardens"]},
    }
    assert not [key for key in rendered if key[2] == "surefoot-system"]


def test_digest_pins_the_image() -> None:
    """The tag no longer matters."""
    digest = f"sha256:{'a' * 64}"
    assert (
        _deployment("--set", f"image.digest={digest}")["spec"]["template"]["spec"]["containers"][0][
            "image"
        ]
        == f"surefoot@{digest}"
    )


def test_bindings_name_people() -> None:
    """A RoleBinding for each entry."""
    binding = comparable(
        chart("--set-json", 'bindings=[{"namespace":"shop","role":"approver","groups":["leads"]}]')
    )["rbac.authorization.k8s.io/v1", "RoleBinding", "shop", "surefoot-approvers"]
    assert binding["roleRef"]["name"] == "surefoot-approver"
    assert binding["subjects"] == [
        {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "leads"}
    ]


def _deployment(*arguments: str) -> Manifest:
    return comparable(chart(*arguments))["apps/v1", "Deployment", "surefoot-system", "surefoot"]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("imagee.tag=1", "additional properties 'imagee' not allowed"),
        ("image.tagg=1", "tagg"),
        ("image.digest=latest", "at '/image/digest': 'latest' does not match pattern"),
        ("replicas=two", "/replicas"),
        ("crds.install=often", "/crds/install"),
        ("config.admission=Sometimes", "/config/admission"),
        ("config.evaluationIntervall=30s", "evaluationIntervall"),
        ("config.providers[0].name=default", "missing property 'address'"),
        (
            "config.providers[0].name=a,config.providers[0].address=http://a,"
            "config.providers[0].timeout=soon",
            "/config/providers/0/timeout",
        ),
        ("config.record.sinks[0].type=Paper", "/config/record/sinks/0/type"),
        ("config.leaderElection.leaseDuratoin=9s", "leaseDuratoin"),
        ("bindings[0].role=emperor,bindings[0].namespace=shop", "/bindings/0/role"),
        ("watchNamespaces={Shop}", "/watchNamespaces/0"),
        ("metrics.tls.secretName=A", "/metrics/tls/secretName"),
        ("metrics.token.name=a", "name"),
        ("monitoring.dashboards.create=often", "/monitoring/dashboards/create"),
        ('policies.collectors={a"b}', "/policies/collectors/0"),
        ("replicas=10", "/replicas"),
    ],
)
def test_wrong_value_is_refused_by_its_name(wrong: str, named: str) -> None:
    """Nothing is rendered."""
    answer = helm("template", "surefoot", str(CHART), "--set", wrong, check=False)
    assert answer.returncode != 0
    assert named in answer.stderr


def test_server_without_mutating_policies_is_told_what_to_set() -> None:
    """Kubernetes 1.35 serves no MutatingAdmissionPolicy of v1."""
    old = ("template", "surefoot", str(CHART), "--kube-version", "1.35.2")
    answer = helm(*old, check=False)
    assert "policies.mutation: this API server (v1.35.2)" in answer.stderr
    assert "set policies.mutation=false" in answer.stderr
    assert helm(*old, "--set", "policies.mutation=false").returncode == 0


def test_kept_crds_say_so() -> None:
    """Helm leaves alone what has this annotation."""
    for keep, expected in (("true", {"helm.sh/resource-policy": "keep"}), ("false", None)):
        rendered = chart("--set", f"crds.keep={keep}")
        annotations = [
            manifest["metadata"].get("annotations")
            for manifest in rendered
            if manifest["kind"] == "CustomResourceDefinition"
        ]
        assert annotations == [expected] * 3


def test_chart_passes_its_linter() -> None:
    """With every set of values that a test uses."""
    for values in sorted((CHART / "ci").glob("*.yaml")):
        answer = helm("lint", "--strict", str(CHART), "-f", str(values), check=False)
        assert answer.returncode == 0, answer.stdout


def test_every_value_is_in_the_schema_and_explained() -> None:
    """A key without a comment in values.yaml would have to be guessed."""
    values = yaml.safe_load(Path(CHART / "values.yaml").read_text())
    schema = yaml.safe_load(Path(CHART / "values.schema.json").read_text())
    assert values.keys() == schema["properties"].keys()
    assert all(
        re.search(r"\w", part.get("description", "")) for part in schema["properties"].values()
    )
