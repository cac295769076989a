"""report bundle: an archive of all that a maintainer needs, read with the person's own rights."""

import io
import json
import re
import tarfile
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from surefoot.api.v1alpha1.rollout import RESERVED_KEYS
from surefoot.errors import ApiError, NotFound
from surefoot.plugin import explanation, helping, output
from surefoot.plugin.session import Declined, Session, path_of

JSON = dict[str, Any]
LOG_LINES = 5000
REDACTED = "REDACTED"
SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)?$|secret|token|api[-_]?key|credential|authorization|cookie|private[-_]?key"
    r"|last-applied-configuration",
    re.IGNORECASE,
)
"""Names whose values are taken out, wherever they stand."""
NOT_SECRET = re.compile(r"(file|ref|name|mount.*|automount.*)$", re.IGNORECASE)
"""Such a name says where a secret is, and not what it is."""
SECRET_TEXT = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^/\s:@]+:[^/\s@]+@"
    r"|(?P<bearer>(?:bearer|basic)\s+)[a-z0-9._~+/=-]{8,}"
    r"|(?P<jwt>\beyJ[\w-]+\.[\w-]+\.[\w-]+)"
    r"|(?P<pair>(?:password|secret|token|api_?key)=)[^\s&\"']+",
    re.IGNORECASE,
)


def without_secrets(value: Any) -> Any:
    """The value with all that may be secret taken out. Pure."""
    if isinstance(value, dict):
        return {
            name: REDACTED if _is_secret(str(name), inner) else without_secrets(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_environment(inner) for inner in value]
    return text_without_secrets(value) if isinstance(value, str) else value


def _is_secret(name: str, value: Any) -> bool:
    is_text = isinstance(value, str | int)
    return is_text and bool(SECRET_NAME.search(name)) and not NOT_SECRET.search(name)


def _environment(value: Any) -> Any:
    """An entry of a list; `{name: PASSWORD, value: …}` names what its value is."""
    found = without_secrets(value)
    if isinstance(found, dict) and SECRET_NAME.search(str(found.get("name"))) and "value" in found:
        return {**found, "value": REDACTED}
    return found


def text_without_secrets(text: str) -> str:
    """A text without what looks like credentials. Pure."""

    def replaced(match: re.Match[str]) -> str:
        kept = match["scheme"] or match["bearer"] or match["pair"] or ""
        return f"{kept}{REDACTED}{'@' if match['scheme'] else ''}"

    return SECRET_TEXT.sub(replaced, text)


class Archive:
    """Files of JSON and text in memory, and what could not be read."""

    def __init__(self, made_at: datetime) -> None:
        self._files: dict[str, bytes] = {}
        self._made_at = made_at
        self.missing: list[str] = []

    def add(self, name: str, value: Any) -> None:
        """Add a value, without secrets."""
        text = json.dumps(without_secrets(value), indent=2, ensure_ascii=False)
        self._files[name] = f"{text}\n".encode()

    def add_text(self, name: str, text: str) -> None:
        """Add a text, without secrets."""
        self._files[name] = text_without_secrets(text).encode()

    async def try_to_add(self, name: str, read: Callable[[], Awaitable[Any]]) -> Any:
        """Add what is read; where it cannot be read, why."""
        try:
            value = await read()
        except NotFound:
            return None
        except ApiError as error:
            self.missing.append(f"{name}: {output.safe(str(error))}")
            return None
        self.add(name, value)
        return value

    def write(self, path: Path) -> int:
        """Write all, and answer with how many files there are."""
        said = "\n".join(self.missing) or "Everything could be read."
        self._files["MISSING.txt"] = f"{said}\n".encode()
        with tarfile.open(path, "w:gz") as archive:
            for name, content in sorted(self._files.items()):
                info = tarfile.TarInfo(f"surefoot-bundle/{name}")
                info.size, info.mtime = len(content), int(self._made_at.timestamp())
                archive.addfile(info, io.BytesIO(content))
        return len(self._files)


async def bundle(session: Session, file: Path | None, home: str) -> int:
    """Write the archive."""
    rollouts = await session.rollouts()
    now = session.now()
    archive = Archive(now)
    archive.add("rollouts.json", rollouts)
    said = [explanation.explanation(raw, now) for raw in rollouts]
    archive.add("explanations.json", said)
    await _add_requests(session, archive, rollouts)
    at_home = Session(session.http, session.now, home)
    await archive.try_to_add("versions.json", lambda: helping.versions(at_home))
    await _add_operator(session, archive, home)
    path = file or Path(f"surefoot-bundle-{now:%Y%m%d-%H%M%S}.tar.gz")
    try:
        count = archive.write(path)
    except OSError as error:
        raise Declined(f"{path} cannot be written: {(error.strerror or '').lower()}") from error
    output.say(f"{path}: {count} files on {len(rollouts)} Rollouts; secrets are taken out of it")
    for line in archive.missing:
        output.warn(f"Note: not in it: {line}")
    return 0


async def _add_requests(session: Session, archive: Archive, rollouts: list[JSON]) -> None:
    for plural in ("checkpoints", "approvals"):
        await archive.try_to_add(f"{plural}.json", partial(session.requests, plural))
    for namespace in sorted({raw["metadata"]["namespace"] for raw in rollouts}):
        await archive.try_to_add(f"events-{namespace}.json", partial(_events, session, namespace))
    for raw in rollouts:
        namespace = raw["metadata"]["namespace"]
        name = str(((raw.get("spec") or {}).get("target") or {}).get("configMapName"))
        await archive.try_to_add(
            f"configmaps/{namespace}/{name}.json",
            partial(_config_map, session, raw, name),
        )


async def _config_map(session: Session, rollout: JSON, name: str) -> JSON:
    found = await session.config_map(rollout["metadata"]["namespace"], name)
    return of_the_flags_alone(found, rollout["spec"]["target"].get("flags") or ())


def of_the_flags_alone(config_map: JSON, flags: Iterable[str]) -> JSON:
    """The ConfigMap without the values of keys that are its owners', and no flag's. Pure."""
    ours = {*RESERVED_KEYS, *(key for flag in flags for key in (flag, f"{flag}.json"))}
    return config_map | {
        part: {key: value if key in ours else REDACTED for key, value in config_map[part].items()}
        for part in ("data", "binaryData")
        if config_map.get(part)
    }


async def _events(session: Session, namespace: str) -> list[JSON]:
    path = f"/apis/events.k8s.io/v1/namespaces/{quote(namespace)}/events"
    found: list[JSON] = []
    async for page in session.http.pages(f"list events in {namespace}", path):
        found += page.get("items") or ()
    kinds = {"Rollout", "Checkpoint", "Approval"}
    return [each for each in found if (each.get("regarding") or {}).get("kind") in kinds]


async def _add_operator(session: Session, archive: Archive, home: str) -> None:
    """The operator's Deployment, its pods with their logs, its halt, and the policies."""
    http, core, apps = session.http, f"/api/v1/namespaces/{home}", "/apis/apps/v1"
    for name, path in (
        ("operator/deployments.json", f"{apps}/namespaces/{home}/deployments"),
        ("operator/pods.json", f"{core}/pods"),
        ("operator/leases.json", f"/apis/coordination.k8s.io/v1/namespaces/{home}/leases"),
        ("operator/halt.json", path_of("configmaps", home, "surefoot-halt")),
        (
            "policies.json",
            "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
        ),
        ("crds.json", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"),
    ):
        found = await archive.try_to_add(name, partial(_ours, http, path))
        if name.endswith("pods.json"):
            await _add_logs(session, archive, home, found or {})


async def _ours(http: Any, path: str) -> JSON:
    found: JSON = await http.get(f"get {path.rpartition('/')[2]}", path)
    if "items" in found and "namespaces" not in path:
        items = [each for each in found["items"] if "surefoot" in each["metadata"]["name"]]
        return {**found, "items": items}
    return found


async def _add_logs(session: Session, archive: Archive, home: str, pods: JSON) -> None:
    for pod in pods.get("items") or ():
        name = pod["metadata"]["name"]
        if "surefoot" not in name:
            continue
        try:
            text = await session.log(home, name, LOG_LINES)
        except ApiError as error:
            archive.missing.append(f"the log of {name}: {output.safe(str(error))}")
        else:
            archive.add_text(f"operator/{name}.log", text)
