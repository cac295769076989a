"""A session as one picture: every still once, with its words, and nothing from elsewhere."""

import base64
import re
from xml.etree import ElementTree

from deploy.film import SECONDS, Still, film

STILLS = [Still(b"one", "The list <all>."), Still(b"two", "One & only.")]


def test_every_still_has_its_turn_and_its_words() -> None:
    """They follow each other, and begin again when the last has been seen."""
    drawn = ElementTree.fromstring(film(STILLS, 200, 100))
    groups = [each for each in drawn if each.tag.endswith("}g")]
    delays = [each.get("style") for each in groups]
    assert delays == ["animation-delay: 0s", f"animation-delay: {SECONDS}s"]
    data = [str(group[0].get("href")).partition("base64,")[2] for group in groups]
    assert [base64.b64decode(each) for each in data] == [b"one", b"two"]
    assert [group[1].text for group in groups] == ["1/2  The list <all>.", "2/2  One & only."]
    assert "50.000% { opacity: 0 }" in film(STILLS, 200, 100)
    assert f"turn {SECONDS * 2}s" in film(STILLS, 200, 100)


def test_picture_needs_nothing_from_elsewhere_and_no_motion() -> None:
    """It is shown in pages that load nothing; and to some people, motion is a nuisance."""
    text = film(STILLS, 200, 100)
    assert not re.search(r'(href|src)="(?!data:)', text)
    assert "prefers-reduced-motion" in text
