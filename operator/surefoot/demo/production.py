"""What is played: its people and its plan, its service, and where they are."""

from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Production:
    """A story's own things. ``service`` names its service account and its job in Prometheus.

    ``module`` is the program of the service: it gets a kubeconfig and a port.
    ``author`` applies ``plan``, the manifest of the Rollout.
    """

    namespace: str
    objects: Path
    plan: Path
    author: str
    service: str
    module: str
    hardening: tuple[str, ...] = ()
    """Folders of `manifests/hardening` that are installed as well."""
    rules: tuple[Path, ...] = ()
    """Rule files that Prometheus judges, for the dashboard of the flag."""

    @property
    def people(self) -> Path:
        """The manifest of the namespace, its people, and what else has to be there."""
        return self.objects / "people.yaml"


CHECKOUT = Production(
    namespace="shop",
    objects=_HERE / "objects",
    plan=_HERE / "objects" / "rollout.yaml",
    author="thon",
    service="checkout",
    module="surefoot.demo.exporter",
)
"""The main job."""
