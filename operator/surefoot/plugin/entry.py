"""Where `kubectl-surefoot` begins. Ctrl-C while the program is loaded ends it without a word."""

import signal


def main() -> None:
    """Load the commands, and run the one that was typed."""
    # Python's own handler would raise in the middle of an import, and print where.
    is_pythons = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_pythons:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from surefoot.plugin.app import main as run  # noqa: PLC0415 - not before that

    if is_pythons:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()
