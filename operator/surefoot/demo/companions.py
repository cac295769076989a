"""The programs that the demo starts beside the test bed: the operator, the service, a guardian.

Their records and logs lie in the bed's directory and go with it.
"""

import os
import sys
from pathlib import Path

import yaml

from surefoot.demo.production import Production
from surefoot.errors import TestbedError
from surefoot.testbed.bed import TestBed
from surefoot.testbed.health import complaint
from surefoot.testbed.layout import Layout
from surefoot.testbed.ports import free_ports
from surefoot.testbed.process import Component

OPERATOR = "operator"
SERVICE = "service"
GUARDIAN = "demo-guardian"
OPERATOR_NAMESPACE = "surefoot-system"
OPERATOR_ACCOUNT = "surefoot"
SOURCE_ROOT = Path(__file__).parents[2]


def operator(bed: TestBed) -> Component:
    """``surefoot run`` with the rights of its service account, and with no others."""
    layout = Layout(bed.directory)
    port, inbox = free_ports(2)
    _route(bed).write_text(f"json://127.0.0.1:{inbox}/")
    config = _operator_config(bed)
    config.write_text(yaml.safe_dump(_configuration(bed, port), sort_keys=False))
    account = bed.kubeconfig_for_service_account(OPERATOR_NAMESPACE, OPERATOR_ACCOUNT)
    return Component(
        OPERATOR,
        [*_surefoot(), "run", "--config", str(config)],
        log=layout.log_of(OPERATOR),
        record=layout.process_of(OPERATOR),
        not_ready_because=lambda: complaint(f"http://127.0.0.1:{port}/readyz"),
        grace=5.0,
        # It writes the cluster's certificate into a file, which must go with the bed as well.
        environment={"KUBECONFIG": str(account), "TMPDIR": str(bed.directory)},
    )


def _operator_config(bed: TestBed) -> Path:
    return bed.directory / "operator.yaml"


def _route(bed: TestBed) -> Path:
    """The file with the URL of the inbox, which the service has beside its metrics."""
    return bed.directory / "route.txt"


def _configuration(bed: TestBed, port: int) -> dict[str, object]:
    """Seconds where production has minutes, for an audience that is waiting."""
    return {
        "evaluationInterval": "1s",
        "statusRefresh": "1s",
        "admission": "Enforced",
        "operatorNamespace": OPERATOR_NAMESPACE,
        "logFormat": "console",
        "listen": f"127.0.0.1:{port}",
        "providers": [{"name": "default", "address": bed.prometheus.url}],
        "record": {
            "sinks": [
                {"name": "archive", "type": "File", "path": str(bed.directory / "record.jsonl")}
            ]
        },
        "notifications": {"routes": [{"name": "inbox", "urlFile": str(_route(bed))}]},
    }


def service(bed: TestBed, played: Production) -> Component:
    """The service whose flag is rolled out; from now on Prometheus scrapes it and the operator."""
    layout = Layout(bed.directory)
    port = free_ports(1)[0]
    account = bed.kubeconfig_for_service_account(played.namespace, played.service)
    operators = yaml.safe_load(_operator_config(bed).read_text())["listen"]
    bed.prometheus.set_targets({played.service: [f"127.0.0.1:{port}"], OPERATOR: [operators]})
    bed.prometheus.set_rules(played.rules)
    inbox = _route(bed).read_text().rstrip("/").rpartition(":")[2]
    return Component(
        SERVICE,
        [sys.executable, "-m", played.module, str(account), str(port), inbox],
        log=layout.log_of(SERVICE),
        record=layout.process_of(SERVICE),
        not_ready_because=lambda: complaint(f"http://127.0.0.1:{port}/metrics"),
        grace=1.0,
        environment=_with_our_modules(),
    )


def guardian(directory: Path) -> Component:
    """Ends the other two when the bed is gone, whoever stopped it."""
    layout = Layout(directory)
    return Component(
        GUARDIAN,
        [sys.executable, "-m", "surefoot.demo.guardian", str(directory)],
        log=layout.log_of(GUARDIAN),
        record=layout.process_of(GUARDIAN),
        not_ready_because=lambda: None,
        environment=_with_our_modules(),
    )


def stop_companions(directory: Path) -> None:
    """Stop all three, by their records; those that do not run are left alone."""
    layout = Layout(directory)
    for name in (GUARDIAN, OPERATOR, SERVICE):
        record = layout.process_of(name)
        if record.exists():
            Component.stop_recorded(record)


def _surefoot() -> list[str]:
    """The installed program of this very environment."""
    program = Path(sys.executable).with_name("surefoot")
    if not program.exists():
        raise TestbedError(
            f"there is no {program} to start the operator with. "
            f"Install the package into this environment: pip install 'surefoot[testbed]'"
        )
    return [str(program)]


def _with_our_modules() -> dict[str, str]:
    search_path = [str(SOURCE_ROOT), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, search_path))}
