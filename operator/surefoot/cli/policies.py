"""`surefoot policies`: the admission policies for one cluster, as manifests."""

from pathlib import Path
from typing import Annotated

import typer

from surefoot.adapters import settings
from surefoot.cli.exits import NO, fail
from surefoot.errors import ConfigurationError

# Every command loads this module: what only this one needs is imported where it is used.
# ruff: noqa: PLC0415


def print_policies(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="The operator's configuration, for its section `policies`.",
        ),
    ] = None,
    mutation: Annotated[
        bool,
        typer.Option(
            "--mutation/--no-mutation",
            help="With the policies that fill in names (Kubernetes 1.36 or newer), or without.",
        ),
    ] = True,
) -> None:
    """Print the admission policies for the operator's identity that the configuration names.

    To be applied with `kubectl apply --server-side -f -`. The operator compares what it finds in
    the cluster with these, made from the same section of its own configuration.
    """
    from surefoot.policies import shipped
    from surefoot.policies.files import as_yaml

    try:
        found = settings.load(config)
    except ConfigurationError as error:
        fail(NO, str(error))
    typer.echo(as_yaml(shipped(found.policies.settings, mutation=mutation)), nl=False)
