"""Play the demo and draw docs/assets/demo.svg: what its terminal shows at the end.

    python -m deploy.picture

It is the same story, screen and control plane as `surefoot demo`; only the terminal is a recording
one. The picture names fonts that readers may have, and loads none.
"""

import html
import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from surefoot.demo.interruption import Interrupted, Interruption
from surefoot.demo.live import LiveScreen
from surefoot.demo.production import CHECKOUT
from surefoot.demo.scene import Lookout
from surefoot.demo.stage import Stage, stage
from surefoot.demo.story import Story
from surefoot.testbed.progress import PlainLines

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "assets" / "demo.svg"
WIDTH, HEIGHT = 100, 35
"""Columns and lines of the terminal."""
THEME = TerminalTheme(
    (17, 22, 29),
    (222, 226, 232),
    [
        (17, 22, 29), (235, 110, 110), (110, 200, 130), (225, 190, 95),
        (115, 165, 245), (205, 140, 235), (95, 200, 215), (200, 205, 212),
    ],
    [
        (125, 135, 148), (245, 130, 130), (130, 220, 150), (240, 205, 110),
        (140, 185, 255), (220, 160, 245), (115, 215, 230), (255, 255, 255),
    ],
)  # fmt: skip
TEMPLATE = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" \
role="img" aria-label="The terminal at the end of make demo">
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width;
}}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def main() -> int:
    """Run the command: 0 where the story went to its end."""
    interruption = Interruption().listen()
    try:
        with stage(PlainLines(sys.stdout), interruption, CHECKOUT) as place:
            screen = played(place, interruption)
            PICTURE.parent.mkdir(parents=True, exist_ok=True)
            PICTURE.write_text(drawn(screen), encoding="utf-8")
    except Interrupted as interrupted:
        return interrupted.exit_code
    return 0


def played(place: Stage, interruption: Interruption) -> LiveScreen:
    """The demo, with nobody who looks at its screen; and the screen as it is at the end."""
    nowhere = Console(file=io.StringIO(), force_terminal=True, width=WIDTH, height=HEIGHT)
    screen = LiveScreen(nowhere)
    lookout = Lookout(place.bed, place.operator, interruption, screen.scene_changed)
    screen.begin(lookout)
    lookout.look()
    try:
        Story(place.bed, lookout, screen).play()
    finally:
        lookout.stop()
        screen.end()
    return screen


def drawn(screen: LiveScreen) -> str:
    """The screen as it is now, as SVG."""
    paper = Console(
        file=io.StringIO(), record=True, force_terminal=True, width=WIDTH, height=HEIGHT
    )
    paper.print(screen)
    svg = paper.export_svg(title="make demo", theme=THEME, code_format=TEMPLATE, unique_id="demo")
    svg = _PADDED.sub(_without_padding, svg)
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


_PADDED = re.compile(
    r'x="(?P<x>[\d.]+)" (?P<y>y="[\d.]+") textLength="(?P<length>[\d.]+)"(?P<rest>[^>]*)>'
    r"(?P<text>&#160;[^<]*)<"
)
_SPACE = "&#160;"


def _without_padding(match: re.Match[str]) -> str:
    """The text without the spaces before it, further to the right: some programs drop them."""
    text = match["text"]
    whole = len(html.unescape(text))
    text = re.sub(rf"^({_SPACE})+", "", text)
    left = whole - len(html.unescape(text))
    width = float(match["length"]) / whole
    x, length = float(match["x"]) + left * width, (whole - left) * width
    return f'x="{x:.1f}" {match["y"]} textLength="{length:.1f}"{match["rest"]}>{text}<'


if __name__ == "__main__":
    sys.exit(main())
