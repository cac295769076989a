"""`python -m surefoot.policies`: write manifests/policies, or with `--check` say what differs."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from surefoot.policies.files import differences, write


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 1 where `--check` finds a difference."""
    parser = argparse.ArgumentParser(prog="python -m surefoot.policies", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, show what differs")
    parser.add_argument("--directory", type=Path, default=Path("manifests/policies"))
    options = parser.parse_args(arguments)
    if not options.check:
        write(options.directory)
        return 0
    diff = "".join(differences(options.directory))
    if not diff:
        return 0
    sys.stdout.write(diff)
    sys.stderr.write(f"{options.directory} is not what the policies say: run make policies\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
