"""Programs of ours in processes of their own, without waiting for their imports.

A process that has imported them already is forked for each command. So the command is as apart from
the test as one that was started: it has its own arguments, environment, output and exit code.
"""

import json
import multiprocessing
import os
import pkgutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import surefoot.plugin
from surefoot.cli import main as surefoot_main
from surefoot.plugin import app as plugin

for _module in pkgutil.walk_packages(surefoot.plugin.__path__, "surefoot.plugin."):
    import_module(_module.name)  # otherwise each command would import what it needs

MAINS: Final = {"surefoot": surefoot_main.main, "kubectl-surefoot": plugin.main}
_FORKED: Final = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class Done:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The answer, read."""
        return json.loads(self.out)


def run(program: str, *words: str, env: Mapping[str, str]) -> Done:
    """Run a program to its end. ``env`` is added to the environment."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        process = _FORKED.Process(target=_become, args=(program, words, dict(env), out, err))
        process.start()
        process.join()
        assert process.exitcode is not None
        return Done(process.exitcode, out.read_text("utf-8"), err.read_text("utf-8"))


def _become(
    program: str, words: tuple[str, ...], env: dict[str, str], out: Path, err: Path
) -> None:
    os.environ.update(env)
    for path, standard in ((out, 1), (err, 2)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, standard)
    sys.argv = [program, *words]
    MAINS[program]()
