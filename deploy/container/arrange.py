"""Runs in the image's build stage: removes what is not needed and compiles the rest.

Standard library only. What it leaves depends on nothing but the files that it finds.
"""

import compileall
import importlib
import os
import py_compile
import shutil
import sys
from pathlib import Path

LIBRARIES = Path("/usr/local/lib/python3.13/dist-packages")
STANDARD = Path("/usr/lib/python3.13")
UNUSED = (
    "*/tests",
    "bin",
    # What the installer noted about this machine.
    "*.dist-info/direct_url.json",
    "*.dist-info/uv_cache.json",
    "*.dist-info/uv_build.json",
    "*.dist-info/INSTALLER",
    "*.dist-info/REQUESTED",
    "*.dist-info/RECORD",
    ".lock",
)
LAUNCHERS = {
    "surefoot": "from surefoot.cli.main import main",
    "kubectl-surefoot": "from surefoot.plugin.entry import main",
}

NEEDED = ("surefoot.cli.main", "surefoot.handlers.lifecycle", "surefoot.wiring", "apprise")
"""What imports everything that the operator imports."""


def main() -> int:
    """Arrange the libraries, and say how large they are."""
    for path in [path for pattern in UNUSED for path in sorted(LIBRARIES.glob(pattern))]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    folder = Path("/usr/local/bin")
    folder.mkdir(parents=True, exist_ok=True)
    for name, statement in LAUNCHERS.items():
        launcher = folder / name
        launcher.write_text(f"#!/usr/bin/python3.13\n{statement}\n\nmain()\n", encoding="utf-8")
        launcher.chmod(0o755)
    for tree in (LIBRARIES, STANDARD):
        # Unchecked: the source beside it never changes, and its time would differ between builds.
        compileall.compile_dir(
            tree,
            quiet=2,
            force=True,
            workers=1,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
    for module in NEEDED:  # fails here, and not in a cluster, if too much was removed
        importlib.import_module(module)
    size = sum(path.lstat().st_size for path in LIBRARIES.rglob("*") if not path.is_dir())
    print(f"libraries and Surefoot: {size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    os.environ["PYTHONHASHSEED"] = "0"
    sys.exit(main())
