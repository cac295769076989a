"""`python -m surefoot.manifestgen`: write the manifests, or with `--check` say what differs."""

import argparse
import sys
from collections.abc import Sequence

from surefoot.manifestgen import argocd, dashboards, rules

GENERATORS = (argocd.FILES, rules.FILES, dashboards.FILES)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 1 where `--check` finds a difference."""
    program = "python -m surefoot.manifestgen"
    parser = argparse.ArgumentParser(prog=program, description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, show what differs")
    options = parser.parse_args(arguments)
    flags = ["--check"] if options.check else []
    return max(generator.run(program, __doc__, flags) for generator in GENERATORS)


if __name__ == "__main__":
    sys.exit(main())
