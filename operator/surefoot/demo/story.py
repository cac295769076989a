"""The story: a rollout with a bad release in the middle, played by people with kubectl.

The story decides who types what and when; everything that follows from it is the operator's. Each
act waits for what it wants to show, and fails when that does not come.
"""

import shlex
from collections.abc import Callable

from surefoot.api.v1alpha1.durations import parse_bound
from surefoot.api.v1alpha1.rollout_status import Phase
from surefoot.demo.cast import AUTHOR, LEAD, PEOPLE_DECIDE, Ask, Person, asked_person, asks
from surefoot.demo.news import Mood, News, as_percent
from surefoot.demo.patience import DemoError
from surefoot.demo.production import CHECKOUT
from surefoot.demo.scene import Lookout, Scene
from surefoot.demo.screen import Screen
from surefoot.demo.stage import shown
from surefoot.testbed.bed import TestBed
from surefoot.testbed.users import ADMIN

TIME_TO_READ = 4.0
GLANCE = 1.5
"""Seconds for the audience."""

PLAN = CHECKOUT.plan
SHOWN_PLAN = shown(PLAN)
SET_THE_FLAG = (
    "kubectl patch configmap checkout-flags -n shop --type=merge "
    """-p '{"data":{"checkout-v2":"100"}}'"""
)
RELEASE = "kubectl patch configmap checkout-release -n shop --type=merge -p"
BAD_RELEASE = f'{RELEASE} \'{{"data":{{"version":"2.4.1","failing":"32%"}}}}\''
MENDED_RELEASE = f'{RELEASE} \'{{"data":{{"version":"2.4.2","failing":"0.4%"}}}}\''


INTRODUCTIONS = {
    25: "To 25% again: a new soak and a new signature. Nothing that was given before counts.",
    50: "25%, and good this time. A lead must sign for 50%.",
    100: "50%. To go to 100%, atlas must report first, then a lead and security must sign.",
}


class Story:
    """Plays on a test bed, before a Lookout, for a screen."""

    def __init__(self, bed: TestBed, lookout: Lookout, screen: Screen) -> None:
        self._bed = bed
        self._lookout = lookout
        self._screen = screen
        self._answered: set[str] = set()

    def play(self) -> None:
        """From the first percentage to Completed. Raises DemoError where it gets stuck."""
        self._start()
        self._wait_for_a_person()
        self._release_something_bad()
        self._see_it_rolled_back()
        self._try_again()
        for percent in (25, 50, 100):
            self._go_on_to(percent)
        self._complete()

    # The acts

    def _start(self) -> None:
        self._screen.narrate("thon, an author, applies the plan: 10%, 25%, 50%, then 100%.")
        self._type(AUTHOR, f"kubectl apply --server-side -f {SHOWN_PLAN}")
        self._see_percent(10)
        self._screen.narrate(
            "10% at once. Before 25% it must be healthy for 8 s, on a clock that runs only while "
            "it is."
        )

    def _wait_for_a_person(self) -> None:
        ask = self._lookout.wait_for("the operator to ask for a signature", self._asked)
        self._screen.narrate(
            "The soak is over and nothing moves: a person must sign. The status says what to type:"
        )
        self._screen.show_command("", ask.command)
        self._screen.happened(News(ask.message, Mood.WAITING))
        self._lookout.let_pass(TIME_TO_READ)
        self._try_to_get_around(ask)
        self._screen.narrate("hudson signs. He types no name: the API server knows who he is.")
        self._answer(ask)
        self._see_percent(25)

    def _try_to_get_around(self, ask: Ask) -> None:
        """What the API server itself refuses, operator or not."""
        self._screen.narrate("cora, a lead, tries to sign for security, in hudson's name:")
        self._is_refused(LEAD, Person(LEAD, "security").typed(ask, naming="hudson"))
        self._screen.narrate("And admin, who may do anything, tries to just set the flag:")
        self._is_refused(ADMIN.name, SET_THE_FLAG)

    def _release_something_bad(self) -> None:
        self._screen.narrate("25%. While it soaks, thon releases 2.4.1, and 2.4.1 is bad.")
        self._lookout.let_pass(GLANCE)
        self._type(AUTHOR, BAD_RELEASE)

    def _see_it_rolled_back(self) -> None:
        released = self._lookout.wait_for(
            "release 2.4.1 to be seen",
            lambda scene: scene.release_since if scene.release == "2.4.1" else None,
        )
        bound = self._bound_of_the_trigger()
        breached = self._lookout.wait_for(
            f"Prometheus to answer with more than {as_percent(bound)} errors",
            lambda _: self._first_beyond(bound, released),
        )
        back = self._lookout.wait_for(
            "the rollback to 10%",
            lambda scene: scene.percent_since if scene.percent == 10 else None,
        )
        message = self._lookout.wait_for("the rollback in the history", _rolled_back_because)
        self._screen.narrate(
            f"10% again, {back - breached:.1f} s after the breach first showed in Prometheus, "
            f"{back - released:.1f} s after the release. {message}."
        )
        self._screen.happened(
            News(
                f"measured here: release seen at {released:.1f} s, Prometheus above "
                f"{as_percent(bound)} at {breached:.1f} s, ConfigMap at 10% at {back:.1f} s",
                fleeting=True,
            )
        )
        self._lookout.let_pass(TIME_TO_READ)

    def _try_again(self) -> None:
        self._screen.narrate(
            "It stays at 10% until a person acts. thon releases 2.4.2, which fixes the fault, and "
            "watches the error rate."
        )
        self._type(AUTHOR, MENDED_RELEASE)
        self._lookout.wait_for("the error rate to come down", _healthy)
        ask = self._lookout.wait_for("the way out of the rollback", _way_out)
        self._screen.narrate(
            "Healthy again. Only a higher attempt starts another try, and only a person raises it:"
        )
        self._lookout.let_pass(GLANCE)
        self._type(AUTHOR, ask.command)
        self._lookout.wait_for("attempt 1", _first_attempt)

    def _go_on_to(self, percent: int) -> None:
        self._screen.narrate(INTRODUCTIONS[percent])
        while (found := self._lookout.wait_for(f"{percent}%", self._step_to(percent))) != percent:
            if isinstance(found, Ask):
                self._screen.happened(News(found.message, Mood.WAITING))
                self._screen.show_command("", found.command)
                self._lookout.let_pass(GLANCE)
                self._answer(found)

    def _complete(self) -> None:
        self._screen.narrate("100%. It must hold here too before the rollout is complete.")
        self._lookout.wait_for("Completed", _completed)
        self._screen.narrate("Completed. What happened, who decided it and on what evidence:")
        self._lookout.let_pass(GLANCE)

    # People

    def _answer(self, ask: Ask) -> None:
        """Let the person who was asked type what the status says."""
        person = asked_person(self._bed, ask)
        self._type(person.name, person.typed(ask))
        self._answered.add(ask.name)

    def _type(self, who: str, command: str) -> None:
        """Run a command of kubectl as this user; the audience sees it, and its answer."""
        self._screen.show_command(who, command)
        done = self._bed.kubectl(*_arguments(command), user=who)
        self._screen.happened(News(f"{who}: {done.stdout.strip()}"))
        self._lookout.let_pass(GLANCE)

    def _is_refused(self, who: str, command: str) -> None:
        """Run a command that must not work; the audience sees why. Raises DemoError if it does."""
        self._screen.show_command(who, command)
        done = self._bed.kubectl(*_arguments(command), user=who, check=False)
        if done.returncode == 0:
            raise DemoError(f"the API server let {who} do what nobody may: {command}")
        _, _, reason = done.stderr.strip().partition("denied request: ")
        self._screen.happened(News(f"refused: {reason or done.stderr.strip()}", Mood.BAD))
        self._lookout.let_pass(TIME_TO_READ)

    # What is waited for

    def _see_percent(self, percent: int) -> None:
        self._lookout.wait_for(
            f"ConfigMap checkout-flags to say {percent}%",
            lambda scene: scene.percent if scene.percent == percent else None,
        )

    def _asked(self, scene: Scene) -> Ask | None:
        """Who has been asked and has not answered yet."""
        if scene.rollout is None:
            return None
        return next(
            (ask for ask in asks(scene.rollout, PEOPLE_DECIDE) if ask.name not in self._answered),
            None,
        )

    def _step_to(self, percent: int) -> Callable[[Scene], Ask | int | None]:
        """Finds the percentage once it is there, and until then the person who is asked."""
        return lambda scene: percent if scene.percent == percent else self._asked(scene)

    def _bound_of_the_trigger(self) -> float:
        rollout = self._lookout.scene.rollout
        bound = rollout.spec.triggers[0].above if rollout else None
        if bound is None:
            raise DemoError("the Rollout, or the bound of its first trigger, is gone")
        return parse_bound(bound)

    def _first_beyond(self, bound: float, after: float) -> float | None:
        rates = list(self._lookout.tracks.error_rates)
        return next(
            (rate.at for rate in rates if rate.at > after and (rate.value or 0.0) > bound), None
        )


def _arguments(command: str) -> list[str]:
    """What to pass to kubectl for a command as the audience sees it."""
    program, *arguments = shlex.split(command)
    if program != "kubectl":
        raise DemoError(f"expected a command for kubectl, found: {command}")
    return [str(PLAN) if part == str(SHOWN_PLAN) else part for part in arguments]


def _rolled_back_because(scene: Scene) -> str | None:
    if scene.rollout is None or not scene.rollout.status.rolled_back:
        return None
    return scene.rollout.status.history[-1].message


def _healthy(scene: Scene) -> float | None:
    """The error rate, once the gate would let it pass."""
    if scene.rollout is None or scene.error_rate is None:
        return None
    bound = scene.rollout.spec.gates[0].at_most
    return scene.error_rate if scene.error_rate <= parse_bound(bound or 0) else None


def _way_out(scene: Scene) -> Ask | None:
    return next(asks(scene.rollout, ("NotRolledBack",)), None) if scene.rollout else None


def _first_attempt(scene: Scene) -> int | None:
    attempt = scene.rollout.status.attempt if scene.rollout else None
    return attempt if attempt == 1 else None


def _completed(scene: Scene) -> Phase | None:
    phase = scene.rollout.status.phase if scene.rollout else None
    return phase if phase is Phase.COMPLETED else None
