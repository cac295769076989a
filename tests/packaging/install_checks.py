"""Installed, upgraded and removed on a real API server, as docs/install.md and its sisters say.

Its name keeps this file out of `make test`, since it takes a minute: `make install-test` runs it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.project import Project
from deploy.render import render
from surefoot.demo import companions
from surefoot.testbed.bed import TestBed
from surefoot.testbed.binaries import go_environment
from surefoot.testbed.ports import free_ports
from surefoot.testbed.toolchain import find_go
from tests.packaging.rendering import CHART, NAMESPACE, chart, tool
from tests.support.crds import serve_crds
from tests.support.testbed import SURELY, wait_until

ROLLOUT = """
apiVersion: surefoot.dev/v1alpha1
kind: Rollout
metadata: {{name: {name}, namespace: default}}
spec:
  target: {{configMapName: {name}-flags, flags: [{name}], onDelete: {on_delete}}}
  steps: [{{percent: 10}}, {{percent: 25}}, {{percent: 50}}, {{percent: 100}}]
  hold: {{soak: 24h}}
"""
OVERLAYS = ("default", "namespaced", "high-availability")
NAMESPACES_OWN = {
    f"{kind}/{namespace}/{name}"
    for namespace in ("default", "kube-node-lease", "kube-public", "kube-system")
    for kind, name in (("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default"))
}
"""What the controllers make in every namespace, a moment after the control plane is ready."""


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestBed]:
    """A control plane of its own: what is installed here belongs to a whole cluster."""
    tool("helm")
    folder = tmp_path_factory.mktemp("install")
    with TestBed.start(folder / "bed", prometheus=True, owner=os.getpid()) as bed:
        wait_until(
            lambda: everything(bed) >= NAMESPACES_OWN,
            SURELY,
            "the controllers to make what is theirs",
        )
        yield bed


@pytest.fixture
def helm(bed: TestBed, tmp_path: Path) -> "Helm":
    """Helm with the bed's cluster."""
    return Helm(bed, tmp_path)


class Helm:
    """Runs helm for its words and its exit code."""

    def __init__(self, bed: TestBed, home: Path) -> None:
        self._environment = {
            **os.environ,
            "KUBECONFIG": str(bed.kubeconfig()),
            "HELM_CACHE_HOME": str(home / "cache"),
            "HELM_CONFIG_HOME": str(home / "config"),
            "HELM_DATA_HOME": str(home / "data"),
        }

    def __call__(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        answer = subprocess.run(
            [tool("helm"), *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0 or not check, answer.stderr
        return answer


def everything(bed: TestBed) -> set[str]:
    """Every object of the cluster by its name, but for those that come and go by themselves."""
    resources = bed.kubectl("api-resources", "--verbs=list", "-o", "name").stdout.split()
    passing = ("events", "events.events.k8s.io", "leases.coordination.k8s.io", "componentstatuses")
    kinds = ",".join(name for name in resources if name not in passing)
    shown = bed.kubectl("get", kinds, "-A", "-o", "json").stdout
    return {
        "/".join((item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]))
        for item in json.loads(shown)["items"]
    }


def installed(bed: TestBed, before: set[str]) -> set[str]:
    """What is there and was not before."""
    return everything(bed) - before


def then_left(bed: TestBed, before: set[str], *names: str) -> None:
    """Wait until of all that came nothing but these is there.

    Pods, and the service that the API server makes of a group, go after what they were made of.
    """

    def are_left() -> bool:
        left = installed(bed, before)
        assert left == set(names)
        return True

    wait_until(are_left, SURELY, f"nothing but {names or 'what was there before'} to be left")


def applied(bed: TestBed, name: str, on_delete: str) -> None:
    """Apply a plan, and wait for its first step."""
    text = ROLLOUT.format(name=name, on_delete=on_delete)
    wait_until(  # policies and CRDs act a moment after they were applied
        lambda: (
            bed.kubectl("apply", "--server-side", "-f", "-", stdin=text, check=False).returncode
            == 0
        ),
        SURELY,
        "the plan to be accepted",
    )
    wait_until(lambda: percent(bed, name) == "10", SURELY, "the first step")


def percent(bed: TestBed, name: str) -> str:
    """What the status says."""
    path = "jsonpath={.status.percent}"
    return bed.kubectl("get", "rollouts.surefoot.dev", name, "-o", path, check=False).stdout


@pytest.fixture
def operator(bed: TestBed) -> Iterator[None]:
    """The operator beside the cluster, as no node runs its Pod; the account must be there."""
    component = companions.operator(bed)
    component.launch()
    component.wait_until_ready()
    yield
    component.stop()


@pytest.fixture
def removed(bed: TestBed) -> Iterator[set[str]]:
    """What is in the cluster before; afterwards everything of ours is removed."""
    before = everything(bed)
    yield before
    names = [
        name
        for name in bed.kubectl(
            "get",
            "crds,clusterroles,clusterrolebindings,"
            "mutatingadmissionpolicies,validatingadmissionpolicies,"
            "mutatingadmissionpolicybindings,validatingadmissionpolicybindings",
            "-o",
            "name",
        ).stdout.split()
        if "surefoot" in name
    ]
    if names:
        bed.kubectl("delete", *names)
    bed.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
    bed.kubectl("delete", "configmaps", "-n", "default", "--all")

    def is_as_before_any_test() -> bool:
        found = everything(bed)
        return found >= NAMESPACES_OWN and "APIService//v1alpha1.surefoot.dev" not in found

    # What came or went later would be counted as the next test's.
    wait_until(is_as_before_any_test, SURELY, "the controllers to follow")


@pytest.mark.parametrize("name", OVERLAYS)
def test_overlay_is_installed_and_removed(bed: TestBed, removed: set[str], name: str) -> None:
    """The API server takes every object, in its strict mode, and nothing is left afterwards."""
    bed.kubectl("create", "namespace", "shop")
    serve_crds(bed)
    bed.kubectl("apply", "--server-side", "-k", f"manifests/{name}")
    assert f"Deployment/{NAMESPACE}/surefoot" in installed(bed, removed)
    bed.kubectl("delete", "-k", f"manifests/{name}")
    bed.kubectl("delete", "-f", "crds/")
    bed.kubectl("delete", "namespace", "shop")
    then_left(bed, removed)


def test_chart_is_installed_upgraded_and_uninstalled_while_a_rollout_runs(
    bed: TestBed, helm: Helm, removed: set[str]
) -> None:
    """An upgrade keeps the Rollout where it stands; uninstalling keeps the CRDs and the plans."""
    install = ("surefoot", str(CHART), "-n", NAMESPACE)
    notes = helm("install", *install, "--create-namespace").stdout
    assert "helm test surefoot -n surefoot-system" in notes
    assert "kubectl get rollouts.surefoot.dev -A" in notes
    component = companions.operator(bed)
    component.launch()
    try:
        component.wait_until_ready()
        applied(bed, "checkout", "Keep")
        history = "jsonpath={.status.history[*].id}"
        steps = bed.kubectl("get", "rollouts.surefoot.dev", "checkout", "-o", history).stdout
        helm("upgrade", *install, "--set", "config.evaluationInterval=20s")
        config = bed.kubectl("get", "configmap", "surefoot-config", f"-n={NAMESPACE}", "-o", "json")
        text = json.loads(config.stdout)["data"]["config.yaml"]
        assert yaml.safe_load(text)["evaluationInterval"] == "20s"
        assert percent(bed, "checkout") == "10"
        after = bed.kubectl("get", "rollouts.surefoot.dev", "checkout", "-o", history).stdout
        assert after == steps
    finally:
        component.stop()
    helm("uninstall", "surefoot", "-n", NAMESPACE)
    assert percent(bed, "checkout") == "10"

    def only_these_are_kept() -> bool:
        kept = {name.partition("/")[0] for name in installed(bed, removed)}
        assert kept == {
            "ConfigMap",
            "CustomResourceDefinition",
            "Namespace",
            "Rollout",
            "APIService",
            "ServiceAccount",
        }
        return True

    # The garbage collector takes what the Deployment has made.
    wait_until(only_these_are_kept, SURELY, "what the Deployment has made to be gone")
    bed.kubectl("delete", "-f", "crds/")
    bed.kubectl("delete", "configmap", "checkout-flags")


def test_uninstalling_leaves_only_what_on_delete_keeps(
    bed: TestBed, helm: Helm, removed: set[str]
) -> None:
    """In the order that docs/uninstall.md gives: Rollouts, operator and policies, CRDs."""
    helm("install", "surefoot", str(CHART), "-n", NAMESPACE, "--create-namespace")
    component = companions.operator(bed)
    component.launch()
    try:
        component.wait_until_ready()
        applied(bed, "kept", "Keep")
        applied(bed, "gone", "Delete")
        bed.kubectl("delete", "rollouts.surefoot.dev", "--all", "-A")
        flags = ("get", "configmaps", "-A", "-l", "surefoot.dev/managed", "-o", "name")
        wait_until(lambda: bed.kubectl(*flags).stdout == "", SURELY, "the flags to be released")
    finally:
        component.stop()
    helm("uninstall", "surefoot", "-n", NAMESPACE)
    bed.kubectl("delete", "-f", "crds/")
    bed.kubectl("delete", "namespace", NAMESPACE)
    then_left(bed, removed, "ConfigMap/default/kept-flags")


def test_namespaced_operator_works_with_the_rights_of_its_overlay(
    bed: TestBed, removed: set[str], tmp_path: Path
) -> None:
    """In the namespace that it watches, and in no other."""
    bed.kubectl("create", "namespace", "shop")
    serve_crds(bed)
    bed.kubectl("apply", "--server-side", "-k", "manifests/namespaced")
    (port,) = free_ports(1)
    config = tmp_path / "config.yaml"
    config.write_text(f"listen: 127.0.0.1:{port}\nevaluationInterval: 1s\nlogFormat: console\n")
    command = (Path(sys.executable).with_name("surefoot"), "run", "--config", config, "-n", "shop")
    account = bed.kubeconfig_for_service_account(NAMESPACE, "surefoot")
    log = tmp_path / "operator.log"
    with (
        log.open("wb") as file,
        subprocess.Popen(
            command, env={**os.environ, "KUBECONFIG": str(account)}, stdout=file, stderr=file
        ) as operator,
    ):
        try:
            for namespace in ("default", "shop"):
                plan = ROLLOUT.format(name="checkout", on_delete="Delete")
                text = plan.replace("namespace: default", f"namespace: {namespace}")
                apply = ("apply", "--server-side", "-f", "-")
                wait_until(
                    lambda: bed.kubectl(*apply, stdin=text, check=False).returncode == 0,  # noqa: B023
                    SURELY,
                    "the plan to be accepted",
                )
            path = ("-o", "jsonpath={.status.percent}")
            rollout = ("get", "rollouts.surefoot.dev", "checkout")
            wait_until(
                lambda: bed.kubectl(*rollout, "-n=shop", *path).stdout == "10",
                SURELY,
                "the first step in shop",
            )
            assert bed.kubectl(*rollout, "-n=default", *path).stdout == ""
            bed.kubectl("delete", "rollouts.surefoot.dev", "--all", "-A")
        finally:
            operator.terminate()
    assert "forbidden" not in log.read_text()
    bed.kubectl("delete", "namespace", "shop")


def test_chart_over_kustomize_says_what_to_do(bed: TestBed, helm: Helm, removed: set[str]) -> None:
    """It refuses with the command that takes over, and that command does."""
    serve_crds(bed)
    bed.kubectl("apply", "--server-side", "-k", "manifests/default")
    release = ("upgrade", "--install", "surefoot", str(CHART), "-n", NAMESPACE)
    refused = helm(*release, check=False)
    assert refused.returncode != 0
    _, _, told = refused.stderr.partition("was not installed by Helm; to take it over, run: helm ")
    helm(*(str(CHART) if word == "CHART" else word for word in told.split()))
    helm("upgrade", "surefoot", str(CHART), "-n", NAMESPACE)


def test_chart_without_crds_says_which_ones_it_needs(
    bed: TestBed, helm: Helm, removed: set[str]
) -> None:
    """None at all, and those of another version; with its own ones it installs."""
    release = ("install", "surefoot", str(CHART), "-n", NAMESPACE, "--create-namespace")
    without = (*release, "--set", "crds.install=false")
    remedy = "first run: kubectl apply --server-side -f crds.yaml, of version"
    refused = helm(*without, check=False)
    assert f"the CRDs of this cluster are of version none; {remedy}" in refused.stderr
    serve_crds(bed)
    label = ("label", "--overwrite", "crd/rollouts.surefoot.dev")
    bed.kubectl(*label, "app.kubernetes.io/version=0.0.1")
    refused = helm(*without, check=False)
    assert f"the CRDs of this cluster are of version 0.0.1; {remedy}" in refused.stderr
    bed.kubectl(*label, f"app.kubernetes.io/version={Project.read().version}")
    helm(*without)
    helm("uninstall", "surefoot", "-n", NAMESPACE)


def test_pod_of_helm_test_is_admitted_by_the_restricted_standard(
    bed: TestBed, removed: set[str]
) -> None:
    """No node runs it here; the namespace's Pod Security judges it."""
    bed.kubectl("apply", "--server-side", "-f", "manifests/base/namespace.yaml")
    bed.kubectl("create", "serviceaccount", "default", f"-n={NAMESPACE}", check=False)
    text = subprocess.run(
        [tool("helm"), "template", "surefoot", CHART, "-n", NAMESPACE, "-s",
         "templates/tests/ready.yaml"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    answer = bed.kubectl("create", "--dry-run=server", "-f", "-", stdin=text)
    assert "pod/surefoot-test created" in answer.stdout


def test_monitoring_is_left_out_by_default() -> None:
    """A cluster without the Prometheus Operator does not know its kinds."""
    assert not [item for item in chart() if item["apiVersion"].startswith("monitoring")]


MONITORING_MODULE = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
MONITORING_SUM = "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s="


@pytest.fixture
def prometheus_operators_crds(bed: TestBed) -> None:
    """The CRDs of the Prometheus Operator, from its Go module."""
    go = find_go()
    answer = subprocess.run(
        [go.path, "mod", "download", "-json", MONITORING_MODULE],
        env={**go_environment(go), "GOFLAGS": "-mod=mod"},
        cwd="/",
        check=True,
        capture_output=True,
        text=True,
    )
    module = json.loads(answer.stdout)
    assert module["Sum"] == MONITORING_SUM
    folder = Path(module["Dir"]) / "example" / "prometheus-operator-crd"
    for name in ("prometheusrules", "servicemonitors"):
        bed.kubectl("apply", "--server-side", "-f", f"{folder}/monitoring.coreos.com_{name}.yaml")


@pytest.mark.usefixtures("prometheus_operators_crds")
def test_prometheus_operator_takes_the_monitoring(bed: TestBed, removed: set[str]) -> None:
    """The rules and the ServiceMonitor, against the CRDs of their own; with TLS and a token too."""
    bed.kubectl("create", "namespace", NAMESPACE)
    wait_until(
        lambda: (
            bed.kubectl(
                *("apply", "--server-side", "-k", "manifests/monitoring"), check=False
            ).returncode
            == 0
        ),
        SURELY,
        "the Prometheus Operator's kinds to be served",
    )
    values = ("-f", str(CHART / "ci" / "guarded-metrics.yaml"))
    guarded = [each for each in chart(*values) if each["kind"] == "ServiceMonitor"]
    apply = ("apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", "-")
    assert bed.kubectl(*apply, stdin=yaml.safe_dump_all(guarded)).stderr == ""


def test_rendered_objects_match_the_api_servers_schemas(bed: TestBed, tmp_path: Path) -> None:
    """kubeconform, in strict mode, with the schemas that this API server publishes.

    The Prometheus Operator's kinds have their own test, and CRDs are schemas themselves.
    """
    with bed.client() as client:
        document = client.get("/openapi/v2").raise_for_status().json()
    write_schemas(document["definitions"], tmp_path / "schemas")
    render(tmp_path / "rendered")
    answer = subprocess.run(
        [
            *(tool("kubeconform"), "-strict", "-summary", "-verbose", "-output", "json"),
            *("-skip", "ServiceMonitor,PrometheusRule,CustomResourceDefinition"),
            "-schema-location",
            f"{tmp_path}/schemas/{{{{.ResourceKind}}}}-{{{{.Group}}}}-{{{{.ResourceAPIVersion}}}}.json",
            str(tmp_path / "rendered"),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    result = json.loads(answer.stdout)
    faults = [found for found in result["resources"] if found["status"] not in PASSING]
    assert {(fault["kind"], fault["msg"]) for fault in faults} == set()
    assert result["summary"]["valid"] > 150


PASSING = ("statusValid", "statusSkipped")


def write_schemas(definitions: dict[str, Any], folder: Path) -> None:
    """Write a JSON Schema for each kind, in which a field that is unknown is a fault."""
    folder.mkdir()
    strict = {}
    for name, definition in definitions.items():
        made = dict(definition)
        if definition.get("format") == "int-or-string":
            made = {"type": ["integer", "string"]}
        elif "quantity" in name.lower():
            made = {"type": ["number", "string"]}
        elif "properties" in definition:
            made["additionalProperties"] = False
        strict[name] = made
    for name, definition in strict.items():
        for kind in definition.get("x-kubernetes-group-version-kind", ()):
            # Of the core group, whose name is empty, kubeconform takes the version for the group.
            group = kind["group"] or kind["version"]
            file = f"{kind['kind'].lower()}-{group}-{kind['version']}.json"
            schema = {"$ref": f"#/definitions/{name}", "definitions": strict}
            (folder / file).write_text(json.dumps(schema))
