"""version: of this command, of the CRDs that the cluster serves, and of the operator."""

import asyncio
import json
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import Any

from surefoot.errors import ApiError, NotFound
from surefoot.plugin import output
from surefoot.plugin.commands.options import Format
from surefoot.plugin.session import Session

JSON = dict[str, Any]
GROUP = "surefoot.dev"
NOT_INSTALLED = "not installed"


def client_version() -> str:
    """The version of this command."""
    try:
        return installed("surefoot")
    except PackageNotFoundError:
        return "not installed as a package"


def tell_client(format_: Format) -> None:
    """Print the version of this command alone."""
    _tell({"client": client_version()}, format_)


async def version(session: Session, format_: Format) -> int:
    """Print all three. What this person may not look at is said."""
    _tell(await versions(session), format_)
    return 0


async def versions(session: Session) -> JSON:
    """All three, with the API server's own."""
    cluster, served, operator = await asyncio.gather(
        _cluster(session), _served(session), _operator(session)
    )
    differences = await _differences(session) if served != NOT_INSTALLED else {}
    return {
        "client": client_version(),
        "crds": served,
        **differences,
        "operator": operator,
        "cluster": cluster,
    }


async def _cluster(session: Session) -> str:
    return str((await session.http.get("get the version", "/version")).get("gitVersion"))


async def _served(session: Session) -> str:
    """The versions of the API that the API server serves."""
    try:
        group = await session.http.get("get the API", f"/apis/{GROUP}")
    except NotFound:
        return NOT_INSTALLED
    return ", ".join(str(each.get("version")) for each in group.get("versions") or ())


async def _differences(session: Session) -> JSON:
    """What the CRDs have more or less than this command knows; and in words."""
    from surefoot.plugin import served  # noqa: PLC0415 - it loads all models

    try:
        # Not `get`: an OpenAPI document has no kind, by which that knows an object.
        document = json.loads(await session.http.raw("get the schema of the API", served.PATH, {}))
        found = served.differences(document)
    except (ApiError, ValueError) as error:
        return {"schema": f"of a schema that cannot be read: {error}"}
    return {
        "schema": found.in_words(),
        "differences": {"newer": list(found.newer), "older": list(found.older)},
    }


async def _operator(session: Session) -> str:
    """By its Deployments: the version that the image's tag or the label tells."""
    path = f"/apis/apps/v1/namespaces/{session.namespace}/deployments"
    try:
        found = await session.http.get(f"list deployments in {session.namespace}", path)
    except ApiError as error:
        if error.status == 403:
            return f"unknown: you may not list deployments in {session.namespace}"
        raise
    items = [each for each in found.get("items") or () if _is_ours(each)]
    if not items:
        return f"no Deployment of it in {session.namespace}"
    return ", ".join(_of_deployment(each) for each in items)


def _is_ours(deployment: JSON) -> bool:
    labels = deployment["metadata"].get("labels") or {}
    return "surefoot" in (labels.get("app.kubernetes.io/name"), deployment["metadata"]["name"])


def _of_deployment(deployment: JSON) -> str:
    labels = deployment["metadata"].get("labels") or {}
    containers = deployment["spec"]["template"]["spec"].get("containers") or [{}]
    image = str(containers[0].get("image") or "")
    tag = image.rpartition(":")[2] if ":" in image.rpartition("/")[2] else image
    status = deployment.get("status") or {}
    ready, wanted = status.get("readyReplicas") or 0, deployment["spec"].get("replicas", 1)
    said = labels.get("app.kubernetes.io/version") or tag or "unknown"
    return f"{said} ({ready} of {wanted} ready)"


def _tell(found: JSON, format_: Format) -> None:
    if format_ in {Format.JSON, Format.YAML}:
        output.say_data(found, format_)
        return
    titles = {"client": "Client", "crds": "CRDs", "operator": "Operator", "cluster": "Kubernetes"}
    schema = f", {found['schema']}" if "schema" in found else ""
    said = {**found, "crds": f"{found['crds']}{schema}"} if "crds" in found else found
    output.say_lines(f"{title:<11} {said[name]}" for name, title in titles.items() if name in said)
