"""The program of docs/record.md, as a third party runs it."""

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "record.md"


def checked(text: str) -> tuple[int, list[str]]:
    """The exit code and the lines of the program on the page, run without anything of ours."""
    program = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(program) == 1
    run = subprocess.run(
        # Neither the environment nor any installed package: the standard library alone.
        [sys.executable, "-I", "-S", "-X", "utf8", "-c", program[0]],
        input=text,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert not run.stderr
    return run.returncode, run.stdout.splitlines()
