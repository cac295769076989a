"""Long work lets others have their turn."""

import asyncio

import pytest

from surefoot.application import turns
from surefoot.application.turns import by_turns


async def test_others_have_their_turn_between_two_items(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the work has taken long enough; what comes out is in order all the same."""
    monkeypatch.setattr(turns, "AT_A_STRETCH", -1)
    seen: list[str] = []

    async def somebody_else() -> None:
        seen.append("somebody else")

    def work(item: int) -> int:
        seen.append(f"item {item}")
        return item * 2

    other = asyncio.ensure_future(somebody_else())
    assert await by_turns([1, 2], work) == [2, 4]
    await other
    assert seen == ["somebody else", "item 1", "item 2"]


async def test_little_work_is_done_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for others then."""
    monkeypatch.setattr(turns, "AT_A_STRETCH", 3600)
    other = asyncio.ensure_future(asyncio.sleep(0))
    await by_turns(range(1000), str)
    assert not other.done()
    await other
