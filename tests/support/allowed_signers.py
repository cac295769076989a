"""The allowed signers of the bed that all tests share. They are for every Rollout of a cluster.

So the tests that change them take turns, in whichever worker they run.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import filelock
import httpx
import pytest

from surefoot.api.v1alpha1.meta import ALLOWED_SIGNERS_CONFIGMAP, ALLOWED_SIGNERS_KEY
from surefoot.domain.signoff.signatures import NAMESPACE
from surefoot.testbed.bed import TestBed
from tests.support.ssh import SshKey
from tests.support.testbed import RUN_DIRECTORY

CONFIG_MAPS = "/api/v1/namespaces/surefoot-system/configmaps"


@dataclass
class AllowedSigners:
    """The ConfigMap in the operator's namespace."""

    client: httpx.Client

    def are(self, **keys: SshKey) -> str:
        """Put in these keys, by user name. Answers with the text."""
        return self.are_written(
            "".join(f'{name} namespaces="{NAMESPACE}" {key.public}\n' for name, key in keys.items())
        )

    def are_written(self, text: str) -> str:
        """Put in this text, and answer with it."""
        body = {
            "metadata": {"name": ALLOWED_SIGNERS_CONFIGMAP},
            "data": {ALLOWED_SIGNERS_KEY: text},
        }
        self.client.post(CONFIG_MAPS, json=body).raise_for_status()
        return text

    def are_gone(self) -> None:
        """Remove them, if they are there."""
        answer = self.client.delete(f"{CONFIG_MAPS}/{ALLOWED_SIGNERS_CONFIGMAP}")
        assert answer.status_code in {200, 404}, answer.text


@pytest.fixture
def allowed_signers(request: pytest.FixtureRequest, testbed: TestBed) -> Iterator[AllowedSigners]:
    """None at first, and none afterwards."""
    turn = filelock.FileLock(request.config.stash[RUN_DIRECTORY] / "allowed-signers.lock")
    with turn, testbed.client() as client:
        signers = AllowedSigners(client)
        signers.are_gone()
        yield signers
        signers.are_gone()
