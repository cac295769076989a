"""Text that others wrote, before it is shown to anybody."""

import unicodedata


def visible(text: str) -> str:
    """The text without control characters and marks that are not seen, or turn its direction.

    Lines stay lines, and joined emoji stay whole.
    """
    return "".join("\ufffd" if _plays_tricks(character) else character for character in text)


def _plays_tricks(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf"} and character not in "\n\t\u200d"
