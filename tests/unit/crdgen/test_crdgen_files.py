"""How a model becomes a schema, and the generated files with their check."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
import yaml
from pydantic import Field

from surefoot.api.v1alpha1.meta import ApiModel, Rule
from surefoot.crdgen.__main__ import main
from surefoot.crdgen.files import FILES, generated_files
from surefoot.crdgen.schema import schema_tree
from surefoot.crdgen.structural import structural_schema

ROOT = Path(__file__).parents[3]


class Inner(ApiModel):
    """Something inside."""

    size: Annotated[int, Field(ge=0, le=9)] = 3
    """How much."""

    rules = (
        Rule(cel="self.size != 4", message="size must not be 4", holds=lambda inner: True),
        Rule(cel="self == oldSelf", message="it may not change", holds=None, field=".size"),
    )


class Spec(ApiModel):
    """A spec."""

    kind_of: Literal["Only"] = "Only"
    """There is
    one choice."""
    maybe: Inner | None = None
    """Another inside."""
    many: Annotated[tuple[Inner, ...], Field(max_length=2)] = ()
    """Several."""
    hold: Inner | None = None
    """Inherits."""


class Thing(ApiModel):
    """A thing."""

    spec: Spec
    """What is wished."""
    status: Inner = Inner()
    """What is."""


class Unsayable(ApiModel):
    """A thing whose schema is no structural schema."""

    spec: int | Inner
    """Either."""
    status: Inner = Inner()
    """What is."""


INNER_RULES = [
    {"rule": "self.size != 4", "message": "size must not be 4", "reason": "FieldValueInvalid"},
    {
        "rule": "self == oldSelf",
        "message": "it may not change",
        "reason": "FieldValueForbidden",
        "fieldPath": ".size",
    },
]


def test_tree_spells_out_what_a_field_is() -> None:
    """References are followed, null becomes absence, a constant becomes a choice of one."""
    spec = schema_tree(Thing)["properties"]["spec"]
    size = {"description": "How much.", "type": "integer", "minimum": 0, "maximum": 9, "default": 3}
    assert spec["properties"]["maybe"] == {
        "description": "Another inside.",
        "type": "object",
        "properties": {"size": size},
        "x-kubernetes-validations": INNER_RULES,
    }
    assert spec["properties"]["kindOf"] == {
        "description": "There is one choice.",
        "type": "string",
        "enum": ["Only"],
        "default": "Only",
    }


def test_structural_schema_has_defaults_only_where_they_help() -> None:
    """Not where absence means something, not within lists or for empty ones, not in status."""
    schema = structural_schema(Thing, defaults=True)["properties"]
    spec = schema["spec"]["properties"]
    assert spec["maybe"]["properties"]["size"]["default"] == 3
    assert "default" not in spec["many"]["items"]["properties"]["size"]
    assert "default" not in spec["many"]
    assert "default" not in spec["hold"]["properties"]["size"]
    assert "default" not in schema["status"]
    assert "default" not in schema["status"]["properties"]["size"]


def test_structural_schema_without_defaults_has_none() -> None:
    """For kinds to which the API server adds nothing."""
    assert "default:" not in yaml.dump(structural_schema(Thing, defaults=False))


def test_what_no_structural_schema_can_say_is_refused() -> None:
    """Better here, with the node, than by the API server."""
    with pytest.raises(ValueError, match="anyOf"):
        structural_schema(Unsayable, defaults=False)


def test_files_in_the_repository_are_what_the_models_say() -> None:
    """If this fails: run `make crds` and commit."""
    assert FILES.present(ROOT / "crds") == generated_files()


def test_generated_files_say_so() -> None:
    """Nobody should edit them."""
    for path, text in generated_files().items():
        if path.suffix == ".yaml":
            assert text.startswith("# Generated")
            assert "make crds" in text.splitlines()[0]


def test_check_is_silent_after_writing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was just written is up to date."""
    directory = str(tmp_path / "crds")
    assert main(["--directory", directory]) == 0
    assert main(["--directory", directory, "--check"]) == 0
    assert capsys.readouterr() == ("", "")


def test_check_shows_what_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A change by hand is shown as a diff, with what to do, and left alone."""
    main(["--directory", str(tmp_path)])
    path = tmp_path / "rollouts.surefoot.dev.yaml"
    edited = path.read_text().replace("kind: Rollout\n", "kind: Rolout\n")
    path.write_text(edited)

    assert main(["--directory", str(tmp_path), "--check"]) == 1

    said = capsys.readouterr()
    assert "-    kind: Rolout\n+    kind: Rollout\n" in said.out
    assert "run make crds" in said.err
    assert path.read_text() == edited


def test_check_sees_missing_and_left_over_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A kind that is gone leaves no definition behind; writing mends both."""
    main(["--directory", str(tmp_path)])
    (tmp_path / "approvals.surefoot.dev.yaml").unlink()
    (tmp_path / "gone.surefoot.dev.yaml").write_text("kind: Gone\n")

    assert main(["--directory", str(tmp_path), "--check"]) == 1
    said = capsys.readouterr().out
    assert "+  name: approvals.surefoot.dev\n" in said
    assert "-kind: Gone\n" in said

    main(["--directory", str(tmp_path)])
    assert main(["--directory", str(tmp_path), "--check"]) == 0
