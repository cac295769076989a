"""What the three kinds share: names on the wire, scalar types with their bounds, rules.

A constraint is written once, here or on a model, and holds twice: pydantic enforces it on every
object read or made, and `crdgen` turns it into the structural schema that the API server enforces.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    SerializationInfo,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from surefoot.api.v1alpha1 import names
from surefoot.api.v1alpha1.durations import (
    BOUND_PATTERN,
    DURATION_PATTERN,
    ELAPSED_PATTERN,
    LARGEST_BOUND,
    LONGEST_DURATION,
    parse_bound,
    parse_duration,
)
from surefoot.api.v1alpha1.moments import (
    EARLIEST,
    MOMENT_PATTERN,
    nearest_moment,
    parse_moment,
    within_calendar,
)

GROUP = "surefoot.dev"
VERSION = "v1alpha1"
API_VERSION: Final = names.API_VERSION

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_LABEL = f"{GROUP}/managed"
ROLLOUT_ANNOTATION = f"{GROUP}/rollout"
ROLLOUT_UID_ANNOTATION = f"{GROUP}/rollout-uid"
TRANSITION_ID_ANNOTATION = f"{GROUP}/transition-id"
ABANDONED_ANNOTATION = f"{GROUP}/abandoned"
ON_DELETE_ANNOTATION = f"{GROUP}/on-delete"
FORMAT_ANNOTATION = f"{GROUP}/format"
ADOPT_ANNOTATION = names.ADOPT_ANNOTATION
REHEARSAL_OF_ANNOTATION = f"{GROUP}/rehearsal-of"
"""On the ConfigMap that a rehearsal rolls back: the one that it is a copy of."""
REQUESTED_BY_ANNOTATION = f"{GROUP}/requested-by"
"""On a Rollout: the author of the last change of its plan, stamped by admission."""
AUTHORS_ANNOTATION = f"{GROUP}/authors"
"""On a Rollout: everybody who ever changed its plan, joined by commas; it only grows."""
AUTHOR_SEPARATOR = ","
SIGNER_PATTERN = r"[!-+\--~]+"
"""All of a name that cannot be mistaken for another: printable ASCII without spaces, and without
commas, which separate the authors of a plan."""
CHANGED_BY_ANNOTATION = names.CHANGED_BY_ANNOTATION
ATTEMPT_BY_ANNOTATION = names.ATTEMPT_BY_ANNOTATION
ON_BEHALF_OF_ANNOTATION = f"{GROUP}/on-behalf-of"
"""On a Rollout: the person behind a GitOps tool. Free, so never verified; it only takes rights."""
VERSION_LABEL = "app.kubernetes.io/version"
"""On a CustomResourceDefinition of ours: the version of Surefoot that it was made for."""
HALT_CONFIGMAP = names.HALT_CONFIGMAP
ALLOWED_SIGNERS_CONFIGMAP = "surefoot-allowed-signers"
"""In the operator's namespace: whose keys detached signatures may be made with."""
ALLOWED_SIGNERS_KEY = "allowed_signers"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule over several fields: ``cel`` for the API server, ``holds`` for Python, one message.

    ``message`` says what must be, in the words a person sees from `kubectl apply`.
    Transition rules (``cel`` mentions ``oldSelf``) need two objects; Python has only one of them,
    so for these ``holds`` is ``None``. ``field`` is the path of the field at fault, such as
    ``.steps``, where it is one: the API server then names it in front of the message.
    """

    cel: str
    message: str
    holds: Callable[[Any], bool] | None
    field: str = ""


class ApiModel(BaseModel):
    """A frozen piece of the wire contract: camelCase on the wire, unknown fields ignored.

    ``rules`` are checked on construction and become ``x-kubernetes-validations``.
    """

    model_config = ConfigDict(
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        ser_json_inf_nan="null",
        defer_build=True,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _every_rule_holds(self) -> Self:
        for rule in self.rules:
            if rule.holds is not None and not rule.holds(self):
                raise ValueError(rule.message)
        return self

    def to_wire(self) -> dict[str, Any]:
        """The object as JSON values, absent where it says nothing."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


@dataclass(frozen=True, slots=True)
class Extension:
    """Adds keywords such as ``x-kubernetes-list-type`` to a field's schema."""

    keywords: tuple[tuple[str, Any], ...]

    def __get_pydantic_json_schema__(
        self, inner: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Pydantic's hook: the inner schema, with the keywords added."""
        schema = handler(inner)
        schema.update((name, list(v) if isinstance(v, tuple) else v) for name, v in self.keywords)
        return schema


def extension(**keywords: Any) -> Extension:
    """``extension(x_kubernetes_list_type="set")``: underscores become dashes."""
    return Extension(tuple((name.replace("_", "-"), value) for name, value in keywords.items()))


def map_list(key: str) -> tuple[AfterValidator, Extension]:
    """A list whose entries are told apart by ``key``: no key twice, merged by key on apply."""

    def no_duplicates(entries: tuple[Any, ...]) -> tuple[Any, ...]:
        return _without_duplicates(entries, lambda entry: getattr(entry, key), key)

    return AfterValidator(no_duplicates), extension(
        x_kubernetes_list_type="map", x_kubernetes_list_map_keys=(to_camel(key),)
    )


def _without_duplicates(
    entries: tuple[Any, ...], identity: Callable[[Any], Hashable], what: str
) -> tuple[Any, ...]:
    seen: set[Hashable] = set()
    for entry in entries:
        if identity(entry) in seen:
            raise ValueError(f'the {what} "{identity(entry)}" is there twice')
        seen.add(identity(entry))
    return entries


def _no_repeats(entries: tuple[str, ...]) -> tuple[str, ...]:
    return _without_duplicates(entries, lambda entry: entry, "entry")


SET_LIST = (AfterValidator(_no_repeats), extension(x_kubernetes_list_type="set"))
"""A list of scalars in which nothing appears twice."""

ATOMIC = extension(x_kubernetes_list_type="atomic")


READING: Final = {"reading": True}
"""Validation context for what an API server has stored. A bound that was drawn tighter since does
not make an object unreadable: the API server refuses what is new and keeps what it has."""

_BLANK = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
"""What CEL's `trim()` takes away: Unicode's white space. Python's `strip()` takes U+001C to U+001F
as well."""


def is_blank(text: str | None) -> bool:
    """Whether a text says nothing, by the measure of the API server."""
    return not (text or "").strip(_BLANK)


def _is_duration(text: str, info: ValidationInfo) -> str:
    length = parse_duration(text)
    if length > parse_duration(LONGEST_DURATION) and info.context != READING:
        raise ValueError(f'"{text}" is too long: a duration is at most {LONGEST_DURATION}')
    return text


def _is_bound(bound: int | str) -> int | str:
    parse_bound(bound)
    return bound


@dataclass(frozen=True, slots=True)
class Between:
    """A bound or factor lies between two whole numbers, however it is written."""

    least: int
    most: int
    of_what: str

    @property
    def message(self) -> str:
        """What a person reads."""
        return f"must be from {self.least} to {self.most} {self.of_what}"

    @property
    def cel(self) -> str:
        """The same for the API server. A text of another form has its own message."""
        number = "double(self.replace('%', '')) / (self.endsWith('%') ? 100.0 : 1.0)"
        return (
            f"type(self) == int ? self >= {self.least} && self <= {self.most} : "
            f"type(self) != string || !self.matches(r'{BOUND_PATTERN}') || "
            f"({number} >= {self.least}.0 && {number} <= {self.most}.0)"
        )

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Pydantic's hook: the inner validation, and then the range."""
        return core_schema.with_info_after_validator_function(self._keep, handler(source))

    def _keep(self, bound: int | str, info: ValidationInfo) -> int | str:
        if info.context != READING and not self.least <= parse_bound(bound) <= self.most:
            raise ValueError(f"{bound} {self.message}")
        return bound

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Pydantic's hook: the inner schema with the range."""
        rule = {"rule": self.cel, "message": self.message, "reason": "FieldValueInvalid"}
        return {
            **handler(schema),
            "minimum": self.least,
            "maximum": self.most,
            "x-kubernetes-validations": [rule],
        }


CANONICAL: Final = {"canonical": True}
"""Serialization context in which a value does not depend on how it was spelled."""


def _seconds_if_canonical(text: str, info: SerializationInfo) -> str | float:
    return parse_duration(text).total_seconds() if info.context == CANONICAL else text


def _number_if_canonical(bound: int | str, info: SerializationInfo) -> int | str | float:
    return parse_bound(bound) if info.context == CANONICAL else bound


def _as_moment(value: Any, info: ValidationInfo) -> Any:
    """Read a text as the API server does. Pydantic would read a number as seconds since 1970."""
    if isinstance(value, str):
        return nearest_moment(value) if info.context == READING else parse_moment(value)
    if isinstance(value, datetime):
        return within_calendar(value)
    raise ValueError(f"{value} is not a moment: write 2026-03-01T10:00:00Z")


def _as_expiry(value: Any, info: ValidationInfo) -> Any:
    """Read a moment after which something does not count. One that cannot be read is long past."""
    try:
        return _as_moment(value, info)
    except ValueError:
        if info.context == READING:
            return EARLIEST
        raise


def _with_microseconds(moment: datetime) -> str:
    return f"{moment.isoformat(timespec='microseconds')[:26]}Z"


def _to_the_second(moment: datetime) -> str:
    return f"{moment.isoformat(timespec='seconds')[:19]}Z"


def _cut_to(length: int) -> BeforeValidator:
    def cut(text: Any) -> Any:
        if isinstance(text, str) and len(text) > length:
            return text[: length - 1] + "…"
        return text

    return BeforeValidator(cut)


_MOMENT: Final = {"type": "string", "format": "date-time", "pattern": MOMENT_PATTERN}

Duration = Annotated[
    str,
    Field(min_length=2, max_length=32, pattern=DURATION_PATTERN),
    AfterValidator(_is_duration),
    PlainSerializer(_seconds_if_canonical, return_type=str | float, when_used="json"),
]
Elapsed = Annotated[str, Field(min_length=2, max_length=48, pattern=ELAPSED_PATTERN)]
Bound = Annotated[
    Annotated[int, Field(strict=True, ge=-LARGEST_BOUND, le=LARGEST_BOUND)] | str,
    AfterValidator(_is_bound),
    PlainSerializer(_number_if_canonical, return_type=int | str | float, when_used="json"),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "minimum": -LARGEST_BOUND,
            "maximum": LARGEST_BOUND,
            "maxLength": 32,
            "pattern": BOUND_PATTERN,
        }
    ),
]
Instant = Annotated[
    datetime,
    BeforeValidator(_as_moment),
    PlainSerializer(_with_microseconds, when_used="json"),
    WithJsonSchema(_MOMENT),
]
"""A moment that decides something: kept with microseconds."""
Time = Annotated[
    datetime,
    BeforeValidator(_as_moment),
    PlainSerializer(_to_the_second, when_used="json"),
    WithJsonSchema(_MOMENT),
]
"""A moment as Kubernetes writes it: to the second."""
Expiry = Annotated[
    datetime,
    BeforeValidator(_as_expiry),
    PlainSerializer(_to_the_second, when_used="json"),
    WithJsonSchema(_MOMENT),
]
"""A moment after which something does not count. One that cannot be read has passed."""

Percent = Annotated[int, Field(strict=True, ge=0, le=100)]
"""Strict, as every number here: the API server takes no "10" for 10."""
Name = Annotated[
    str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
]
ObjectName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    ),
]
"""A name as the API server takes it for a ConfigMap: labels joined by dots."""
LONGEST_IDENTITY: Final = 256
MOST_EXCLUDED: Final = 256
"""How many users a request can exclude."""
Identity = Annotated[str, Field(min_length=1, max_length=LONGEST_IDENTITY)]
"""A user or group name as the API server knows it."""
Identities = Annotated[tuple[Identity, ...], Field(max_length=32), *SET_LIST]
Text = Annotated[str, Field(max_length=1024)]
Message = Annotated[str, _cut_to(2048), Field(max_length=2048)]
"""Something we say. Cut rather than refused: a long message must never stop a status write."""
Word = Annotated[str, _cut_to(256), Field(max_length=256)]
Whole = Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)]
Flag = Annotated[bool, Field(strict=True)]
"""True or false, and nothing that reads like it."""


class ObjectMeta(ApiModel):
    """What Surefoot reads of an object's metadata."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class Condition(ApiModel):
    """One named aspect of the state, as Kubernetes tools expect it."""

    type: Annotated[str, Field(max_length=64)]
    """Which aspect. Positive: True means that it does not block."""
    status: Annotated[str, Field(pattern="^(True|False|Unknown)$")]
    """True, False or Unknown."""
    reason: Annotated[str, Field(max_length=64)]
    """Why, as one stable CamelCase word."""
    message: Message = ""
    """Why, for people, with numbers."""
    last_transition_time: Time
    """When the status last changed."""
    observed_generation: Whole = 0
    """The generation of the object that this was judged for."""


class ObjectReference(ApiModel):
    """An object of the same namespace, by name and identity."""

    name: Annotated[str, Field(max_length=253)]
    """Its name."""
    uid: Annotated[str, Field(max_length=64)]
    """The UID of that object. Another object of the same name does not count."""


class DecisionReference(ApiModel):
    """A decision exactly as it was written: an object of the same namespace at one generation."""

    name: Annotated[str, Field(max_length=253)]
    """The object's name."""
    uid: Annotated[str, Field(max_length=64)]
    """The UID of that object. Another object of the same name does not count."""
    generation: Whole
    """The generation of that object. Once it is decided again, it has another one."""


class Signer(ApiModel):
    """A person, as the API server authenticated them."""

    username: Identity
    """The user name."""
    uid: Annotated[str, Field(max_length=256)] | None = None
    """The user's UID, where the authenticator gives one."""


SIGNED_BY_SOMEBODY = Rule(
    cel="has(self.decision) == has(self.decidedBy)",
    message='a decision and its signer go together: add "decidedBy":{"username":"'
    "'$(kubectl auth whoami -o jsonpath='{.status.userInfo.username}')'"
    '"} to spec',
    holds=lambda spec: (spec.decision is None) == (spec.decided_by is None),
    field=".decidedBy",
)
"""People do not see this where the admission policies fill in names."""


class DecisionCondition(ApiModel):
    """Something that a GO asks for."""

    name: Name
    """What it is called; unique within the decision."""
    text: Text
    """What is asked for, in words."""
    blocking: Flag = False
    """Whether the GO counts only once this is met."""


class ConditionStatus(ApiModel):
    """What became of something that a GO asks for."""

    name: Name
    """What it is called in the decision."""
    met: Flag = False
    """Whether it was reported as met."""
    at: Instant | None = None
    """When the operator first saw that report."""
    by: Word = ""
    """The person who reported it."""
