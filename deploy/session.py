"""Record a session of the plugin as a picture: `python -m deploy.session OUT.svg -- COMMAND … `.

Each command runs on a terminal of 80 columns, against whatever cluster KUBECONFIG names, so the
picture shows what a person sees. `make screens` makes `docs/pictures/plugin.svg` so.
"""

import os
import pty
import re
import shlex
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS = 80
_FONTS = re.compile(r"@font-face\s*\{.*?\}", re.DOTALL)


def typed(command: str) -> str:
    """What a command prints on a terminal."""
    parts: list[bytes] = []

    def keep(descriptor: int) -> bytes:
        data = os.read(descriptor, 65536)
        parts.append(data)
        return data

    os.environ |= {"COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    pty.spawn(shlex.split(command), keep, lambda _: b"")
    return b"".join(parts).decode("utf-8", "replace").replace("\r\n", "\n")


def picture(commands: list[str]) -> str:
    """The session as SVG, which loads nothing from elsewhere."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        for command in commands:
            console.print(Text(f"$ {command}", style="bold"))
            console.print(Text.from_ansi(typed(command)))
        svg = _FONTS.sub("", console.export_svg(title="kubectl surefoot"))
    # Some viewers would take spaces at the edge of a text away.
    return svg.replace("<svg ", '<svg xml:space="preserve" ', 1)


def main() -> None:
    """Write the picture."""
    out, _, *commands = sys.argv[1:]
    Path(out).write_text(picture(commands), encoding="utf-8")


if __name__ == "__main__":
    main()
