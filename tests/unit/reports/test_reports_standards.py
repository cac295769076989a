"""Standards are read from YAML; whatever is wrong with them is said with its place."""

from datetime import timedelta

import pytest

from surefoot.errors import AuditError
from surefoot.reports.standards import Standards, Weights, read_standards


def test_defaults_are_those_that_the_incident_was_measured_by() -> None:
    """24 hours, 6 hours, three times, and weights of 20, 15, 20, 10, 15, 20."""
    found = read_standards("", "standards.yaml")
    assert found == Standards()
    assert (found.least_soak, found.least_baseline) == (timedelta(hours=24), timedelta(hours=6))
    assert (found.largest_factor, found.approvals) == (3.0, None)
    assert list(Weights().model_dump().values()) == [20, 15, 20, 10, 15, 20]


def test_what_is_named_replaces_its_default_alone() -> None:
    """The rest stays."""
    found = read_standards("soak: 24s\napprovals: 5\nexpansionFactor: 250%\n", "standards.yaml")
    assert (found.least_soak, found.approvals) == (timedelta(seconds=24), 5)
    assert (found.largest_factor, found.baseline) == (2.5, "6h")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("weights: {execution: 30}", r"must add up to 100, and execution 30 \+ .* = 110"),
        ("weights: {execution: -1, risk: 41}", "weights.execution: .*greater than or equal to 0"),
        ("weights: {speed: 10}", "weights.speed is not known; known: execution, coordination"),
        ("soaks: 1h", "soaks is not known; known: soak, baseline, expansionFactor, approvals"),
        ("soak: soon", 'soak: "soon" is not a duration: write 24h'),
        ("soak: 24", "soak: .*string"),
        ("approvals: 0", "approvals: .*greater than or equal to 1"),
        ("expansionFactor: 50%", "expansionFactor is 50%; it must be at least 1"),
        ("expansionFactor: much", '"much" is not a bound'),
        ("- soak", "must be a map"),
        ("soak: [", "is not YAML"),
        ("[" * 5000, "is not YAML"),
    ],
)
def test_wrong_standards_are_refused_with_their_place(text: str, said: str) -> None:
    """The file, what was found, and what is expected."""
    with pytest.raises(AuditError, match=f"(?s)^standards.yaml.*{said}"):
        read_standards(text, "standards.yaml")
