"""Every page of docs/ that is made from the code."""

from pathlib import Path, PurePath

from surefoot.docgen.commands import command_pages
from surefoot.docgen.conditions import conditions_page
from surefoot.docgen.configuration import configuration_page
from surefoot.docgen.events import events_page
from surefoot.docgen.exits import exits_page
from surefoot.docgen.fields import kind_pages
from surefoot.docgen.markdown import page
from surefoot.docgen.metrics import metrics_page
from surefoot.docgen.states import states_page
from surefoot.generated import Generator

REFERENCE = PurePath("reference")
_INDEX = """\
Every page here is generated from the code, and `make check` fails where one differs from it.
"""
_CONTENTS = """\
| page | generated from |
|---|---|
| [Rollout](rollout.md), [Checkpoint](checkpoint.md), [Approval](approval.md) | the models that the CRDs are made from |
| [Conditions and reasons](conditions.md) | the table of checks |
| [Events](events.md) | the reasons that are announced |
| [States](../states.md) | the state machine |
| [Configuration](configuration.md) | the models that read the configuration file |
| [`surefoot`](surefoot.md), [`kubectl surefoot`](kubectl-surefoot.md) | the commands |
| [Exit codes](exit-codes.md) | the codes that commands end with |
| [Metrics](metrics.md) | the registry |
"""


def generated_files() -> dict[PurePath, str]:
    """The text of every page that is made from the code."""
    pages = {
        "index.md": page("Reference", "operator/surefoot/docgen", _INDEX, _CONTENTS.splitlines()),
        **dict(kind_pages()),
        **dict(command_pages()),
        "configuration.md": configuration_page(),
        "conditions.md": conditions_page(),
        "events.md": events_page(),
        "metrics.md": metrics_page(),
        "exit-codes.md": exits_page(),
    }
    reference = {REFERENCE / name: text for name, text in pages.items()}
    return {PurePath("states.md"): states_page(), **reference}


FILES = Generator(
    generated_files,
    patterns=("states.md", "reference/*.md"),
    directory=Path("docs"),
    source="models, tables and commands",
    target="docs-reference",
)
