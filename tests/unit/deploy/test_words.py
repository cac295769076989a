"""The word list finds what people read, and leaves names in programs alone."""

import pytest

from deploy.words import findings, fix

PROGRAM = '''\
"""It begins anew."""
anew = 10 % 3  # whoever reads this
print(f"{anew} % of them")
run("--anew")
'''


def test_strings_and_comments_of_a_program_are_read_and_its_names_are_not() -> None:
    """Also a percentage in a formatted string; an option that has the name is no sentence."""
    found = [(line, words) for line, _, words in findings("operator/x.py", PROGRAM)]
    assert found == [(1, "anew"), (2, "whoever"), (3, "%")]


def test_what_has_one_replacement_is_replaced() -> None:
    """The program's own names and operators stay as they are."""
    assert fix("operator/x.py", PROGRAM) == (
        '"""It begins again."""\n'
        "anew = 10 % 3  # anyone who reads this\n"
        'print(f"{anew}% of them")\n'
        'run("--anew")\n'
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10 % → 25 %", "10% → 25%"),
        ("It can not be.", "It cannot be."),
        ("{{ share }} %", "{{ share }}%"),
        ("a 10 % b", "a 10% b"),
        ("the word `anew` is one", "the word `anew` is one"),
    ],
)
def test_pages_are_read_as_a_whole(text: str, expected: str) -> None:
    """Words that are quoted as words stay."""
    assert fix("docs/x.md", text) == expected


def test_description_of_a_field_begins_with_its_subject() -> None:
    """What `kubectl explain` prints is a sentence, and not the rest of a question."""
    headless = 'class A:\n    x: str\n    """Who asked for the rollout."""\n'
    assert len(list(findings("operator/surefoot/api/x.py", headless))) == 1
    assert list(findings("operator/surefoot/domain/x.py", headless)) == []


def test_docstring_of_several_lines_is_counted_from_its_first() -> None:
    """The line that is named is the one of the words."""
    text = '"""One.\n\nIt can not be.\n"""\n'
    assert [line for line, _, _ in findings("x.py", text)] == [3]
