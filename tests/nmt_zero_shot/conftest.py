"""A vocabulary over two small made-up languages, and models as small as they come."""

from itertools import product

import pytest

from nmt_zero_shot import subwords
from nmt_zero_shot.corpus import Bitexts
from nmt_zero_shot.subwords import SentencePieces

EN = [
    f"the {size} {who} {does} the {what} ."
    for size, who, does, what in product(("small", "big"), ("dog", "cat"), ("sees", "hears"), ("ball", "tree", "sea"))
]
DE = [
    f"der {size} {who} {does} den {what} ."
    for size, who, does, what in product(
        ("kleine", "große"), ("Hund", "Kater"), ("sieht", "hört"), ("Ball", "Baum", "See")
    )
]
JA = [
    f"{size}{who}が{what}を{does}。"
    for size, who, does, what in product(("小さい", "大きい"), ("犬", "猫"), ("見る", "聞く"), ("球", "木", "海"))
]


@pytest.fixture(scope="session")
def bitexts() -> Bitexts:
    """24 sentence pairs in en-de and as many in en-ja."""
    return {("en", "de"): tuple(zip(EN, DE, strict=True)), ("en", "ja"): tuple(zip(EN, JA, strict=True))}


@pytest.fixture(scope="session")
def vocabulary() -> SentencePieces:
    return subwords.train({"en": EN, "de": DE, "ja": JA}, size=400)
