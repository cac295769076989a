"""YAML as kubectl reads it, and what cannot be read."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from surefoot.lint.linter import lint
from surefoot.lint.text import BrokenText, Place, documents
from tests.unit.lint.plans import a_plan, found, pointed_at, rules, the


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: yes", True),
        ("a: Off", False),
        ("a: ~", None),
        ("a: 017", 15),
        ("a: 0x1f", 31),
        ("a: 1e3", 1000.0),
        ("a: 2025-12-20", "2025-12-20"),
        ("a: 12:30", "12:30"),
        ("a: '10'", "10"),
        ("a: 0.1%", "0.1%"),
        ("a: &x [1]", [1]),
        ("b: &x {c: 1}\na: *x", {"c": 1}),
        ("b: &x {c: 1}\na: {<<: *x, d: 2}", {"c": 1, "d": 2}),
    ],
)
def test_scalars_read_as_kubectl_reads_them(text: str, value: object) -> None:
    """Its library knows booleans and octals that YAML 1.2 does not, and no sexagesimals."""
    (document,) = documents(text)
    assert document.value()["a"] == value


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text("abc \"':#-{}[],&*!|>%@\n\täß日", max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abcdefg", min_size=1, max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), _VALUES, min_size=1))
def test_what_pyyaml_writes_is_read_as_it_was(value: dict[str, object]) -> None:
    """Also with a place for every value."""
    text = yaml.safe_dump(value, allow_unicode=True)
    (document,) = documents(text)
    assert document.value() == value
    for _, node in document.nodes():
        assert 0 <= node.place.start <= node.place.end <= len(text)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    """Nothing else is ever raised."""
    place = _place_of_fault(text)
    assert place is None or 0 <= place.start <= len(text)


def _place_of_fault(text: str) -> Place | None:
    try:
        documents(text)
    except BrokenText as error:
        return error.place
    return None


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ("a: [1,\nb: {", (2, 5), "did not find expected"),
        ("a: \tb: c", (1, 6), "mapping values are not allowed"),
        ("ä: 'x", (1, 6), "unexpected end of stream"),
        ("a: \x01", (1, 4), "U+0001"),
        ("a: *nothing", (1, 4), "*nothing"),
        ("[" * 5000, (1, 102), "nested more than 100 deep"),
        ("{a: 1}: 2", (1, 1), "a name must be a text"),
    ],
)
def test_broken_yaml_is_told_with_line_and_column(
    text: str, where: tuple[int, int], said: str
) -> None:
    """And nothing else is said of it."""
    finding = the("SF001", text)
    assert (finding.line, finding.column) == where
    assert said in finding.message


def test_aliases_that_multiply_are_refused() -> None:
    """Ten to the power of nine values are never made."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "aliases included" in the("SF001", "\n".join(lines)).message


def test_name_that_is_there_twice_is_found_where_it_is_repeated() -> None:
    """Readers differ in which of the two they keep."""
    text = a_plan("  paused: true\n").replace("  name: checkout\n", "  name: a\n  name: checkout\n")
    assert ("SF002", 5, 3) in found(text)


@pytest.mark.parametrize("character", ["\u200b", "\u202e", "\u2066", "\u00ad"])
def test_characters_that_hide_are_found(character: str) -> None:
    """Also in a comment: it is what a reviewer reads."""
    finding = the("SF006", a_plan(f"  # admin{character} only\n"))
    assert (finding.line, finding.column) == (13, 10)
    assert f"U+{ord(character):04X}" in finding.message


def test_place_counts_characters_and_not_bytes() -> None:
    """What stands before it may be of any script."""
    text = a_plan("  risks: [{name: r, severity: Low, probability: low, mitigation: '日本'}]\n")
    finding = the("SF004", text.replace("name: r,", "mitigation: 'ändern 日本', name: r,"))
    assert pointed_at(finding) == "low"


def test_other_documents_are_skipped_with_a_note() -> None:
    """What is no Rollout of ours is not judged, and not passed over in silence either."""
    others = (
        "---\napiVersion: v1\nkind: ConfigMap\n---\napiVersion: argoproj.io/v1alpha1\n"
        "kind: Rollout\n---\n- 1\n"
    )
    report = lint("plan", a_plan() + others)
    assert (report.plans, report.findings) == (1, ())
    assert [note.partition(" is ")[2] for note in report.notes] == [
        "a ConfigMap: skipped",
        "a Rollout of argoproj.io: skipped",
        "no object: skipped",
    ]


def test_rollouts_in_a_list_are_judged() -> None:
    """As `kubectl get -o yaml` writes them."""
    body = "\n".join(f"  {line}" for line in a_plan("  pausd: true\n").splitlines())
    assert rules(f"kind: List\napiVersion: v1\nitems:\n- {body[2:]}\n") == ["SF003"]
