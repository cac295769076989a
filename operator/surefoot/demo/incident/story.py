"""The replay: as it was, then the same automation before gates, then the proper way.

Who types what and when is decided here; everything that follows from it is the operator's. Each
act waits for what it wants to show, and fails when that does not come.
"""

from pathlib import Path

from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import TransitionType
from surefoot.demo.incident.attempts import attempts
from surefoot.demo.incident.lanes import Lanes
from surefoot.demo.incident.onlooker import AUTOMATION, NAMESPACE, Onlooker
from surefoot.demo.news import Mood, News
from surefoot.demo.patience import LONGEST, DemoError, Patience
from surefoot.demo.screen import Screen
from surefoot.demo.stage import shown

OBJECTS = Path(__file__).parent / "objects"
AS_IT_WAS, GATED = "as-it-was", "memory"
TIME_TO_READ = 2.0
"""Seconds for the audience."""
HOUR_OF_THE_INCIDENT = 1.7
HOUR_OF_THE_NO_GO = 12.0
HOUR_OF_THE_VALIDATION = 26.0
"""When things happened in the incident, in hours after the first percentage."""
LATEST = 300.0
"""Seconds that the long soak may take on a busy machine."""

BLOCKERS = (
    "SoakComplete",
    "BaselineRecorded",
    "CheckpointsPassed",
    "GatesHealthy",
    "Approved",
    "RehearsalFresh",
    "ScorecardPassed",
)
"""What stands between 10 and 25% at hour 1.7. Each was a recommendation of the audit."""

IN = f"-n {NAMESPACE}"


class Story:
    """Plays the incident. Raises DemoError where it gets stuck."""

    def __init__(
        self, onlooker: Onlooker, patience: Patience, screen: Screen, lanes: Lanes
    ) -> None:
        self._see = onlooker
        self._lanes = lanes
        self._patience = patience
        self._screen = screen

    def play(self) -> None:
        """All of it."""
        self._as_it_was()
        self._with_gates()
        self._everything_that_blocks()
        self._two_disagree()
        self._people_prepare()
        self._hour_48()
        self._everybody_signs()

    # As it was

    def _as_it_was(self) -> None:
        self._screen.narrate(
            "AS IT WAS. A plan that asks nobody: time passes, health checks pass, it moves on."
        )
        self._apply("as-it-was.yaml")
        self._see.wait_for_percent(self._lanes.as_it_was, 10)
        self._see.wait_for_percent(self._lanes.as_it_was, 25)
        entry = self._see.wait_until("the advance to 25%", AS_IT_WAS, _advance)
        self._screen.happened(
            News(
                f"10% → 25% after {entry} of 48 hours: no checkpoint, no baseline, nobody asked",
                Mood.BAD,
            )
        )
        self._pause(AS_IT_WAS)
        self._patience.let_pass(TIME_TO_READ)
        self._lanes.change_over()

    # With gates

    def _with_gates(self) -> None:
        self._screen.narrate(
            "WITH GATES. The same rollout with what the audit asks for; the same automation."
        )
        self._require_gates()
        self._apply("memory.yaml")
        self._see.wait_for_percent(self._lanes.gated, 10)
        self._reach(HOUR_OF_THE_INCIDENT)
        rollout = self._see.wait_until("the requests", GATED, _asks_everybody)
        self._narrate("by now the flags were at 25% once. The automation tries all it can:")
        for attempt in attempts(rollout):
            self._screen.narrate(f"it tries to {attempt.intention}")
            self._see.is_refused(AUTOMATION, attempt.command, attempt.stdin)
        percents = self._see.percents("memory-flags")
        if percents != {10}:
            raise DemoError(f"the flags say {percents}, and 10 was expected")
        self._screen.happened(News("all six flags of memory-flags still say 10%", Mood.GOOD))

    def _require_gates(self) -> None:
        """From now on; policies act a moment after they were told."""
        label = f"kubectl label namespace {NAMESPACE} surefoot.dev/gates=required"
        self._type("admin", label)
        plan = OBJECTS / "as-it-was.yaml"
        probe = f"kubectl create --dry-run=server -f {plan} {IN}"
        self._patience.wait_for(
            "plans without gates to be refused",
            lambda: self._see.why_not("admin", probe, "required-gates"),
            within=LONGEST,
        )

    def _everything_that_blocks(self) -> None:
        self._see.wait_until("the gates to be judged", GATED, _has_a_gate_that_fails)
        self._screen.narrate("Why does it not move? Anybody may ask, at any moment:")
        self._see.asks("cora", f"kubectl surefoot explain {GATED} {IN}", code=0)
        self._screen.narrate("As a step of a pipeline, before every expansion:")
        self._see.asks("cora", f"kubectl surefoot compliance {GATED} {IN}", code=1)

    def _two_disagree(self) -> None:
        self._reach(HOUR_OF_THE_NO_GO)
        self._narrate("forge sees no metrics worth the name, and says NO-GO.")
        self._type(
            "forge",
            f"kubectl surefoot reject {GATED} --role metrics {IN} --yes "
            "--reason 'Redis is not configured, accuracy is not validated: hold at 10%'",
        )

    # The proper way

    def _people_prepare(self) -> None:
        self._screen.narrate("thon does the work, and hands each part on to who must look at it.")
        self._works('{"data":{"cache":"configured"}}')
        self._hands_over("cache", "Redis is configured, the cache warms up", "validate at hour 26")
        self._works('{"data":{"groundTruth":"6/6"}}')
        self._hands_over(
            "accuracy", "embeddings are real, tests were run again", "check precision at 10"
        )
        self._reach(HOUR_OF_THE_VALIDATION)
        self._narrate("the cache had its time. Those who were handed the work look at it.")
        self._acknowledges("atlas", "cache", "the hit rate is above 50%")
        self._acknowledges("forge", "accuracy", "6 of 6, precision above 70%")
        self._screen.narrate("The way back is rehearsed before anybody goes forward.")
        self._type("admin", f"kubectl surefoot rehearse {GATED} {IN}")
        self._see.wait_until("the rehearsal to pass", GATED, _rehearsed)

    def _hour_48(self) -> None:
        self._narrate("and now it takes the rest of 48 healthy hours. Nothing makes it shorter.")
        self._see.wait_until("48 healthy hours and a baseline", GATED, _has_soaked, LATEST)
        self._narrate("the cache was cold for 4, and it was healthy for 48. atlas reports.")
        self._type(
            "atlas",
            f"kubectl surefoot checkpoint {GATED} hour-48 --go {IN} --yes "
            "--summary '48 h stable' --test ground-truth=6/6",
        )
        self._screen.narrate("forge said NO-GO once: nobody outvotes that. cora holds the meeting.")
        self._see.wait_until("the meeting to be asked for", GATED, _meets)
        self._type(
            "cora",
            f"kubectl surefoot checkpoint {GATED} decision --go {IN} --yes "
            "--summary 'What forge asked for is done: Redis is warm, 6 of 6 tests pass. GO for 25' "
            "--dissent 'forge=I would have waited for a second day of a warm cache'",
        )
        self._acknowledges("forge", "decision", "resolved: what I asked for is there")

    def _everybody_signs(self) -> None:
        self._screen.narrate("Five people sign, each in their own name and for their own part.")
        for who, role, said in (
            ("atlas", "stability", "--reason '48 h, no incident'"),
            (
                "forge",
                "metrics",
                "--reason 'within bounds' --metrics-summary 'errors 0%, p95 0.84 ms, hits 80%'",
            ),
            (
                "hudson",
                "security",
                "--reason re-validated --security-status 'no new findings' --risk-assessment low",
            ),
            ("thon", "implementation", "--reason 'P0 and P1 fixes are complete'"),
            ("cora", "lead", "--reason 'all five agree'"),
        ):
            self._type(who, f"kubectl surefoot approve {GATED} --role {role} {said} {IN} --yes")
        self._see.wait_for_percent(self._lanes.gated, 25)
        self._pause(GATED)
        self._lanes.present.leave()

    # The clock

    def _reach(self, hour: float) -> None:
        """Let it be this hour of the present lane, if it is not later already."""
        self._patience.let_pass(max(0.0, hour - self._lanes.elapsed))

    def _narrate(self, text: str) -> None:
        """Say it with the hour that it is."""
        self._screen.narrate(f"Hour {self._lanes.elapsed:.1f}: {text}")

    # People

    def _apply(self, manifest: str) -> None:
        path = OBJECTS / manifest
        self._screen.show_command("admin", f"kubectl apply --server-side -f {shown(path)}")
        self._see.quietly("admin", f"kubectl apply --server-side -f {path}")

    def _pause(self, name: str) -> None:
        """By kubectl alone, which no status that is written meanwhile keeps from it."""
        patch = '{"spec":{"paused":true}}'
        self._type("admin", f"kubectl patch sfr {name} {IN} --type=merge -p '{patch}'")

    def _works(self, patch: str) -> None:
        command = f"kubectl patch configmap memory-works {IN} --type=merge -p '{patch}'"
        self._type("thon", command)

    def _hands_over(self, checkpoint: str, message: str, action: str) -> None:
        self._type(
            "thon",
            f"kubectl surefoot checkpoint {GATED} {checkpoint} --go {IN} --yes "
            f"--summary '{message}' --required-action '{action}'",
        )

    def _acknowledges(self, who: str, checkpoint: str, reason: str) -> None:
        name = f"{GATED}-10-{checkpoint}"
        self._see.wait_until(
            f"{who} to be asked to acknowledge {checkpoint}",
            GATED,
            lambda rollout: _is_asked(rollout, f"{name}-ack"),
        )
        self._type(who, f"kubectl surefoot acknowledge {name} {IN} --yes --reason '{reason}'")

    def _type(self, who: str, command: str) -> None:
        self._see.types(who, command)


def _advance(rollout: Rollout) -> str | None:
    """How long it stood at the percentage that the advance left, in hours of the story."""
    for entry in rollout.status.history:
        if entry.type is TransitionType.ADVANCE and entry.evidence.since is not None:
            return f"{(entry.at - entry.evidence.since).total_seconds():.1f}"
    return None


def _is_false(rollout: Rollout, kind: str) -> bool:
    return any(
        condition.type == kind and condition.status != "True"
        for condition in rollout.status.conditions
    )


def _asks_everybody(rollout: Rollout) -> Rollout | None:
    """The Rollout, once every blocker is named, every role is asked, and the first report."""
    is_blocked = all(_is_false(rollout, kind) for kind in BLOCKERS)
    is_asked = all(role.approval for role in rollout.status.approvals)
    is_asked = is_asked and bool(_is_asked(rollout, f"{GATED}-10-cache"))
    return rollout if is_blocked and rollout.status.approvals and is_asked else None


def _is_asked(rollout: Rollout, name: str) -> bool | None:
    asked = any(name in (blocker.command or "") for blocker in rollout.status.blocked_by)
    return asked or None


def _has_a_gate_that_fails(rollout: Rollout) -> bool | None:
    """Whether the warm-up is over, after which gates are judged."""
    failing = ("GatesHealthy", "GateFails")
    found = ((blocker.condition, blocker.reason) for blocker in rollout.status.blocked_by)
    return True if failing in found else None


def _rehearsed(rollout: Rollout) -> bool | None:
    found = rollout.status.rehearsal
    return True if found is not None and found.outcome == "Passed" else None


def _has_soaked(rollout: Rollout) -> bool | None:
    open_ones = ("SoakComplete", "BaselineRecorded", "GatesHealthy")
    return None if any(_is_false(rollout, kind) for kind in open_ones) else True


def _meets(rollout: Rollout) -> bool | None:
    return _is_asked(rollout, f"{GATED}-10-decision")
