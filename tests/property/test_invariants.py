"""Random plans and stories: the invariants hold after every plan, and all ends well."""

from hypothesis import given

from tests.support.tales import Op, Shape, a_tale, sequences, shapes


@given(shapes, sequences)
def test_invariants_hold_through_every_story(shape: Shape, story: list[Op]) -> None:
    """S1 to S7 and S9 to S11 after each plan; and once faults are over it completes (L4)."""
    a_tale(shape, story)
