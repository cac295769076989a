"""docs/rights.md beside the roles that are shipped and the commands that there are."""

import yaml

from deploy.project import ROOT
from surefoot.plugin.app import GROUPS
from tests.packaging.rights import Needs, table

PEOPLE = ("viewer", "author", "approver", "reporter", "administrator")
ELSEWHERE = {"inbox", "watch", "diff", "adopt", "version", "report"}
"""Commands that the page speaks of below its table."""


def _allows(role: str, needs: Needs) -> bool:
    texts = (ROOT / "manifests/base/roles.yaml").read_text()
    rules = next(
        found["rules"]
        for found in yaml.safe_load_all(texts)
        if found["metadata"]["name"] == f"surefoot-{role}"
    )
    return all(
        any(resource in rule["resources"] and verb in rule["verbs"] for rule in rules)
        for verb, resource in needs.rights
    )


def test_table_names_exactly_the_roles_that_have_the_rights() -> None:
    """A role that gains or loses a right changes the page."""
    for needs in table():
        having = tuple(role for role in PEOPLE if _allows(role, needs))
        said = PEOPLE if needs.roles == ("all",) else needs.roles
        assert having == said, needs.command


def test_table_has_every_command_of_the_plugin() -> None:
    """A new command gets a row."""
    names = {name for commands in GROUPS.values() for name in commands}
    said = {needs.command.partition(" ")[0] for needs in table()} | ELSEWHERE
    assert names == said
