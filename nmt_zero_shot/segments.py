"""A text longer than a translation model was made for, in segments, and their translations in one text again.

Models are trained on sentences, and what is far longer comes out cut off or repeating itself (Koehn & Knowles, 2017,
Six challenges for neural machine translation), so a long line is cut where a sentence ends, else where a word does.
"""

import re
from collections.abc import Callable, Sequence

WITHOUT_SPACES = {"bo", "cmn", "ja", "jpn", "km", "lo", "my", "th", "tha", "yue", "zh", "zho"}
"""Languages, without their script or country, that write no space between sentences or words."""
SENTENCE = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？｡])\s*")
"""What stands between two sentences."""


def split(text: str, *, length: Callable[[str], int], longest: int) -> list[str]:
    """The segments of a text, each at most `longest` as `length` measures it; none for an empty text.

    What is too long is cut in two, at the end of a sentence nearest its middle, else at a space, else between any two
    characters, and its halves in the same way. A single character is never too long.
    """
    text = " ".join(text.split())
    if len(text) <= 1 or length(text) <= longest:
        return [text] if text else []
    places = [match.start() for match in SENTENCE.finditer(text) if match.end() < len(text)]
    places = places or [match.start() for match in re.finditer(" ", text)] or [len(text) // 2]
    middle = min(places, key=lambda at: abs(at - len(text) / 2))
    return [
        *split(text[:middle], length=length, longest=longest),
        *split(text[middle:], length=length, longest=longest),
    ]


def join(translations: Sequence[str], language: str) -> str:
    """The translations of a text's segments as one text in `language`."""
    return ("" if base(language) in WITHOUT_SPACES else " ").join(each for each in translations if each)


def base(language: str) -> str:
    """A language code without its script or country: `zh` of `zh-TW`, `jpn` of `jpn_Jpan`."""
    return language.replace("_", "-").split("-")[0]
