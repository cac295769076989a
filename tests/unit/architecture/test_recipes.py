"""The recipes of docs/architecture.md are true: each is followed with a toy, in a copy.

A recipe is a list of edits. The copy gets exactly these, and a program then finds the toy at work.
"""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import surefoot

ROOT = Path(__file__).parents[3]
PACKAGE = Path(surefoot.__file__).parent
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Edit:
    """One place that is touched: a new file, or text put before, or instead of, what is there."""

    path: str
    text: str
    before: str = ""
    instead: bool = False
    """Whether the text replaces what it would go before."""


@dataclass(frozen=True)
class Recipe:
    """The heading in the docs, the edits, and a program that ends well once they are made."""

    heading: str
    edits: tuple[Edit, ...]
    proof: str


CONDITION = Recipe(
    "A condition",
    (
        Edit(
            "domain/checks/moon_is_full.py",
            '''"""MoonIsFull: the toy."""
from surefoot.api.v1alpha1.rollout_status import Phase
from surefoot.domain.checks.check import EVERY_MOVE, Check, Group
from surefoot.domain.facts.verdicts import *


def judge(state, _):
    if not state.rollout.spec.needs_full_moon:
        return not_required(ConditionType.MOON_IS_FULL)
    return blocks(ConditionType.MOON_IS_FULL, UnmetRequirement("NewMoon", "wait", "look up"))


MOON_IS_FULL = Check(
    type=ConditionType.MOON_IS_FULL, group=Group.GUARD, applies_to=EVERY_MOVE,
    phase=Phase.HOLDING, judge=judge, withdraws="the moon wanes",
)
''',
        ),
        Edit(
            "domain/checks/table.py",
            "from surefoot.domain.checks.moon_is_full import MOON_IS_FULL\n",
            "from surefoot.domain.checks.not_paused import",
        ),
        Edit("domain/checks/table.py", "    MOON_IS_FULL,\n", "    NOT_ROLLED_BACK,\n"),
        Edit(
            "domain/facts/verdicts.py",
            '    MOON_IS_FULL = "MoonIsFull"\n',
            '    NOT_PAUSED = "NotPaused"\n',
        ),
        Edit(
            "api/v1alpha1/rollout.py",
            '    needs_full_moon: bool = False\n    """The toy."""\n',
            "    metrics: Annotated[tuple[Metric, ...]",
        ),
    ),
    """
from surefoot.domain.checks.table import CHECKS
from surefoot.domain.plan import Intend
from tests.support.world import World, a_rollout
from surefoot.crdgen.files import generated_files
assert "MoonIsFull" in [check.type for check in CHECKS]
free = World(a_rollout()); free.settle(); assert free.percent == 100
assert free.condition("MoonIsFull") == ("True", "NotRequired")
world = World(a_rollout(needsFullMoon=True)); world.settle()
assert world.percent is None
assert world.condition("MoonIsFull") == ("False", "NewMoon")
assert ("MoonIsFull", "NewMoon") in world.blockers() and "wait" in world.status.waiting_on
assert any("needsFullMoon" in text for text in generated_files().values())
""",
)

FORMAT = Recipe(
    "A flag format",
    (
        Edit(
            "domain/flag/formats/shout.py",
            '''"""The toy: one key that shouts."""
from surefoot.api.v1alpha1.rollout import FlagFormat


class ShoutFormat:
    name = FlagFormat.SHOUT
    has_attributes = False

    def render(self, state):
        return {"SHOUT": f"{state.percent}!"}

    def flags_in(self, data):
        return frozenset()

    def zero(self, data, flags, written_at):
        return {"SHOUT": "0!"} if "SHOUT" in data else {}

    def same_audience(self, found, expected):
        return found == expected

    def describe_other_audience(self, state, expected):
        return "shouts something else"
''',
        ),
        Edit(
            "domain/flag/formats/registry.py",
            "from surefoot.domain.flag.formats.shout import ShoutFormat\n",
            "\nBASE: Format =",
        ),
        Edit(
            "domain/flag/formats/registry.py",
            "(BASE, FlagdFormat(), ShoutFormat())",
            "(BASE, FlagdFormat())",
            instead=True,
        ),
        Edit("api/v1alpha1/rollout.py", '    SHOUT = "Shout"\n', '    PERCENTAGE = "Percentage"\n'),
    ),
    """
from surefoot.domain.flag.formats.registry import FORMATS, zero
from tests.support.world import START, World, a_rollout, a_spec
world = World(a_rollout(target=a_spec()["target"] | {"format": "Shout"})); world.settle()
assert world.config_map.data["SHOUT"] == "100!", world.config_map.data
assert zero(world.config_map.data, START)["SHOUT"] == "0!"
""",
)

COMMAND = Recipe(
    "A plugin command",
    (
        Edit(
            "plugin/commands/greeting.py",
            '''"""greet."""
import typer


def add_to(app: typer.Typer) -> None:
    app.command()(greet)


def greet() -> None:
    """Say hello."""
    typer.echo("hello")
''',
        ),
        Edit("plugin/app.py", '    "greeting": {"greet": "Say hello."},\n', '    "looking": {\n'),
    ),
    """
from typer.testing import CliRunner
from surefoot.plugin.app import app
assert CliRunner().invoke(app, ["greet"]).output == "hello\\n"
assert "Say hello." in CliRunner().invoke(app, ["--help"]).output
""",
)

REPORT = Recipe(
    "A report",
    (
        Edit(
            "reports/moons.py",
            '''"""The toy."""
from typing import ClassVar
from surefoot.reports.rendering import Report


class Moons(Report):
    template: ClassVar[str] = "moons.md.j2"
    moons: int


def moons_of(dossier):
    return Moons(title="Moons", moons=len(dossier.history))
''',
        ),
        Edit("reports/templates/moons.md.j2", "# Moons\n\nThere were {{ report.moons }}.\n"),
        Edit(
            "plugin/commands/reporting.py",
            '''def moons(name: RolloutName, *, namespace: Namespace = None, context: Context = None,
          output: ReportOutput = ReportFormat.MARKDOWN) -> None:
    """How many moons it took."""
    from surefoot.plugin import reporting, session
    from surefoot.reports.moons import moons_of

    async def work(now):
        await reporting.report(now, name, moons_of, output)
        return 0

    session.run(Where(namespace, context=context), work)


''',
            "def a_step(",
        ),
        Edit(
            "plugin/commands/reporting.py",
            "    app.command()(moons)\n",
            "    app.command()(communications)\n",
        ),
        Edit(
            "plugin/app.py",
            '        "moons": "Print how many moons it took.",\n',
            '        "document": "Print',
        ),
    ),
    """
from typer.testing import CliRunner
from surefoot.plugin.app import app
from surefoot.reports.dossier import dossier_of
from surefoot.reports.moons import moons_of
from surefoot.reports.rendering import html, markdown
from tests.support.world import START, a_rollout
made = moons_of(dossier_of(a_rollout(), [], [], START))
assert "There were 0." in markdown(made) and "There were 0." in html(made)
assert CliRunner().invoke(app, ["moons", "--help"]).exit_code == 0
""",
)

PROVIDER = Recipe(
    "A metrics provider",
    (
        Edit(
            "adapters/dice.py",
            '''"""The toy: a provider that throws dice."""
from surefoot.domain.facts.measurements import Measurement, Outcome, QueryFacts, Sample


class DiceProvider:
    def __init__(self, settings, now):
        self._now = now

    async def inspect(self, query):
        return QueryFacts(None)

    async def measure(self, query):
        sample = Sample(query.end, 4.0)
        return Measurement(
            query.start, query.end, query.step, (sample,), Outcome.VALUE, "4", self._now()
        )

    async def close(self):
        pass
''',
        ),
        Edit(
            "adapters/provider_settings.py",
            '    DICE = "Dice"\n',
            '    PROMETHEUS = "Prometheus"\n',
        ),
        Edit(
            "adapters/providers.py",
            "from surefoot.adapters.dice import DiceProvider\n",
            "from surefoot.adapters.prometheus import",
        ),
        Edit(
            "adapters/providers.py",
            "    ProviderType.DICE: DiceProvider,\n",
            "    ProviderType.PROMETHEUS: PrometheusProvider,\n",
        ),
    ),
    """
import asyncio
from datetime import timedelta
from surefoot.adapters.provider_settings import ProviderSettings
from surefoot.adapters.providers import Providers
from surefoot.domain.facts.measurements import RangeQuery
from tests.support.world import START
entry = {"name": "default", "type": "Dice", "address": "https://dice.example"}
providers = Providers([ProviderSettings.model_validate(entry)], lambda: START)
assert providers.names("any") == {"default"}
query = RangeQuery("default", "dice", START - timedelta(minutes=1), START, timedelta(seconds=30))
assert asyncio.run(providers.measure(query)).value == 4.0
""",
)

RECIPES = (CONDITION, FORMAT, PROVIDER, COMMAND, REPORT)


def made(edit: Edit, package: Path) -> None:
    """Make one edit; what it goes before must be there."""
    path = package / edit.path
    if not edit.before:
        assert not path.exists()
        path.write_text(edit.text, encoding="utf-8")
        return
    text = path.read_text(encoding="utf-8")
    assert edit.before in text, f"{edit.path} has no {edit.before!r}"
    new = edit.text if edit.instead else edit.text + edit.before
    path.write_text(text.replace(edit.before, new, 1), encoding="utf-8")


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.heading)
def test_recipe_is_true(recipe: Recipe, tmp_path: Path) -> None:
    """A toy that is added by the recipe's edits works, and the page names every file touched."""
    package = tmp_path / "surefoot"
    shutil.copytree(
        PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__", "testbed", "demo")
    )
    for edit in recipe.edits:
        made(edit, package)
    environment = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": ""}
    ran = subprocess.run(
        [sys.executable, "-c", recipe.proof],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    part = PAGE.split(f"### {recipe.heading}\n", 1)[1].split("\n#", 1)[0]
    named = set(re.findall(r"`([\w/.]+\.(?:py|j2|md))`", part)) | {
        *re.findall(r"`([\w/]+/)`", part)
    }
    for path in {edit.path for edit in recipe.edits}:
        folder = f"{path.rpartition('/')[0]}/"
        assert path in named or folder in named, f"the recipe does not name {path}"


def test_condition_touches_four_files() -> None:
    """Its own, the table, its name and its field; the CRDs and their page are generated."""
    assert len({edit.path for edit in CONDITION.edits}) == 4
