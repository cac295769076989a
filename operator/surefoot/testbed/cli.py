"""``surefoot testbed up|down|status``.

Standard output carries nothing but what a shell can evaluate, so that
``eval "$(surefoot testbed up)"`` works in every shell; what is for people goes to standard
error. Exit codes: 0 done, 1 the answer is no, 2 usage or a library is not installed, 3 cannot.
"""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from surefoot.errors import TestbedError

if TYPE_CHECKING:
    from surefoot.testbed.process import Component
    from surefoot.testbed.users import User

# The modules of the bed are imported where they are used: `surefoot run` loads this one too,
# and the libraries behind them are installed by the extra `testbed` only.
# ruff: noqa: PLC0415

app = typer.Typer(
    help="A real Kubernetes control plane and a real Prometheus on loopback, for trying things.",
    no_args_is_help=True,
)

Directory = Annotated[
    Path | None,
    typer.Option(
        "--dir",
        help="The directory of the test bed. Several may run side by side.",
        show_default="the user's state directory",
    ),
]


@app.command()
def up(
    directory: Directory = None,
    prometheus: Annotated[
        bool, typer.Option(help="Start a Prometheus beside the control plane.")
    ] = True,
    kubeconfig: Annotated[
        Path | None,
        typer.Option(
            help="Use the existing cluster of this file's current context instead of starting "
            "one. It is refused when it looks like production."
        ),
    ] = None,
    consent: Annotated[
        bool,
        typer.Option(
            "--yes-use-this-cluster", help="With --kubeconfig: use it whatever it looks like."
        ),
    ] = False,
    kind: Annotated[
        bool, typer.Option("--kind", help="Let kind make the cluster; needs Docker.")
    ] = False,
) -> None:
    """Start the test bed and print the settings of the shell: eval "$(surefoot testbed up)"."""
    if kind and kubeconfig is not None:
        raise typer.BadParameter("--kind and --kubeconfig exclude each other")
    if consent and kubeconfig is None:
        raise typer.BadParameter("--yes-use-this-cluster needs --kubeconfig")
    with _exit_codes():
        place = _place(directory)
        if kind or kubeconfig is not None:
            _borrow(place, kubeconfig, consent=consent, prometheus=prometheus)
        else:
            _start(place, prometheus=prometheus)


@app.command()
def down(
    directory: Directory = None,
    keep_data: Annotated[
        bool, typer.Option("--keep-data", help="Keep objects and samples for the next `up`.")
    ] = False,
) -> None:
    """Stop the test bed and remove what it stored."""
    with _exit_codes():
        place = _place(directory)
        bed = _find(place)
        if bed is None:
            _tell(f"no test bed in {place}: nothing to stop")
            return
        bed.stop(keep_data=keep_data)
        _tell(f"stopped; {'its data is kept' if keep_data else 'nothing of it is left'} in {place}")


@app.command()
def status(directory: Directory = None) -> None:
    """Say what runs, and exit with 1 unless everything is ready."""
    with _exit_codes():
        place = _place(directory)
        bed = _find(place)
        if bed is None:
            typer.echo(f"no test bed in {place}; start one: {_command('up', place)}")
            raise typer.Exit(1)
        states = {component.name: component.state for component in bed.components}
        for name, state in states.items():
            typer.echo(f"{name:26}{state}")
        typer.echo(_description(bed, place))
        if any(state != "ready" for state in states.values()):
            raise typer.Exit(1)


class _Bed(Protocol):
    """What the commands need of a bed, of our own or borrowed."""

    @property
    def users(self) -> Sequence["User"]: ...

    @property
    def components(self) -> Sequence["Component"]: ...

    @property
    def prometheus_url(self) -> str | None: ...

    def kubeconfig(self) -> Path: ...

    def stop(self, *, keep_data: bool) -> None: ...


def _start(place: Path, *, prometheus: bool) -> None:
    from surefoot.testbed.bed import TestBed
    from surefoot.testbed.borrowed import BorrowedBed
    from surefoot.testbed.progress import on_stderr

    if BorrowedBed.attach(place) is not None:
        raise _occupied(place, "a borrowed cluster")
    with on_stderr() as progress:
        bed = TestBed.start(place, prometheus=prometheus, owner=None, progress=progress)
    _announce(bed, place)


def _borrow(place: Path, kubeconfig: Path | None, *, consent: bool, prometheus: bool) -> None:
    from surefoot.testbed.bed import TestBed
    from surefoot.testbed.borrowed import BorrowedBed, refuse_production
    from surefoot.testbed.progress import on_stderr

    if kubeconfig is not None and not consent:
        refuse_production(kubeconfig)
    if TestBed.exists_in(place):
        raise _occupied(place, "a control plane of its own")
    with on_stderr() as progress:
        bed = BorrowedBed.start(
            place, kubeconfig=kubeconfig, prometheus=prometheus, progress=progress
        )
    _announce(bed, place)


def _find(place: Path) -> _Bed | None:
    from surefoot.testbed.bed import TestBed
    from surefoot.testbed.borrowed import BorrowedBed

    return TestBed.attach(place) if TestBed.exists_in(place) else BorrowedBed.attach(place)


def _occupied(place: Path, what: str) -> TestbedError:
    return TestbedError(
        f"the test bed in {place} is {what}. Stop it first: {_command('down', place)}; "
        f"or name another directory with --dir."
    )


def _announce(bed: _Bed, place: Path) -> None:
    from surefoot.testbed.programs import link_programs

    folder = link_programs(place)
    typer.echo(f'export PATH={shlex.quote(str(folder))}:"$PATH"')
    typer.echo(f"export KUBECONFIG={shlex.quote(str(bed.kubeconfig()))}")
    if bed.prometheus_url is not None:
        typer.echo(f"export PROMETHEUS_URL={shlex.quote(bed.prometheus_url)}")
    _tell(_description(bed, place))


def _description(bed: _Bed, place: Path) -> str:
    lines = [f"# kubeconfig: {bed.kubeconfig()}"]
    if bed.users:
        names = (f"{user.name} ({', '.join(user.groups) or 'no group'})" for user in bed.users)
        lines += [
            f"# users, each with a <name>.yaml beside it: {'; '.join(names)}",
        ]
    if bed.prometheus_url is not None:
        lines.append(f"# Prometheus: {bed.prometheus_url}")
    if any(component.is_running for component in bed.components):
        lines.append(f"# stop it: {_command('down', place)}")
    else:
        lines.append(f"# start it: {_command('up', place)}; drop it: {_command('down', place)}")
    return "\n".join(lines)


def _command(name: str, place: Path) -> str:
    return f"surefoot testbed {name} --dir {shlex.quote(str(place))}"


def _place(directory: Path | None) -> Path:
    if directory is not None:
        return directory.absolute()
    import platformdirs

    return platformdirs.user_state_path("surefoot") / "testbed"


def _tell(text: str) -> None:
    typer.echo(text, err=True)


@contextmanager
def _exit_codes() -> Iterator[None]:
    """Say in one line what went wrong, without a trace."""
    try:
        yield
    except TestbedError as error:
        _tell(str(error))
        raise typer.Exit(3) from error
    except ModuleNotFoundError as error:
        _tell(
            f"the test bed needs the library {error.name}, which is not installed. "
            f"Run: pip install 'surefoot[testbed]'"
        )
        raise typer.Exit(2) from error
