"""Other people's words, made fit for a message."""


def one_line(text: str, longest: int) -> str:
    """The text on one line, without control characters, cut to ``longest`` characters."""
    words = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return words if len(words) <= longest else words[: longest - 1] + "…"
