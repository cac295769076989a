"""The Grafana dashboards: one for the operator, and one for a flag's own metrics."""

import json
from pathlib import Path, PurePath

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from surefoot.generated import Generator
from surefoot.manifestgen.dashboards import flag, operator

DIRECTORY = Path("manifests/monitoring/dashboards")


def generated_files() -> dict[PurePath, str]:
    """The text of every dashboard, as Grafana imports it."""
    return {
        PurePath(f"{name}.json"): json.dumps(built, cls=JSONEncoder, indent=2, sort_keys=True)
        + "\n"
        for name, built in (
            ("surefoot-operator", operator.dashboard().build()),
            ("surefoot-flag", flag.dashboard().build()),
        )
    }


FILES = Generator(
    generated_files,
    patterns=("*.json",),
    directory=DIRECTORY,
    source="dashboards",
    target="manifests",
)
