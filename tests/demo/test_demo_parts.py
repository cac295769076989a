"""The parts of the demo that need nothing running."""

import io
import json
import random
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from rich.console import Console

from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.demo import cast
from surefoot.demo.cast import Ask, Person
from surefoot.demo.exporter import REQUESTS, Service
from surefoot.demo.incident.lanes import GO, REFUSED, Lane, Lanes, Sign
from surefoot.demo.incident.live import LanesScreen
from surefoot.demo.interruption import Interrupted, Interruption
from surefoot.demo.news import Mood, News, news
from surefoot.demo.production import CHECKOUT
from surefoot.demo.record import patchers_in
from surefoot.demo.scene import Lookout, Moment, Scene, Tracks
from surefoot.demo.stage import Interruptible
from surefoot.demo.timeline import Limits, Timeline
from surefoot.testbed.progress import Silent
from tests.demo.playing import Demo

COMMAND = (
    "kubectl patch approvals.surefoot.dev checkout-25-security -n shop --type=merge "
    """-p '{"spec":{"decision":"GO","reason":"…"}}'"""
)


def a_rollout(**status: object) -> Rollout:
    """The plan of the demo, with a status."""
    plan = yaml.safe_load(CHECKOUT.plan.read_text())
    return Rollout.model_validate({**plan, "status": status})


def test_person_fills_in_what_the_operator_leaves_blank() -> None:
    """Nothing else of the command is touched."""
    typed = Person("hudson", "security").typed(Ask("Approved", "", COMMAND))
    command, patch = typed.split(" -p ")
    assert command == COMMAND.split(" -p ", maxsplit=1)[0]
    assert json.loads(patch.strip("'")) == {
        "spec": {"decision": "GO", "reason": cast.WORDS["security"]},
    }


def test_ask_names_what_is_to_be_patched() -> None:
    """As kubectl takes it."""
    ask = Ask("Approved", "", COMMAND)
    assert (ask.resource, ask.name) == ("approvals.surefoot.dev", "checkout-25-security")


def test_only_what_comes_with_a_command_waits_for_a_person() -> None:
    """A soak is waited out."""
    rollout = a_rollout(
        blockedBy=[
            {"condition": "SoakComplete", "reason": "SoakInsufficient", "message": "7s left"},
            {"condition": "Approved", "reason": "AwaitingApproval", "message": "not yet"},
            {
                "condition": "Approved",
                "reason": "AwaitingApproval",
                "message": "security must be signed by hudson",
                "command": COMMAND,
            },
        ]
    )
    assert list(cast.asks(rollout, cast.PEOPLE_DECIDE)) == [
        Ask("Approved", "security must be signed by hudson", COMMAND)
    ]


def test_service_without_a_flag_serves_nobody_on_the_new_path() -> None:
    """A missing ConfigMap is 0%."""
    service = Service()
    service.read_flags(None)
    before = REQUESTS.labels("new")._value.get()
    service.serve(1000, random.Random(1))
    assert service.percent == 0
    assert REQUESTS.labels("new")._value.get() == before


def test_service_reads_percentage_and_release() -> None:
    """From what the two ConfigMaps say."""
    service = Service()
    service.read_flags({"data": {"checkout-v2": "25"}})
    service.read_release({"data": {"version": "2.4.1", "failing": "32%"}})
    assert (service.percent, service.failing) == (25, 0.32)


def test_timeline_draws_steps_up_and_down() -> None:
    """One column a second here."""
    tracks = Tracks(
        percents=[Moment(0.5, 10), Moment(5.5, 25), Moment(9.5, 10)],
        error_rates=[Moment(1.2, 0.001), Moment(7.2, 0.04), Moment(8.2, 0.2)],
    )
    timeline = Timeline([10, 25], Limits(good=0.01, bad=0.05), width=8 + 90, gap=1)
    lines = [line.plain[:22].rstrip() for line in timeline.lines(tracks, now=12.0)]
    assert lines == [
        "    25% ┈┈┈┈┈┏━━━┓┈┈┈┈",
        "             ┃   ┃",
        "    10% ━━━━━┛┈┈┈┗━━●┈",
        " errors  ▁     ▄█",
        "                       ".rstrip(),
    ]


def test_timeline_is_squeezed_rather_than_cut() -> None:
    """However long it takes."""
    tracks = Tracks(percents=[Moment(0.0, 10), Moment(900.0, 25)])
    timeline = Timeline([10, 25], Limits(good=0.01, bad=0.05), width=60, gap=0)
    for line in timeline.lines(tracks, now=1000.0):
        assert len(line) == 60 or "errors" in line.plain


def lanes_at_hour_50() -> Lanes:
    """The story near its end: 25% at once as it was, and 10% still with gates."""
    as_it_was, gated = Lane("AS IT WAS", "as-it-was", "x"), Lane("WITH GATES", "memory", "y")
    as_it_was.percents = [Moment(0, 10), Moment(2, 25)]
    gated.percents = [Moment(0, 10)]
    gated.signs = [Sign(2.0, *REFUSED), Sign(26.0, *GO)]
    as_it_was.left_at, gated.left_at = 5.0, 50.0
    lanes = Lanes(as_it_was, gated)
    lanes.change_over()
    return lanes


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40)])
def test_lanes_are_drawn_on_one_scale(width: int, height: int) -> None:
    """So that 2 and 50 hours can be compared; the picture fits the terminal, whatever it is."""
    console = Console(file=io.StringIO(), force_terminal=True, width=width, height=height)
    screen = LanesScreen(console)
    screen._lanes = screen._elapsing = lanes_at_hour_50()
    screen.narrate("Hour 48: atlas reports.")
    screen.show_command("atlas", "kubectl surefoot checkpoint memory hour-48 " + "x" * 200)
    screen.happened(News("refused: " + "y" * 200, Mood.BAD))
    lines = [line.plain for line in screen.__rich_console__(console, console.options)]  # type: ignore[union-attr]
    assert max(map(len, lines)) <= width
    assert len(lines) == min(height, 34) - 1
    above, below = (
        i for i, line in enumerate(lines) if "AS IT WAS" in line or "WITH GATES" in line
    )
    taken, waiting = lines[above + 4], lines[below + 5]
    assert (taken.strip()[:3], waiting.strip()[:3]) == ("25%", "10%")
    before = len("   100% ")
    assert taken.index("●") - before < (waiting.index("●") - before) / 5
    assert lines[below + 6].split() == ["people", "✘", "✔"]
    assert "50.0" in lines[0]


def test_clock_of_a_lane_begins_with_its_start_and_stops_when_it_is_left() -> None:
    """What was set up before it, and what comes after, is not its time."""
    lane = Lane("WITH GATES", "memory", "memory-flags")
    lane.see_flags({"data": {"a": "10", "b": "10", "flags.json": "{}"}})
    assert (lane.hours, lane.percents) == (0.0, [Moment(0.0, 10)])
    entry = {
        "transitionId": "1",
        "type": "Start",
        "to": 10,
        "at": "2026-03-01T10:00:00Z",
        "reason": "Started",
    }
    lane.see_rollout(a_rollout(history=[entry]).to_wire())
    first = lane.hours
    assert lane.hours > first
    lane.leave()
    assert lane.hours == lane.hours > 0


def test_news_of_a_fall_is_bad() -> None:
    """And that of a rise is good."""
    up = list(news(Scene(percent=10), Scene(percent=25)))
    down = list(news(Scene(percent=25), Scene(percent=10)))
    assert up == [News("ConfigMap checkout-flags says 25%", Mood.GOOD)]
    assert down == [News("ConfigMap checkout-flags says 10%", Mood.BAD)]


def test_history_is_told_once() -> None:
    """Each entry when it appears, however often the status is written."""
    entry = {
        "transitionId": "1",
        "type": "Advance",
        "from": 10,
        "to": 25,
        "at": "2026-03-01T10:00:00Z",
        "reason": "AllConditionsHold",
        "by": ["security: hudson"],
    }
    first, again = (Scene(rollout=a_rollout(history=[entry])) for _ in range(2))
    told = News("Advance 10% → 25%, by security: hudson", Mood.GOOD)
    assert list(news(Scene(rollout=a_rollout()), first)) == [told]
    assert list(news(first, again)) == []


def test_audit_log_says_whose_credentials_patched(tmp_path: Path) -> None:
    """Refused patches and other verbs decide nothing."""

    def event(user: str, verb: str = "patch", code: int = 200) -> str:
        what = {"resource": "approvals", "name": "checkout-25-security"}
        return json.dumps(
            {
                "verb": verb,
                "user": {"username": user},
                "objectRef": what,
                "responseStatus": {"code": code},
            }
        )

    log = tmp_path / "audit.log"
    log.write_text(
        "\n".join([event("hudson"), event("thon", code=403), event("operator", verb="update")])
    )
    assert patchers_in(log) == {("Approval", "checkout-25-security"): frozenset({"hudson"})}


def test_what_changed_is_told_before_anybody_acts_on_it() -> None:
    """The story waits for a scene in another thread: what it says must come after the news."""
    told: list[tuple[bool, int | None]] = []

    def on_change(before: Scene, after: Scene) -> None:
        told.append((lookout.scene is before, after.percent))

    nothing: Any = None
    lookout = Lookout(nothing, nothing, Interruption(), on_change)
    lookout._see(lambda scene: replace(scene, percent=10))
    assert (told, lookout.scene.percent) == ([(True, 10)], 10)


def test_interruption_ends_whatever_reports_its_progress() -> None:
    """The test bed tells its progress all the time while it waits."""
    interruption = Interruption()
    progress = Interruptible(Silent(), interruption)
    progress.update("waiting")
    interruption._note(15, None)
    interruption._note(2, None)
    with pytest.raises(Interrupted) as caught:
        progress.update("waiting")
    assert caught.value.exit_code == 128 + 15


def test_process_that_ends_while_it_is_looked_at_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its mark could be read, its command line no longer: a busy machine shows such moments."""
    demo = Demo(tmp_path, "--help")
    try:
        demo.process.send_signal(signal.SIGSTOP)
        assert len(demo.left_behind()) == 1

        def has_ended(process: psutil.Process) -> list[str]:
            raise psutil.ZombieProcess(process.pid)

        monkeypatch.setattr(psutil.Process, "cmdline", has_ended)
        assert demo.left_behind() == []
    finally:
        monkeypatch.undo()
        demo.kill()
