"""The programs that a person needs beside a test bed, in one folder for their PATH."""

import shutil
import sys
from contextlib import suppress
from pathlib import Path

from surefoot.errors import TestbedError
from surefoot.testbed.binaries import cache_directory
from surefoot.testbed.components import build_of
from surefoot.testbed.layout import Layout
from surefoot.testbed.toolchain import find_kubectl

SCRIPTS = ("surefoot", "kubectl-surefoot", "kubectl_complete-surefoot")
"""What the distribution `surefoot` installs beside its Python."""
BUILT = ("promtool",)
"""What is linked once it was built: it is no part of a control plane."""


def link_programs(directory: Path) -> Path:
    """Link kubectl, the plugin and the tools into the bed's folder `bin`; return that folder.

    A wheel's kubectl lies in its virtual environment, together with a `python` that must not
    become the shell's: only what is named here is linked. A program that is not there is left out.
    """
    folder = Layout(directory).programs
    folder.mkdir(parents=True, exist_ok=True)
    for name, program in _programs().items():
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(program)
    return folder


def _programs() -> dict[str, Path]:
    programs = {}
    with suppress(TestbedError):
        programs["kubectl"] = find_kubectl()
    scripts = Path(sys.executable).parent
    for name in SCRIPTS:
        program = scripts / name if (scripts / name).is_file() else shutil.which(name)
        if program is not None:
            programs[name] = Path(program)
    for name in BUILT:
        program = cache_directory() / build_of(name).key() / name
        if program.is_file():
            programs[name] = program
    return programs
