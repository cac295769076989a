"""Prometheus' own tool, and the cases that it judges."""

import functools
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from surefoot.testbed.binaries import provide

PROJECT = Path(__file__).parents[2]


@functools.cache
def _program() -> Path:
    return provide(["promtool"])["promtool"]


def promtool(*arguments: str) -> str:
    """Run it; fail with what it says where it does."""
    done = subprocess.run([_program(), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def verdict(
    title: str, series: Mapping[str, str], after: str, firing: Sequence[str]
) -> dict[str, Any]:
    """A case for `promtool test rules`: the alerts that fire after so long, and no others."""
    return {
        "name": title,
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": 'group by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": after,
                "exp_samples": [
                    {"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in firing
                ],
            }
        ],
    }


def judge(
    rules: Path, by_interval: Mapping[str, Sequence[dict[str, Any]]], directory: Path
) -> None:
    """Run the cases, by how often the rules are evaluated in them."""
    files = []
    for every, tests in by_interval.items():
        path = directory / f"every-{every}.yaml"
        content = {
            "rule_files": [str(rules)],
            "evaluation_interval": every,
            "fuzzy_compare": True,
            "tests": list(tests),
        }
        path.write_text(yaml.safe_dump(content))
        files.append(str(path))
    promtool("test", "rules", *files)
