"""The three CustomResourceDefinitions: names, columns and selectable fields around the schemas."""

from dataclasses import dataclass, replace
from importlib.metadata import version as installed_version

from surefoot.api.v1alpha1.approval import Approval, RequestState
from surefoot.api.v1alpha1.checkpoint import Checkpoint
from surefoot.api.v1alpha1.meta import GROUP, VERSION, VERSION_LABEL, ApiModel
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.crdgen.schema import Node
from surefoot.crdgen.structural import structural_schema


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`.

    Moments in the future are of type ``string``: kubectl prints a ``date`` as the age it has, and
    a moment to come has none. ``is_wide``: printed by `kubectl get -o wide` only.
    """

    name: str
    path: str
    description: str
    type: str = "string"
    is_wide: bool = False

    def manifest(self) -> Node:
        """The column as a CustomResourceDefinition has it."""
        return {
            "name": self.name,
            "type": self.type,
            "jsonPath": self.path,
            "description": self.description,
            **({"priority": 1} if self.is_wide else {}),
        }


@dataclass(frozen=True, slots=True)
class Definition:
    """A kind, and what a CustomResourceDefinition says of it beside its schema.

    ``defaults``: whether the API server fills defaults into the spec. Not where the operator
    writes the request in full and the rest is a person's word, to which nothing is added.
    ``status_at_first`` is the status of an object that none was written for yet.
    """

    model: type[ApiModel]
    short_name: str
    columns: tuple[Column, ...]
    selectable: tuple[str, ...] = ()
    defaults: bool = False
    status_at_first: Node | None = None

    @property
    def kind(self) -> str:
        """The kind, such as Rollout."""
        return self.model.__name__

    @property
    def plural(self) -> str:
        """The kind as URLs have it, such as rollouts."""
        return f"{self.kind.lower()}s"

    @property
    def name(self) -> str:
        """The name of the CustomResourceDefinition."""
        return f"{self.plural}.{GROUP}"

    def manifest(self) -> Node:
        """The CustomResourceDefinition."""
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {
                "name": self.name,
                "labels": {
                    "app.kubernetes.io/part-of": "surefoot",
                    VERSION_LABEL: installed_version("surefoot"),
                },
            },
            "spec": {
                "group": GROUP,
                "scope": "Namespaced",
                "names": {
                    "kind": self.kind,
                    "listKind": f"{self.kind}List",
                    "plural": self.plural,
                    "singular": self.kind.lower(),
                    "shortNames": [self.short_name],
                    "categories": ["surefoot"],
                },
                "versions": [self._version()],
            },
        }

    def _version(self) -> Node:
        selectable = {"selectableFields": [{"jsonPath": path} for path in self.selectable]}
        return {
            "name": VERSION,
            "served": True,
            "storage": True,
            "subresources": {"status": {}},
            "additionalPrinterColumns": [column.manifest() for column in self.columns],
            **(selectable if self.selectable else {}),
            "schema": {
                "openAPIV3Schema": structural_schema(
                    self.model, defaults=self.defaults, status_at_first=self.status_at_first
                )
            },
        }


AGE = Column("Age", ".metadata.creationTimestamp", "Since when the object exists.", "date")
STATE = Column("State", ".status.state", "What became of the request.")
OF_ROLLOUT = Column("Rollout", ".spec.request.rollout.name", "The Rollout that asks.", is_wide=True)
"""The object's name begins with it, and 80 characters are soon full."""
PENDING: Node = {"state": RequestState.PENDING.value}
"""What is said of a request that nobody has answered: the operator need not write it."""

DEFINITIONS = (
    Definition(
        model=Rollout,
        short_name="sfr",
        defaults=True,
        columns=(
            Column("Percent", ".status.percent", "The percentage that is in.", "integer"),
            Column("Progress", ".status.progress", "Which step of how many."),
            Column("Phase", ".status.phase", "The one word for where it stands."),
            Column("Waiting-On", ".status.waitingOnShort", "What it waits for, in a few words."),
            Column(
                "Earliest",
                ".status.earliestAdvance",
                "When clocks alone allow a step.",
                is_wide=True,
            ),
            Column(
                "Ready",
                '.status.conditions[?(@.type=="Ready")].status',
                "True once it is completed.",
                is_wide=True,
            ),
            Column(
                "Reason",
                ".status.reason",
                "Why it is in this phase, where that says more than the phase.",
                is_wide=True,
            ),
            replace(AGE, is_wide=True),
        ),
    ),
    Definition(
        model=Checkpoint,
        short_name="sfc",
        columns=(
            OF_ROLLOUT,
            Column("Percent", ".spec.request.percent", "The percentage it is about.", "integer"),
            Column("Checkpoint", ".spec.request.name", "Its name in the plan.", is_wide=True),
            Column("Type", ".spec.request.type", "What kind of checkpoint it is."),
            STATE,
            Column("Due", ".spec.request.dueAt", "When it is late.", is_wide=True),
            AGE,
        ),
        selectable=(".status.state", ".spec.request.name", ".spec.request.rollout.name"),
        status_at_first=PENDING,
    ),
    Definition(
        model=Approval,
        short_name="sfa",
        columns=(
            OF_ROLLOUT,
            Column(
                "From", ".spec.request.from", "The percentage being left.", "integer", is_wide=True
            ),
            Column("To", ".spec.request.to", "The percentage asked for.", "integer"),
            Column("Role", ".spec.request.role", "The role that is asked."),
            STATE,
            Column("Expires", ".status.expiresAt", "Until when a GO counts.", is_wide=True),
            AGE,
            Column(
                "Purpose",
                ".spec.request.purpose",
                "What it is for; DryRun counts for nothing.",
                is_wide=True,
            ),
        ),
        selectable=(".status.state", ".spec.request.role", ".spec.request.rollout.name"),
        status_at_first=PENDING,
    ),
)
