"""A real Prometheus on loopback, scraping what it is told to.

prometheus.set_targets({"checkout": ["127.0.0.1:8000"]})
prometheus.query("up")
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import yaml

from surefoot.errors import TestbedError
from surefoot.testbed.health import complaint
from surefoot.testbed.layout import Layout
from surefoot.testbed.process import Component

DEFAULT_SCRAPE_INTERVAL = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an instant query's answer."""

    labels: Mapping[str, str]
    value: float
    """NaN where Prometheus says NaN."""


class Prometheus(Component):
    """The Prometheus of a bed. Targets survive its restart; samples do too."""

    def __init__(
        self,
        layout: Layout,
        port: int,
        program: Path,
        *,
        scrape_interval: timedelta = DEFAULT_SCRAPE_INTERVAL,
    ) -> None:
        """Describe a Prometheus in this directory; ``scrape_interval`` also paces its rules."""
        self.url = f"http://127.0.0.1:{port}"
        self._config = layout.prometheus_config
        self._interval = scrape_interval
        super().__init__(
            "prometheus",
            [
                str(program),
                f"--config.file={self._config}",
                f"--storage.tsdb.path={layout.prometheus_data}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--web.enable-lifecycle",
                "--web.enable-admin-api",
                # By default a change of targets takes five seconds to be scraped.
                "--scrape.discovery-reload-interval=100ms",
                "--log.level=warn",
            ],
            log=layout.log_of("prometheus"),
            record=layout.process_of("prometheus"),
            not_ready_because=lambda: complaint(f"{self.url}/-/ready"),
        )
        if not self._config.exists():
            self._write_config({})

    def set_targets(self, targets: Mapping[str, Sequence[str]]) -> None:
        """Scrape these from now on, and nothing else: ``{job: ["host:port", …]}``.

        Returns once Prometheus has taken the change; it is scraped within a second, or up to
        five when the targets were changed just before. While stopped, it is kept for the start.
        Raises TestbedError when it refuses.
        """
        self._write_config(targets, self._configured("rule_files"))
        self._reload(f"the targets {dict(targets)}", "host:port, as in 127.0.0.1:8000")

    def set_rules(self, files: Sequence[Path]) -> None:
        """Judge the rules of these files from now on, and no others. Targets stay as they are.

        Raises TestbedError when Prometheus refuses them.
        """
        targets = {
            job["job_name"]: job["static_configs"][0]["targets"]
            for job in self._configured("scrape_configs")
        }
        self._write_config(targets, [str(path) for path in files])
        self._reload(f"the rules {[str(path) for path in files]}", "files with groups of rules")

    def _configured(self, section: str) -> list[Any]:
        content = yaml.safe_load(self._config.read_text()) if self._config.exists() else {}
        return list(content.get(section) or ())

    def _reload(self, what: str, expected: str) -> None:
        if not self.is_running:
            return
        answer = self._ask("POST", "/-/reload")
        if not answer.is_success:
            raise TestbedError(
                f"Prometheus refused {what}: {answer.text.strip()}. Expected {expected}."
            )

    def query(self, expression: str) -> tuple[Sample, ...]:
        """Ask an instant query; a scalar counts as one sample without labels.

        Raises TestbedError when Prometheus refuses the expression or does not answer.
        """
        answer = self._ask("GET", "/api/v1/query", query=expression)
        content = answer.json()
        if content.get("status") != "success":
            raise TestbedError(f"Prometheus refused {expression!r}: {content.get('error')}")
        data = content["data"]
        if data["resultType"] == "scalar":
            return (Sample({}, _number(data["result"][1])),)
        return tuple(
            Sample(series["metric"], _number(series["value"][1])) for series in data["result"]
        )

    def forget(self, *matchers: str) -> None:
        """Delete the samples of all series that a matcher, such as ``up{job="x"}``, selects."""
        answer = self._ask("POST", "/api/v1/admin/tsdb/delete_series", **{"match[]": matchers})
        if not answer.is_success:
            raise TestbedError(f"Prometheus did not delete {matchers}: {answer.text.strip()}")

    def _ask(self, method: str, path: str, **parameters: str | Sequence[str]) -> httpx.Response:
        try:
            with httpx.Client(base_url=self.url, trust_env=False, timeout=10.0) as client:
                return client.request(method, path, params=parameters)
        except httpx.HTTPError as error:
            raise TestbedError(
                f"Prometheus at {self.url} does not answer: {error}. Its log is {self.log}."
            ) from error

    def _emptied_jobs(self) -> dict[str, Sequence[str]]:
        """Name the jobs known so far.

        Prometheus marks as stale the series of a target that leaves its job, but not those of
        a job that leaves the configuration.
        """
        return {job["job_name"]: () for job in self._configured("scrape_configs")}

    def _write_config(
        self, targets: Mapping[str, Sequence[str]], rule_files: Sequence[str] = ()
    ) -> None:
        interval = f"{max(1, math.ceil(self._interval.total_seconds() * 1000))}ms"
        config = {
            "global": {
                "scrape_interval": interval,
                "scrape_timeout": interval,
                "evaluation_interval": interval,
            },
            "rule_files": list(rule_files),
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": list(addresses)}]}
                for job, addresses in (self._emptied_jobs() | dict(targets)).items()
            ],
        }
        partial = self._config.with_suffix(".partial")
        partial.write_text(yaml.safe_dump(config, sort_keys=False))
        partial.replace(self._config)


def _number(text: str) -> float:
    """Read Prometheus's way of writing numbers: ``NaN``, ``+Inf`` and ``-Inf`` included."""
    return float(text)
