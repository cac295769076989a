"""diff, adopt: plans before they are applied."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import yaml

from surefoot.adapters.kubernetes.objects import config_map_from
from surefoot.adapters.kubernetes.objects import rollout_from as strictly_rollout_from
from surefoot.api.v1alpha1.durations import in_words
from surefoot.api.v1alpha1.names import ADOPT_ANNOTATION
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.cli.exits import NO, USAGE, fail
from surefoot.domain.facts.plan_hash import (
    SOAK_BEARING_PARTS,
    changed_parts,
    plan_hash,
    plan_parts,
)
from surefoot.domain.flag.config_map import adoption
from surefoot.domain.flag.formats.registry import FORMATS
from surefoot.errors import NotFound, SurefootError, Unavailable, UnreadableObject
from surefoot.lint.linter import lint, values
from surefoot.lint.printing import picture
from surefoot.lint.rules import YAML
from surefoot.lint.text import MOST_BYTES
from surefoot.plugin import output
from surefoot.plugin.amounts import (
    earliest_of,
    hold_of,
    length_of,
    moment_of,
    soak_of,
    written,
)
from surefoot.plugin.commands.options import Format
from surefoot.plugin.files import STDIN, BadFile, read_text
from surefoot.plugin.plans import skipped
from surefoot.plugin.reading import rollout_from
from surefoot.plugin.session import Declined, Session, error_text

JSON = dict[str, Any]
COMMON_STEPS = (1, 10, 25, 50, 100)
LIVE = frozenset({"Pending", "Go", "NoGo"})


@dataclass(frozen=True, slots=True)
class Manifest:
    """A Rollout as a file has it."""

    source: str
    raw: JSON

    @property
    def name(self) -> str:
        """The Rollout's name."""
        return str(self.raw["metadata"]["name"])

    @property
    def namespace(self) -> str | None:
        """The namespace that the file names, if any."""
        named = self.raw["metadata"].get("namespace")
        return None if named is None else str(named)


def read_manifest(source: str) -> Manifest:
    """The one Rollout of a file. Ends the command, saying where the file is wrong."""
    shown = "stdin" if source == STDIN else source
    try:
        text = read_text(source, MOST_BYTES)
    except BadFile as error:
        fail(USAGE, output.safe(str(error)))
    report = lint(shown, text)
    broken = next((each for each in report.findings if each.rule is YAML), None)
    if broken is not None:
        where = f"{shown}:{broken.line}:{broken.column}: {broken.message}"
        fail(USAGE, output.safe("\n".join((where, *picture(broken)))))
    plans = values(text)
    if not plans:
        fail(USAGE, output.safe(f"no Rollout is in {shown}{skipped(report, shown)}"))
    if len(plans) > 1:
        fail(USAGE, f"{output.safe(shown)} has {len(plans)} Rollouts, and one is needed")
    metadata = plans[0].get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        fail(USAGE, f"{output.safe(shown)}: the Rollout has no metadata.name")
    return Manifest(shown, plans[0])


# diff


async def diff(session: Session, wanted: Manifest, format_: Format) -> int:
    """What the edit costs."""
    raw = await session.rollout(wanted.name)
    before, refusal = rollout_from(raw), await _refusal(session, raw, wanted)
    spec = {**_peoples(raw["spec"]), **(wanted.raw.get("spec") or {})}
    after = _after(raw, spec, wanted.source, is_taken=refusal is None)
    requests = [
        request
        for plural in ("approvals", "checkpoints")
        for request in await session.requests_if_allowed(plural, raw) or ()
    ]
    unknown = {
        path
        for path, *_ in differences(
            unknown_parts(raw["spec"], before.spec.to_wire()),
            unknown_parts(spec, after.spec.to_wire()),
        )
    }
    found = costs(raw, before, after, requests, session.now())
    found |= {"unknown": sorted(unknown), "refusal": refusal}
    if format_.is_text:
        changes = differences(before.spec.to_wire(), after.spec.to_wire())
        where = f"{wanted.name} in {raw['metadata']['namespace']}"
        output.say_lines(_in_lines(where, list(changes), found))
    elif format_ is Format.NAME:
        output.say(f"rollout.surefoot.dev/{wanted.name}")
    else:
        output.say_data(found, format_)
    return 0 if refusal is None else NO


def _after(raw: JSON, spec: JSON, source: str, *, is_taken: bool) -> Rollout:
    """The Rollout as it would be. Ends the command where the schema would not take it.

    What the API server takes is right, though this command may not know all of it.
    """
    read = rollout_from if is_taken else strictly_rollout_from
    try:
        return read({**raw, "spec": spec, "status": {}})
    except UnreadableObject as error:
        fail(USAGE, f"{output.safe(source)}: {output.safe(str(error))}")


def unknown_parts(raw: object, wire: object) -> JSON:
    """What an object says that its model does not have, by path. Pure."""
    return dict(_unknown_parts(raw, wire, ""))


def _unknown_parts(raw: object, wire: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(raw, Mapping) and isinstance(wire, Mapping):
        for name, value in raw.items():
            below = f"{path}.{name}" if path else str(name)
            if name in wire:
                yield from _unknown_parts(value, wire[name], below)
            elif value is not None:
                yield below, value
    entries, known = _by_name(raw), _by_name(wire)
    if entries is None or known is None:
        return
    for name, entry in entries.items():
        below = f"{path}[{name}]"
        if name in known:
            yield from _unknown_parts(entry, known[name], below)
        else:
            yield below, entry


def _peoples(spec: JSON) -> JSON:
    """The fields that people set in the cluster, and no file: they stay."""
    names = ("paused", "rollback", "attempt", "approvalDryRun")
    return {name: spec[name] for name in names if name in spec}


async def _refusal(session: Session, raw: JSON, wanted: Manifest) -> str | None:
    """What the API server would refuse it for; None where it would take it."""
    new = wanted.raw.get("spec") or {}
    kept = _peoples(raw["spec"])
    gone = {name: None for name in raw["spec"] if name not in new and name not in kept}
    change = {"spec": _replacing(raw["spec"], {**new, **gone})}
    me = await session.whoami()
    change["metadata"] = {"annotations": {"surefoot.dev/changed-by": me.username}}
    try:
        await session.try_change("rollouts", raw, change)
    except Unavailable:
        raise
    except SurefootError as error:
        return error_text(error)
    return None


def _replacing(before: Mapping[str, Any], after: Mapping[str, Any]) -> JSON:
    """A merge patch that leaves nothing of what was there before and is not there after."""
    found: JSON = {}
    for name, value in after.items():
        old = before.get(name)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            gone = {each: None for each in old if each not in value}
            found[name] = {**_replacing(old, value), **gone}
        else:
            found[name] = value
    return found


def costs(raw: JSON, before: Rollout, after: Rollout, requests: list[JSON], now: datetime) -> JSON:
    """What an edit costs, as JSON values. Pure."""
    status = raw.get("status") or {}
    parts = plan_parts(before.spec), plan_parts(after.spec)
    changed = changed_parts(*parts)
    is_new_plan = plan_hash(before.spec) != plan_hash(after.spec)
    soak = soak_of(status, now)
    loses_soak = is_new_plan and bool(set(changed) & set(SOAK_BEARING_PARTS))
    void = [_decided(each) for each in requests if _would_be_void(raw, each)] if is_new_plan else []
    earliest = earliest_of(status)
    later = _earliest_after(status, after, now, loses_soak=loses_soak)
    return {
        "changed": list(changed),
        "planHash": {"before": plan_hash(before.spec), "after": plan_hash(after.spec)},
        "isNewPlan": is_new_plan,
        "void": void,
        "soak": None
        if soak is None
        else {"healthy": soak.fraction, "kept": not loses_soak, "because": _soak_because(changed)},
        "earliest": {"before": written(earliest), "after": written(later)},
        "later": in_words(later - max(earliest or now, now))
        if later is not None and later > max(earliest or now, now)
        else None,
    }


def _soak_because(changed: tuple[str, ...]) -> list[str]:
    return sorted(set(changed) & set(SOAK_BEARING_PARTS))


def _would_be_void(raw: JSON, request: JSON) -> bool:
    asked, state = request["spec"]["request"], (request.get("status") or {}).get("state")
    is_mine = asked["rollout"].get("uid") == raw["metadata"]["uid"]
    return is_mine and state in LIVE and bool(request["spec"].get("decision"))


def _decided(request: JSON) -> JSON:
    spec = request["spec"]
    asked = spec["request"]
    return {
        "name": request["metadata"]["name"],
        "as": asked.get("role") or asked.get("name"),
        "decision": spec.get("decision"),
        "by": (spec.get("decidedBy") or {}).get("username"),
    }


def _earliest_after(
    status: JSON, after: Rollout, now: datetime, *, loses_soak: bool
) -> datetime | None:
    """When the soak and the warm-up would let it move at the earliest; None before the start."""
    percent, since = status.get("percent"), moment_of(status.get("since"))
    if percent is None or since is None:
        return None
    hold = hold_of(after.spec.to_wire(), percent)
    account = soak_of(status, now)
    done = length_of("0s") if loses_soak or account is None else account.healthy
    left = max(length_of(hold.get("soak", "0s")) - done, length_of("0s"))
    began = now if loses_soak else since
    warm = began + length_of(hold.get("warmUp", "0s"))
    # While it warms up, nothing counts.
    return max(now, warm) + left if loses_soak else max(now + left, warm)


def _in_lines(
    where: str, changes: list[tuple[str, str, str]], found: JSON
) -> Iterator[output.Line]:
    unknown = found["unknown"]
    if unknown and not found["isNewPlan"]:
        yield f"{where}: the plan stays the same as far as this command knows it"
    elif not found["isNewPlan"]:
        yield f"{where}: the plan stays the same, and nothing is lost"
    else:
        yield f"{where}: the plan changes in {', '.join(found['changed'])}"
        for path, before, after in changes:
            yield (f"  {path}: ", output.Cell(before, "red"), " → ", output.Cell(after, "green"))
    if unknown:
        changes_too = f"{', '.join(unknown)} {'changes' if len(unknown) == 1 else 'change'}"
        yield f"  unknown     {changes_too}: a newer kubectl-surefoot can say what that costs"
    if found["void"]:
        said = ", ".join(
            f"{each['decision']} by {each['by']} as {each['as']}" for each in found["void"]
        )
        yield f"  signatures  void, and asked for again: {said}"
    elif found["isNewPlan"]:
        yield "  signatures  none were given, so none are lost"
    soak = found["soak"]
    if soak is not None:
        because = f": {', '.join(soak['because'])} changed" if soak["because"] else ""
        goes = "kept" if soak["kept"] else "lost, and begins again"
        yield f"  soak        {soak['healthy']} {goes}{because}"
    earliest = found["earliest"]
    if earliest["after"] is not None:
        later = f" ({found['later']} later)" if found["later"] else ""
        yield f"  earliest    {earliest['before'] or 'now'} → {earliest['after']}{later}"
    if found["refusal"] is not None:
        yield f"  refused     the API server would not take it: {found['refusal']}"
    else:
        yield "  accepted    the API server would take it"


def differences(before: object, after: object, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Where two values differ: the path, and both values. Entries are told by name. Pure."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys((*before, *after)):
            below = f"{path}.{name}" if path else str(name)
            yield from differences(before.get(name), after.get(name), below)
        return
    old, new = _by_name(before), _by_name(after)
    if old is not None and new is not None:
        for name in dict.fromkeys((*old, *new)):
            yield from differences(old.get(name), new.get(name), f"{path}[{name}]")
        return
    if before != after:
        yield path, _short(before), _short(after)


def _by_name(value: object) -> dict[object, object] | None:
    """The entries of a list by what tells them apart; None where nothing does."""
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        return None
    keys = ("name", "percent")
    key = next((key for key in keys if all(key in each for each in value)), None)
    return {each[key]: each for each in value} if key is not None else None


def _short(value: object) -> str:
    if value is None:
        return "absent"
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000).strip()
    text = text.removesuffix("...").strip()
    return text if len(text) <= 100 else f"{text[:99]}…"


# adopt


async def adopt(session: Session, config_map: str, name: str | None) -> int:
    """Print the plan."""
    try:
        raw = await session.config_map(session.namespace, config_map)
    except NotFound as error:
        raise Declined(f"there is no ConfigMap {config_map} {session.where}") from error
    manifest = plan_to_adopt(raw, name)
    for line in _how_to(session.namespace, config_map, manifest):
        output.say(f"# {line}" if line else "#")
    output.say(yaml.safe_dump(manifest, sort_keys=False, allow_unicode=False).rstrip())
    return 0


def plan_to_adopt(raw: JSON, name: str | None) -> JSON:
    """A plan that takes over the ConfigMap where it stands. `Declined` where none can. Pure."""
    config_map = config_map_from(raw)
    flags = sorted({flag for each in FORMATS.values() for flag in each.flags_in(config_map.data)})
    if not flags:
        raise Declined(
            f"ConfigMap {config_map.name} holds no flag that could be adopted: a flag is a "
            'key with a whole number from 0 to 100, such as checkout: "25"'
        )
    owner = config_map.annotations.get("surefoot.dev/rollout")
    if "surefoot.dev/managed" in config_map.labels:
        raise Declined(f"ConfigMap {config_map.name} is managed by Rollout {owner} already")
    faults = []
    for format_ in FORMATS:
        plan = _plan(config_map.name, flags, name or flags[0], raw, format_.value)
        found = adoption(config_map, strictly_rollout_from(plan))
        if found.percent is not None:
            del plan["metadata"]["uid"]
            return plan
        faults.append(found.message)
    raise Declined(faults[0])


def _plan(config_map: str, flags: list[str], name: str, raw: JSON, format_: str) -> JSON:
    data = raw.get("data") or {}
    numbers = {int(data[flag]) for flag in flags if str(data.get(flag, "")).isdecimal()}
    here = min(numbers, default=0)
    steps = sorted({*COMMON_STEPS, *({here} if 0 < here <= 100 else ())})
    ahead = [percent for percent in steps if percent >= here and percent > 0] or [100]
    target: JSON = {"configMapName": config_map, "flags": flags}
    if format_ != "Percentage":
        target["format"] = format_
    return {
        "apiVersion": "surefoot.dev/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": name, "namespace": raw["metadata"]["namespace"], "uid": "none"},
        "spec": {
            "target": target,
            "steps": [{"percent": percent} for percent in ahead],
            "hold": {"soak": "24h"},
        },
    }


def _how_to(namespace: str, config_map: str, manifest: JSON) -> Iterator[str]:
    name = manifest["metadata"]["name"]
    first = manifest["spec"]["steps"][0]["percent"]
    yield f"A plan that takes over ConfigMap {config_map} where it stands, and moves nobody."
    yield "Edit the steps, add gates, triggers and approvals; save it, and then:"
    yield ""
    yield f"  kubectl annotate configmap {config_map} -n {namespace} {ADOPT_ANNOTATION}={name}"
    yield "  kubectl apply --server-side -f FILE"
    yield f"  kubectl surefoot explain {name} -n {namespace}"
    yield ""
    yield f"The operator begins where the flag stands; the first step here is {first}%."
