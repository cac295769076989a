"""Watching one object on the API server, and nothing but the API server's word for it."""

import base64
import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import yaml

PAUSE_AFTER_A_FAILURE = 0.2
"""Seconds."""

Object = dict[str, Any]


def follow(client: httpx.Client, collection: str, name: str) -> Iterator[Object | None]:
    """Every state of the object from now on, None while it is not there. Never ends.

    A broken watch is begun again with what is there then; states in between may be missed.
    """
    selector = {"fieldSelector": f"metadata.name={name}"}
    while True:
        try:
            listed = client.get(collection, params=selector).raise_for_status().json()
            yield next(iter(listed["items"]), None)
            yield from _watch(client, collection, selector, listed["metadata"]["resourceVersion"])
        except (httpx.HTTPError, ValueError):
            time.sleep(PAUSE_AFTER_A_FAILURE)


def _watch(
    client: httpx.Client, collection: str, selector: dict[str, str], version: str
) -> Iterator[Object | None]:
    parameters = {**selector, "watch": "true", "resourceVersion": version}
    unhurried = httpx.Timeout(10.0, read=None)
    with client.stream("GET", collection, params=parameters, timeout=unhurried) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines():
            event = json.loads(line)
            if event["type"] == "ERROR":
                return
            yield None if event["type"] == "DELETED" else event["object"]


def client_with_token(kubeconfig: Path) -> httpx.Client:
    """A client for the one cluster and the one token of a kubeconfig."""
    content = yaml.safe_load(kubeconfig.read_text())
    cluster = content["clusters"][0]["cluster"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    return httpx.Client(
        base_url=cluster["server"],
        headers={"Authorization": f"Bearer {content['users'][0]['user']['token']}"},
        verify=ssl.create_default_context(cadata=authority),
        trust_env=False,
        timeout=10.0,
    )
