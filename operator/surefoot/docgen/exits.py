"""The page of exit codes."""

from surefoot.cli.exits import FAULT, NO, PIPE_CLOSED, UNREACHABLE, UNWRITTEN, USAGE
from surefoot.docgen.markdown import code, page, table

_INTRODUCTION = """\
All commands of `surefoot` and `kubectl surefoot` end alike, so that scripts can tell an answer from a
fault.
"""
_CODES = (
    (
        0,
        "The command did what it was asked, or the answer is yes.",
        "`compliance`: the step would be allowed. `record verify`: the record is intact.",
    ),
    (
        NO,
        "The answer is no.",
        "`compliance`: the step is blocked, or there is no answer to go by. `approve`: the API server refused. `get NAME`: there is no such Rollout. `audit --at-least`: the score is lower, or unknown. `run --check-config`: the file has a fault.",
    ),
    (
        USAGE,
        "The command was typed wrongly.",
        "An option does not exist, or a value has the wrong form. A part of the extra `testbed` is not installed.",
    ),
    (
        UNREACHABLE,
        "The cluster cannot be reached, or does not let you read.",
        "There is no kubeconfig, the API server does not answer, or RBAC refuses to read.",
    ),
    (
        FAULT,
        "The command has a fault of its own.",
        "`SUREFOOT_TRACE=1` shows where it is.",
    ),
    (
        UNWRITTEN,
        "The answer could not be written to standard output, and is incomplete.",
        "The disk is full. What the command changed in the cluster before stays changed.",
    ),
    (130, "The command was interrupted with Ctrl-C.", "143 where it was ended by SIGTERM."),
    (PIPE_CLOSED, "No one reads the answer any more.", "`kubectl surefoot get -A | head -1`"),
)


def exits_page() -> str:
    """The text of the page."""
    rows = ((code(str(number)), meaning, examples) for number, meaning, examples in _CODES)
    return page(
        "Exit codes",
        "operator/surefoot/docgen/exits.py",
        _INTRODUCTION,
        table(("code", "meaning", "examples"), rows),
    )
