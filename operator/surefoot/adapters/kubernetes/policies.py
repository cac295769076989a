"""Whether the admission policies are in force: the `Policies` port on a real API server.

A policy that is read back as it was shipped is still not known to act, and one that acts may have
been weakened in the part that no probe touches. So both are looked at, at once. What was compared
once need not be read again as long as its version is the same (decision 55).
"""

import asyncio
import re
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from surefoot.adapters.kubernetes.http import JSON, Http
from surefoot.adapters.kubernetes.objects import head_of, is_object
from surefoot.api.v1alpha1.approval import ApprovalRequest, ApprovalSpec, Decision
from surefoot.api.v1alpha1.meta import API_VERSION, MANAGED_LABEL, ObjectReference, Signer
from surefoot.application.ports import AdmissionStatus, ObjectHead
from surefoot.application.rbac import with_remedy
from surefoot.domain.facts.snapshot import Admission
from surefoot.errors import ApiError, Conflict, NotFound, Refused, Unavailable
from surefoot.policies import Manifest, PolicySettings, shipped
from surefoot.policies.config_maps import PROBE
from surefoot.policies.rendering import API

WITHIN = 2.0
"""Seconds for each request. Later is not known."""
PROBE_NAME = "surefoot-probe"
LONGEST_FAULT = 400

REFUSING_KINDS = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
"""All guarantees are in these. The others only fill in names."""
SELECTOR = "app.kubernetes.io/part-of=surefoot"

ALIVE = AdmissionStatus(Admission.ENFORCED)
APPROVAL = "probe with an Approval"
T = TypeVar("T")
_Name = tuple[str, str]
"""Kind and name."""
_DENIED_BY_US = re.compile(
    rf'403: \S+ "{PROBE_NAME}" is forbidden: ValidatingAdmissionPolicy \'surefoot-'
)
"""From the beginning of what the API server says, so that no other refusal can quote it."""


class KubernetesPolicies:
    """The `Policies` port. ``namespace`` is the operator's own, where the probes go."""

    def __init__(self, http: Http, settings: PolicySettings, *, namespace: str) -> None:
        self._http = http
        self._settings = settings
        self._namespace = namespace
        self._shipped = _by_kind(shipped(settings))
        self._user: str | None = None
        self._as_shipped: dict[_Name, ObjectHead] = {}
        """Which version of each policy and binding was compared, and is as shipped."""
        self._proven: frozenset[tuple[str, ObjectHead]] | None = None
        """With which versions the last whole look found the policies in force."""

    async def check(self, *, whole: bool = True) -> AdmissionStatus:
        """Look once.

        A whole look finds out who we are, whether the policies act, and whether they are those
        shipped. Otherwise one probe is enough, as long as every policy and binding that refuses is
        still of the version that the last whole look found in force.
        """
        if not whole and self._proven is not None:
            proven, probe = self._proven, self._bounded(APPROVAL, self._probe_approvals())
            alive, listed = await asyncio.gather(
                probe, asyncio.gather(*map(self._heads, REFUSING_KINDS))
            )
            heads = {
                head for kind_heads in listed if isinstance(kind_heads, set) for head in kind_heads
            }
            if heads >= proven:
                return _together((alive,))
            if faults := [status for status in listed if isinstance(status, AdmissionStatus)]:
                return _together((alive, *faults))
        return await self._look_at_all()

    async def _look_at_all(self) -> AdmissionStatus:
        self._proven = None
        kinds = tuple(self._shipped)
        who, approval, config_map, listed = await asyncio.gather(
            self._bounded("ask who the operator is", self._identity()),
            self._bounded(APPROVAL, self._probe_approvals()),
            self._bounded("probe with a ConfigMap", self._probe_config_maps()),
            asyncio.gather(*map(self._objects, kinds)),
        )
        compared = (
            status
            for kind, objects in zip(kinds, listed, strict=True)
            for status in self._compare(kind, objects)
        )
        together = _together((who, *compared, approval, config_map))
        if together == ALIVE:
            self._proven = frozenset(
                (kind, head)
                for (kind, _), head in self._as_shipped.items()
                if kind in REFUSING_KINDS
            )
        return together

    async def _bounded(self, what: str, look: Awaitable[T]) -> T | AdmissionStatus:
        try:
            async with asyncio.timeout(WITHIN):
                return await look
        except TimeoutError:
            return _unknown(f"{what}: no answer within {WITHIN:.0f} s")
        except Refused as error:
            # Whatever the operator may not look at, nobody can tell it.
            fault = with_remedy(error)
            return _missing(fault) if error.status == 403 else _unknown(fault)
        except ApiError as error:
            return _unknown(str(error))

    async def _identity(self) -> AdmissionStatus:
        """Policies that are made for another user would refuse every write of ours."""
        if self._user is None:
            user = await self._http.who_am_i("ask who the operator is")
            self._user = str(user["username"])
        if self._user == self._settings.operator:
            return ALIVE
        return _missing(
            f"the operator runs as {self._user}, the policies are made for "
            f"{self._settings.operator}: set policies.operator"
        )

    def _compare(
        self, kind: str, listed: Mapping[str, JSON] | AdmissionStatus
    ) -> Iterator[AdmissionStatus]:
        """Compare all of a kind with what this version ships."""
        if isinstance(listed, AdmissionStatus):
            yield listed
            return
        for name, wanted in self._shipped[kind].items():
            yield self._compare_one(wanted, listed.get(name))

    def _compare_one(self, wanted: Manifest, actual: JSON | None) -> AdmissionStatus:
        kind, name = wanted["kind"], wanted["metadata"]["name"]
        before = self._as_shipped.pop((kind, name), None)
        if actual is None:
            fault = f"{_named(wanted)} is missing, or has lost its label {SELECTOR}"
            return _missing(fault) if kind in REFUSING_KINDS else ALIVE
        head = head_of(actual)
        differing = None
        if before != head:
            differing = first_difference(wanted["spec"], actual.get("spec"))
        if differing is not None:
            return _missing(f"{_named(wanted)} is not as shipped: {differing or 'spec'} differs")
        self._as_shipped[kind, name] = head
        return ALIVE

    async def _objects(self, kind: str) -> dict[str, JSON] | AdmissionStatus:
        """All of a kind, by name."""
        return await self._bounded(f"list {_plural(kind)}", self._listed(kind, whole=True))

    async def _heads(self, kind: str) -> set[tuple[str, ObjectHead]] | AdmissionStatus:
        """Which versions there are of a kind."""
        listed = await self._bounded(f"list {_plural(kind)}", self._listed(kind, whole=False))
        if isinstance(listed, AdmissionStatus):
            return listed
        return {(kind, head_of(item)) for item in listed.values()}

    async def _listed(self, kind: str, *, whole: bool) -> dict[str, JSON]:
        """What there is of a kind, by name; else the metadata alone. It is never out of a cache.

        Those that only fill in names may be missing, and so may their API (Kubernetes before 1.36).
        """
        what, path = f"list {_plural(kind)}", f"/apis/{API}/{_plural(kind)}"
        objects: dict[str, JSON] = {}
        selected = {"labelSelector": SELECTOR}
        try:
            async for page in self._http.pages(what, path, selected, metadata_only=not whole):
                items = page.get("items")
                if not isinstance(items, list) or not all(map(is_object, items)):
                    raise Unavailable(f"{what}: the answer is not a list of objects")
                objects |= {item["metadata"]["name"]: item for item in items}
        except NotFound:
            if kind in REFUSING_KINDS:
                raise
        return objects

    async def _probe_approvals(self) -> AdmissionStatus:
        path = f"/apis/{API_VERSION}/namespaces/{quote(self._namespace)}/approvals"
        return await self._probe("a decided Approval", path, _decided_approval())

    async def _probe_config_maps(self) -> AdmissionStatus:
        path = f"/api/v1/namespaces/{quote(self._namespace)}/configmaps"
        return await self._probe(f"a ConfigMap labelled {MANAGED_LABEL}", path, _config_map())

    async def _probe(self, what: str, path: str, body: JSON) -> AdmissionStatus:
        """Try to create what the policies refuse. Nothing is stored, whatever they say."""
        try:
            await self._http.write(
                f"probe with {what}", "POST", f"{path}?dryRun=All", body, is_fenced=False
            )
        except Conflict:
            pass  # it got as far as the store: admission had let it pass
        except Refused as error:
            message = str(error).removeprefix(f"probe with {what}: ")
            if _DENIED_BY_US.match(message):
                return ALIVE
            raise
        return _missing(f"{what} was let pass, which the policies refuse")


def first_difference(wanted: Any, actual: Any, path: str = "") -> str | None:
    """The path of the first part that differs, such as `validations[3].expression`; None if none.

    The empty path means the whole. What is there and was not shipped differs as well: a condition
    that was added can switch a policy off.
    """
    if isinstance(wanted, dict) and isinstance(actual, dict):
        parts = _members(wanted, actual, path)
    elif isinstance(wanted, list) and isinstance(actual, list):
        parts = _items(wanted, actual, path)
    else:
        return None if wanted == actual else path
    return next(
        (differs for w, f, at in parts if (differs := first_difference(w, f, at)) is not None), None
    )


_NOTHING = object()
Part = tuple[Any, Any, str]


def _members(wanted: Mapping[str, Any], actual: Mapping[str, Any], path: str) -> Iterator[Part]:
    for name in dict.fromkeys((*wanted, *actual)):
        at = f"{path}.{name}" if path else name
        yield wanted.get(name, _NOTHING), actual.get(name, _NOTHING), at


def _items(wanted: list[Any], actual: list[Any], path: str) -> Iterator[Part]:
    for index in range(max(len(wanted), len(actual))):
        yield _item(wanted, index), _item(actual, index), f"{path}[{index}]"


def _item(items: list[Any], index: int) -> Any:
    return items[index] if index < len(items) else _NOTHING


def _together(statuses: Iterable[AdmissionStatus]) -> AdmissionStatus:
    """The worst that was found. What is certainly wrong outranks what is not known."""
    faulty = [status for status in statuses if status != ALIVE]
    for admission in (Admission.NOT_ENFORCED, Admission.UNKNOWN):
        faults = [status.fault for status in faulty if status.admission is admission]
        if faults:
            more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
            return AdmissionStatus(admission, faults[0][:LONGEST_FAULT] + more)
    return ALIVE


def _missing(fault: str) -> AdmissionStatus:
    return AdmissionStatus(Admission.NOT_ENFORCED, fault)


def _unknown(fault: str) -> AdmissionStatus:
    return AdmissionStatus(Admission.UNKNOWN, fault)


def _named(manifest: Manifest) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def _plural(kind: str) -> str:
    return f"{kind.lower()}s" if kind.endswith("Binding") else f"{kind.lower()[:-1]}ies"


def _by_kind(manifests: Iterable[Manifest]) -> dict[str, dict[str, Manifest]]:
    by_kind: dict[str, dict[str, Manifest]] = {}
    for manifest in manifests:
        by_kind.setdefault(manifest["kind"], {})[manifest["metadata"]["name"]] = manifest
    return by_kind


def _decided_approval() -> JSON:
    """Valid by its schema, so that nothing but the policies can refuse it."""
    spec = ApprovalSpec(
        request=ApprovalRequest(
            rollout=ObjectReference(name=PROBE_NAME, uid=PROBE_NAME),
            plan_hash="",
            attempt=0,
            from_=0,
            to=0,
            role=PROBE_NAME,
        ),
        decision=Decision.NO_GO,
        reason="a probe: the policies must refuse it, and nothing is stored",
        decided_by=Signer(username=PROBE_NAME),
    )
    return {
        "apiVersion": API_VERSION,
        "kind": "Approval",
        "metadata": {"name": PROBE_NAME},
        "spec": spec.to_wire(),
    }


def _config_map() -> JSON:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": PROBE_NAME, "labels": {MANAGED_LABEL: PROBE}},
    }
