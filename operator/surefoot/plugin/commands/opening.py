"""dashboard: a page on one's own machine."""

from typing import Annotated

import typer

from surefoot.plugin.commands.options import Context, Namespace, Where

# ruff: noqa: PLC0415 - see the package


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(dashboard)


def dashboard(
    *,
    namespace: Namespace = None,
    context: Context = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Of this machine; 0 takes any free one.")
    ] = 0,
    opens: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the link in the browser.")
    ] = True,
) -> None:
    """Serve a page on this machine, with your kubeconfig and your rights, until Ctrl-C.

    It shows all namespaces, or the one that --namespace names.
    """
    from surefoot.dashboard.serving import serve
    from surefoot.plugin import session

    where = Where(namespace, everywhere=namespace is None, context=context)
    session.run(where, lambda now: serve(now, port, opens=opens))
