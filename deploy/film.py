"""Stills one after the other, as one SVG that moves wherever a picture is shown.

No program is needed that knows films, and nothing is loaded from elsewhere. Anyone who wants no
motion sees the first still.
"""

import base64
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

SECONDS = 3
"""How long each still is seen."""
_STRIP = 44


class Still(NamedTuple):
    """What is seen, as WebP, and a sentence below it."""

    webp: bytes
    words: str


def film(stills: Sequence[Still], width: int, height: int) -> str:
    """The SVG. Each still is that wide and high."""
    return "\n".join(_lines(stills, width, height)) + "\n"


def _lines(stills: Sequence[Still], width: int, height: int) -> Iterator[str]:
    whole, tall = SECONDS * len(stills), height + _STRIP
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {tall}" '
        f'width="{width}" height="{tall}" role="img">'
    )
    yield f"<title>{escape('; '.join(still.words for still in stills))}</title>"
    yield "<style>"
    yield f"@keyframes turn {{ 0% {{ opacity: 1 }} {100 / len(stills):.3f}% {{ opacity: 0 }} }}"
    yield f"g {{ opacity: 0; animation: turn {whole}s step-end infinite }}"
    yield "text { font: 16px system-ui, sans-serif; fill: #fff }"
    yield "@media (prefers-reduced-motion: reduce) { g { animation: none } g.first { opacity: 1 } }"
    yield "</style>"
    yield f'<rect width="{width}" height="{tall}" fill="#13171f"/>'
    for number, still in enumerate(stills):
        first = "" if number else ' class="first"'
        data = base64.b64encode(still.webp).decode()
        yield f'<g{first} style="animation-delay: {number * SECONDS}s">'
        yield f'<image width="{width}" height="{height}" href="data:image/webp;base64,{data}"/>'
        words = f"{number + 1}/{len(stills)}  {escape(still.words)}"
        yield f'<text x="16" y="{height + 28}">{words}</text>'
        yield "</g>"
    yield "</svg>"
