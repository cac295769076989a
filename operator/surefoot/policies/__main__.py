"""`python -m surefoot.policies`: write manifests/policies, or with `--check` say what differs."""

import sys
from collections.abc import Sequence

from surefoot.policies.files import FILES


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 1 where `--check` finds a difference."""
    return FILES.run("python -m surefoot.policies", __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main())
