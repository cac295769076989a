"""The two lanes of the replay: the rollout as it was, and the same with gates.

A second is an hour. The clock of a lane begins when the record says that its Rollout was started,
and stops when the story leaves it.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.demo.scene import Moment
from surefoot.demo.watching import Object, follow
from surefoot.testbed.bed import TestBed


@dataclass(frozen=True, slots=True)
class Sign:
    """Something that a person or the automation did, and how it is drawn."""

    at: float
    character: str
    style: str


REFUSED, GO, NO_GO = ("✘", "bold red"), ("✔", "bold green"), ("■", "bold yellow")


@dataclass(slots=True)
class Lane:
    """One Rollout and its flags. ``hours`` begin with it."""

    title: str
    name: str
    config_map: str
    percents: list[Moment] = field(default_factory=list)
    signs: list[Sign] = field(default_factory=list)
    rollout: Rollout | None = None
    left_at: float | None = None
    """The hour at which the story left it."""
    _began: float | None = None

    @property
    def hours(self) -> float:
        """Hours since it was started; 0 before."""
        if self.left_at is not None:
            return self.left_at
        if self._began is None:
            return 0.0
        return time.monotonic() - self._began

    def leave(self) -> None:
        """The story goes on elsewhere: its clock stops."""
        self.left_at = self.hours

    def sign(self, sign: tuple[str, str]) -> None:
        """Note that something was done now."""
        self.signs.append(Sign(self.hours, *sign))

    def has_been_at(self, percent: int) -> bool:
        """Whether all flags have said it, and the record says that it was committed."""
        history = self.rollout.status.history if self.rollout is not None else ()
        said = any(moment.value == percent for moment in list(self.percents))
        return said and any(entry.to == percent for entry in history)

    def see_rollout(self, state: Object | None) -> None:
        """Take over what the API server says of the Rollout."""
        rollout = None if state is None else Rollout.model_validate(state)
        if rollout is not None and self._began is None and rollout.status.history:
            self._began = time.monotonic()
        self.rollout = rollout

    def see_flags(self, state: Object | None) -> None:
        """Take over what the flags say; they move together."""
        data = {} if state is None else state.get("data") or {}
        found = {int(text) for text in data.values() if text.isdecimal()}
        percent = found.pop() if len(found) == 1 else None
        if not self.percents or self.percents[-1].value != percent:
            self.percents.append(Moment(self.hours, percent))


class Lanes:
    """Both lanes, watched on the API server. The clock of the story is that of the present one."""

    def __init__(self, as_it_was: Lane, gated: Lane) -> None:
        self.as_it_was = as_it_was
        self.gated = gated
        self.present = as_it_was

    @property
    def elapsed(self) -> float:
        """The hour of the present lane."""
        return self.present.hours

    def change_over(self) -> None:
        """From how it was to how it is with gates."""
        self.as_it_was.leave()
        self.present = self.gated

    def watch(self, bed: TestBed, namespace: str) -> None:
        """Begin to look, in the background."""
        rollouts = f"/apis/surefoot.dev/v1alpha1/namespaces/{namespace}/rollouts"
        config_maps = f"/api/v1/namespaces/{namespace}/configmaps"
        for lane in (self.as_it_was, self.gated):
            for collection, name, see in (
                (rollouts, lane.name, lane.see_rollout),
                (config_maps, lane.config_map, lane.see_flags),
            ):
                body = _watching(bed, collection, name, see)
                threading.Thread(target=body, daemon=True).start()


def _watching(
    bed: TestBed, collection: str, name: str, see: Callable[[Object | None], None]
) -> Callable[[], None]:
    def keep_watching() -> None:
        with bed.client() as client:
            for state in follow(client, collection, name):
                see(state)

    return keep_watching
