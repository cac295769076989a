"""What a Rollout waits for, in the few characters that a row of `kubectl get` has for it."""

import re
from collections.abc import Iterable, Sequence

WIDTH_OF_A_ROW = 80
_OTHER_COLUMNS = 45
"""NAME's gap, PERCENT, PROGRESS, and PHASE with its longest word, each with the gap after it."""
_HEADING = len("WAITING-ON")
_MOST = 27
"""What a list with a longer name in another row can spare."""
_END_OF_HEADLINE = re.compile(r"[:;,] | \(|$")


def room_beside(name: str) -> int:
    """How many characters the row of a Rollout has for what it waits for.

    A row is 80 wide where the name has at most 25 characters; the heading takes its room anyway.
    """
    return min(_MOST, max(_HEADING, WIDTH_OF_A_ROW - _OTHER_COLUMNS - len(name)))


def headline(message: str) -> str:
    """The beginning of a message that says what it is about: `gate errors`, `soak 2h`."""
    end = _END_OF_HEADLINE.search(message)
    words = message[: end.start() if end else None]
    return words.removeprefix("the ").removesuffix(" left")


def abbreviate(people: Sequence[str], others: Sequence[str], room: int) -> str:
    """As much as there is room for: people, such as `security (hudson)`, then everything else.

    Names of people are left out first, then all but the first of each kind, which are counted.
    """
    return next(
        (words for words in _candidates(people, others) if len(words) <= room),
        _cut(headline(next(iter((*people, *others)), "")), room),
    )


def _candidates(people: Sequence[str], others: Sequence[str]) -> Iterable[str]:
    """The same in fewer and fewer words."""
    roles = [headline(person) for person in people]
    yield ", ".join((*people, *others))
    yield ", ".join((*roles, *others))
    for named in (people, roles):
        first = (*named[:1], *others[:1])
        left = len(people) + len(others) - len(first)
        yield f"{', '.join(first)} +{left}" if left else ", ".join(first)
    for named in (people, roles):
        left = len(people) + len(others) - 1
        yield f"{next(iter((*named, *others)), '')}{f' +{left}' if left else ''}"


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 1].rstrip()}…"
