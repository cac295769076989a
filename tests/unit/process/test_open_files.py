"""The limit of open files, in a process of its own."""

import subprocess
import sys

SCRIPT = """
import resource
from surefoot.process.open_files import allow_as_many_as_possible

_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
most = hard if hard != resource.RLIM_INFINITY else 4096
resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 256), most))
allow_as_many_as_possible()
assert resource.getrlimit(resource.RLIMIT_NOFILE) == (most, most)
"""


def test_soft_limit_is_no_obstacle() -> None:
    """Where there are many namespaces, the usual 1024 are too few."""
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)
