"""Which worker of pytest-xdist runs what, and in which order: the longest first, and none too long.

With `--dist loadfile` a file's tests run in one worker, one after another, for many files share a
fixture that must exist once. Where a file was long and came late, the other workers had nothing to
do meanwhile. So the units of work are handed out by what they weigh, and the files that can be cut
are cut: into one unit a function where a fixture is shared by all workers anyway, and into one unit
a test where nothing is shared.

Load it as a plugin: ``pytest_plugins = ["tests.support.balance"]``. Without workers it is idle.
"""

from typing import Any, Final

import pytest
from xdist.scheduler import LoadScopeScheduling

SECONDS: Final[dict[str, float]] = {
    "tests/admission/test_admission_table.py": 90,
    "tests/admission/test_admission_mutations.py": 80,
    "tests/admission/test_admission_for_real.py": 75,
    "tests/admission/test_admission_kubectl.py": 60,
    "tests/contract/test_contract_constraints.py": 60,
    "tests/contract/test_contract_agreement.py": 50,
    "tests/contract/test_contract_served.py": 25,
    "tests/contract/test_contract_upgrade.py": 25,
    "tests/demo/test_demo_performance.py": 120,
    "tests/demo/test_demo_incident.py": 90,
    "tests/integration/test_prometheus_real.py": 30,
    "tests/operator/test_admission_collectors.py": 60,
    "tests/operator/test_admission_servers.py": 60,
    "tests/operator/test_hardening.py": 70,
    "tests/operator/test_operator_admission.py": 35,
    "tests/operator/test_operator_flag.py": 45,
    "tests/operator/test_operator_governance.py": 35,
    "tests/operator/test_operator_outage.py": 40,
    "tests/operator/test_operator_own_account.py": 30,
    "tests/operator/test_operator_rbac.py": 40,
    "tests/operator/test_operator_rehearsal.py": 30,
    "tests/operator/test_operator_signing.py": 25,
    "tests/operator/test_operator_signing_guarded.py": 25,
    "tests/operator/test_operator_upgrade.py": 15,
    "tests/operator/test_operator_writes.py": 45,
    "tests/operator/test_plugin.py": 50,
    "tests/operator/test_plugin_audit.py": 25,
    "tests/operator/test_plugin_reports.py": 25,
    "tests/operator/test_type_mistakes.py": 20,
    "tests/property/test_audit_properties.py": 60,
    "tests/property/test_cohorts_oracle.py": 8,
    "tests/property/test_exploration.py": 12,
    "tests/property/test_invariants.py": 40,
    "tests/property/test_seeded_bugs.py": 5,
    "tests/property/test_soak_oracle.py": 10,
    "tests/testbed/test_testbed_cli.py": 40,
    "tests/testbed/test_testbed_control_plane.py": 20,
    "tests/testbed/test_testbed_lifetime.py": 60,
    "tests/testbed/test_testbed_prometheus.py": 15,
    "tests/unit/adapters/test_kubernetes.py": 10,
    "tests/unit/domain/test_domain_baseline.py": 8,
    "tests/unit/domain/test_domain_pending.py": 13,
    "tests/unit/domain/test_domain_plan_changes.py": 8,
    "tests/unit/domain/test_domain_soak.py": 8,
    "tests/unit/domain/test_domain_triggers.py": 11,
}
"""What a file takes, or one of its parts where it is cut, in seconds. What is not named is short.

Only the order matters; those of `tests/unit` are measured, the others are estimates so far.

To measure again: `make test ARGS="--durations=0 --durations-min=0.5"`.
"""

BY_FUNCTION: Final = frozenset(
    {
        "tests/admission/test_admission_for_real.py",
        "tests/admission/test_admission_table.py",
        "tests/demo/test_demo_performance.py",
    }
)
"""Files of which each function may run in a worker of its own."""

BY_TEST: Final = ("tests/property/",)
"""Folders of which each test may: they share nothing."""


def unit_of(test: str) -> str:
    """The unit of work that a test belongs to."""
    file, _, name = test.partition("::")
    if file.startswith(BY_TEST):
        return test
    return f"{file}::{name.partition('[')[0]}" if file in BY_FUNCTION else file


def weight_of(test: str) -> float:
    """How much the unit of work weighs that a test belongs to."""
    return SECONDS.get(unit_of(test)) or SECONDS.get(test.partition("::")[0], 0.0)


class Balanced(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Hands out the units of work in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the heaviest first, in every worker alike."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: -weight_of(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Balanced | None:
    """Hand out the units of work, where files are asked to be kept together."""
    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False  # by number of tests, which says little of time
    return Balanced(config, log)
