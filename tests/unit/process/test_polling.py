"""What is polled: when anyone notices a change, everybody concerned is woken for it."""

from surefoot.adapters.signatures import SshSignatures
from surefoot.errors import Unavailable
from surefoot.process.polling import AllowedSignersPoller
from tests.support.fakes import FakeClock


async def test_every_rollout_is_looked_at_when_the_allowed_signers_change() -> None:
    """Once for each change, also where a decision on one Rollout was the first to read it."""
    present: list[str | Exception] = ["first"]

    async def read() -> str | None:
        if isinstance(present[0], Exception):
            raise present[0]
        return present[0]

    woken: list[str] = []
    signatures = SshSignatures(read)
    poller = AllowedSignersPoller(signatures, FakeClock(), lambda: woken.append("all"))
    await poller.poll()
    await poller.poll()
    assert woken == ["all"]
    present[0] = "second"
    await signatures.refresh()
    await poller.poll()
    assert woken == ["all"] * 2
    present[0] = "third"
    await signatures.refresh()
    present[0] = Unavailable("get ConfigMap: 503")
    await poller.poll()
    assert woken == ["all"] * 3
