"""Halves of characters, which pickles and JSON can hold and no tokenizer, CSV file or page can take."""


def mend(text: str) -> str:
    r"""Return a text with two halves of a character put together, and a replacement character for a lone one.

    >>> mend("Goal \ud83d scored \ud83d\ude80")
    'Goal \ufffd scored 🚀'
    """
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
