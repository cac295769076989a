"""Runs a command whose process stands still again and again, as where others take the machine.

    python -m tests.support.stutter 0.8 1.6 python -m pytest -n0 tests/operator/test_dashboard.py

The first number is how many seconds it runs, the second how many it stands still. What it has
started, such as an API server, goes on. A test that is short of time fails then, and one that waits
for a state that soon passes.
"""

import signal
import subprocess
import sys
import time


def main(runs: float, stands: float, command: list[str]) -> int:
    """Run the command to its end, and return its exit code."""
    with subprocess.Popen(command) as process:
        try:
            while process.poll() is None:
                time.sleep(runs)
                process.send_signal(signal.SIGSTOP)
                time.sleep(stands)
                process.send_signal(signal.SIGCONT)
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
