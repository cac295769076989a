"""A Prometheus that lives as long as one backtest, so that a file of raw series answers any query.

It listens on loopback at a port that the system chooses, has its data in a folder of its own, and
both are gone afterwards. Prometheus and promtool are those of the PATH, or those of the test bed.
"""

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from surefoot.backtest.history import NoHistory

_LISTENS = re.compile(r'msg="Listening on".* address=(127\.0\.0\.1:\d+)')
_LOADS_WITHIN = 600.0
_STARTS_WITHIN = 60.0
_ENDS_WITHIN = 10.0
_LOOKS_EVERY = 0.05
_NAMES = ("prometheus", "promtool")


class Programs(NamedTuple):
    """Where the two programs are."""

    prometheus: Path
    promtool: Path


def find_programs() -> Programs | None:
    """Both programs, from the PATH or as the test bed has built them; None where one is missing."""
    on_path = [shutil.which(name) for name in _NAMES]
    if all(on_path):
        return Programs(*(Path(found) for found in on_path if found is not None))
    try:
        from surefoot.testbed.binaries import find_built  # noqa: PLC0415 - another distribution
    except ImportError:
        return None
    built = find_built(_NAMES)
    return None if built is None else Programs(*(built[name] for name in _NAMES))


@contextmanager
def prometheus_of(text: str, shown: str, programs: Programs) -> Iterator[str]:
    """The address of a Prometheus that has the samples of an OpenMetrics text, and nothing else.

    Raises `NoHistory` where the text is not accepted, or Prometheus does not start.
    """
    with tempfile.TemporaryDirectory(prefix="surefoot-backtest-") as name:
        folder = Path(name)
        _load(text, shown, programs.promtool, folder)
        (folder / "prometheus.yml").write_text("")
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - a program that was found, not a shell
                [
                    programs.prometheus,
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    # The samples may be of any time, and none may be dropped for its age.
                    "--storage.tsdb.retention.time=100y",
                    "--web.listen-address=127.0.0.1:0",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
            try:
                yield f"http://{_address(process, folder / 'log')}"
            finally:
                _end(process)


def _load(text: str, shown: str, promtool: Path, folder: Path) -> None:
    """Write the blocks of a text."""
    source = folder / "samples.om"
    source.write_text(text)
    blocks = ("tsdb", "create-blocks-from", "openmetrics", str(source), str(folder / "data"))
    try:
        done = subprocess.run(  # noqa: S603 - a program that was found, not a shell
            [str(promtool), *blocks],
            capture_output=True,
            text=True,
            check=False,
            timeout=_LOADS_WITHIN,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoHistory(f"{promtool} cannot load {shown}: {error}") from error
    source.unlink()
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise NoHistory(f"promtool does not accept {shown}: {' '.join(lines[-1:]) or 'no reason'}")


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """Where it listens, as its log says; it answers from then on, at first with 503."""
    ends = time.monotonic() + _STARTS_WITHIN
    while process.poll() is None and time.monotonic() < ends:
        told = log.read_text(errors="replace")
        found = _LISTENS.search(told)
        if found is not None and "Server is ready to receive web requests" in told:
            return found.group(1)
        time.sleep(_LOOKS_EVERY)
    last = log.read_text(errors="replace").strip().splitlines()[-1:]
    raise NoHistory(f"the temporary Prometheus did not start: {' '.join(last)}", is_down=True)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_ENDS_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
