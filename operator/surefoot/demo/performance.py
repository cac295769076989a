"""One performance of the demo, from setting up to clearing away, with its exit code."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from surefoot.demo import afterwards
from surefoot.demo.companions import stop_companions
from surefoot.demo.interruption import Interrupted, Interruption
from surefoot.demo.live import LiveScreen
from surefoot.demo.patience import DemoError
from surefoot.demo.production import CHECKOUT
from surefoot.demo.record import patchers_in, print_history
from surefoot.demo.scene import Lookout
from surefoot.demo.screen import PlainLines, is_live, telling
from surefoot.demo.stage import Stage, stage
from surefoot.demo.story import Story
from surefoot.errors import TestbedError
from surefoot.testbed.bed import TestBed

DONE, STUCK, CANNOT = 0, 1, 3
WIDTH_OF_A_LOG = 110


def perform(*, keep: bool) -> int:
    """Set up, play, and clear away unless it is to be kept. The answer is the exit code."""
    interruption = Interruption().listen()
    performance = Performance(interruption)
    try:
        return performance.give(keep=keep)
    except Interrupted as interrupted:
        print("Interrupted. Nothing is left running.", file=sys.stderr)
        return interrupted.exit_code
    except TestbedError as error:
        print(error, file=sys.stderr)
        return CANNOT


class Performance:
    """Lines where the output goes to a file or a pipe; a live picture on a terminal."""

    def __init__(self, interruption: Interruption) -> None:
        self._interruption = interruption
        self._is_live = is_live()
        self._console = Console(highlight=False, width=None if self._is_live else WIDTH_OF_A_LOG)

    def give(self, *, keep: bool) -> int:
        """Do it. Raises TestbedError where the stage can not be set up, or Interrupted."""
        began = time.monotonic()
        with telling() as tell, stage(tell, self._interruption, CHECKOUT) as place:
            set_up = time.monotonic() - began
            if not self.play(place):
                return STUCK
            whole = time.monotonic() - began
            self._console.print(
                f"The demo took {whole:.0f} s: {set_up:.0f} s to set up a control plane, "
                f"{whole - set_up:.0f} s for the story."
            )
            if keep:
                place.leave_standing()
                self._console.print(afterwards.how_to_go_on(place), soft_wrap=True)
        return DONE

    def play(self, place: Stage) -> bool:
        """Play the story and print the history; False where it got stuck, and why is printed."""
        screen = LiveScreen(self._console) if self._is_live else PlainLines(sys.stdout)
        lookout = Lookout(place.bed, place.operator, self._interruption, screen.scene_changed)
        try:
            with _shown(screen, lookout):
                Story(place.bed, lookout, screen).play()
        except (DemoError, TestbedError) as error:
            # Ctrl-C reaches a kubectl that runs as well, and it fails: nobody is stuck then.
            self._interruption.check()
            print(afterwards.why_it_got_stuck(error, lookout.scene, place), file=sys.stderr)
            return False
        if lookout.scene.rollout is not None:
            patchers = patchers_in(place.bed.audit_log)
            print_history(self._console, lookout.scene.rollout, patchers)
        return True


@contextmanager
def _shown(screen: LiveScreen | PlainLines, lookout: Lookout) -> Iterator[None]:
    screen.begin(lookout)
    lookout.look()
    try:
        yield
    finally:
        lookout.stop()
        screen.end()


def clear(directory: Path) -> int:
    """Stop a demo that was kept. The answer is the exit code."""
    try:
        bed = TestBed.attach(directory)
        stop_companions(bed.directory)
        bed.stop()
    except TestbedError as error:
        print(error, file=sys.stderr)
        return CANNOT
    print("stopped; nothing of it is left", file=sys.stderr)
    return DONE
