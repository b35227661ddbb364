"""What is left out of training and for which reason: a filter that does not count cannot be judged.

The rules are those that cleaning scripts have had since Moses (Koehn et al., ACL 2007); only a length is held against
what is usual for the two languages in this corpus, since a Japanese text has a third of the letters of an English
one. Only training rows are cleaned: what is scored stays as it is.
"""

import functools
import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import median

from nmt_zero_shot.corpus import Corpus, Row
from nmt_zero_shot.segments import base
from speech_tl.errors import InputError

FUNCTION_WORDS = {
    "cs": "se na že je jsou ve by jako jeho ale",
    "de": "der die und das ist nicht ein zu den mit",
    "en": "the of and to is that with in on was",
    "es": "el los y que las una por con del se",
    "fr": "le les et des est une dans que du pas",
    "it": "il di che e per una della non gli sono",
    "nl": "het een van is dat niet op zijn voor met",
    "pl": "w i na się nie że jest z do to",
    "pt": "o os que e do da em uma não com",
    "sv": "och att det som en är på av inte den",
}
"""Language in Latin letters -> words that few of its sentences go without, and few of another's have ("de", say)."""
SCRIPTS = dict.fromkeys(FUNCTION_WORDS, "LATIN") | {
    "ar": "ARABIC", "bg": "CYRILLIC", "bn": "BENGALI", "el": "GREEK", "fa": "ARABIC", "he": "HEBREW",
    "hi": "DEVANAGARI", "hy": "ARMENIAN", "ja": "HIRAGANA KATAKANA", "ka": "GEORGIAN", "ko": "HANGUL",
    "mr": "DEVANAGARI", "ru": "CYRILLIC", "ta": "TAMIL", "th": "THAI", "uk": "CYRILLIC", "ur": "ARABIC", "zh": "CJK",
}  # fmt: skip
"""Language -> scripts that its sentences are never without, as Unicode names their letters."""
LONGER = {
    "arb": "ar", "ara": "ar", "bul": "bg", "ben": "bn", "ces": "cs", "deu": "de", "ell": "el", "eng": "en", "spa": "es",
    "fas": "fa", "pes": "fa", "fra": "fr", "heb": "he", "hin": "hi", "hye": "hy", "ita": "it", "jpn": "ja", "kat": "ka",
    "kor": "ko", "mar": "mr", "nld": "nl", "pol": "pl", "por": "pt", "rus": "ru", "swe": "sv", "tam": "ta", "tha": "th",
    "ukr": "uk", "urd": "ur", "zho": "zh", "cmn": "zh",
}  # fmt: skip
"""ISO 639-3 -> the code of two letters that the tables have."""
OWN_SCRIPT = 0.05
"""A text with a smaller share of its letters in its language's scripts is in another language."""
TELLING = 20
"""UTF-8 bytes of the shortest text whose language can be told."""
FEW = 50
"""Letters of a whole language that tell nothing yet."""


def clean(
    corpus: Corpus,
    *,
    hub: str = "en",
    longest: int = 1000,
    ratio: float = 2.5,
    believed: bool = False,
) -> tuple[Corpus, Counter[str]]:
    """The corpus with clean training rows, and how many sentence pairs with the hub were left out for each reason.

    Texts are brought to NFC, without control characters and with single spaces. `empty`: no letter or digit;
    `too long`: more than `longest` characters; `wrong language`: of another script; `copy`: the hub's text itself;
    `duplicate`: the pair came before; `length ratio`: more than `ratio` times longer or shorter than usual beside the
    hub's text. Where a hub text is at fault its whole row goes. A row without the hub is held against its first
    language.

    Args:
        believed: whether texts are believed to be in the language they are named after (`check_labels`).

    Raises:
        InputError: a language's texts are in another one, as when two files were swapped; or nothing is left.
    """
    rows = [{language: fold(text) for language, text in row.items()} for row in corpus.train]
    if not believed:
        check_labels(rows)
    faults = _faults(rows, longest)
    usual = _usual_log_ratios(rows, hub)
    counts: Counter[str] = Counter()
    seen: set[tuple[str, str, str]] = set()
    kept: dict[int, Row] = {}
    for i, row in enumerate(rows):
        anchor = _anchor(row, hub)
        left = {anchor: row[anchor]}
        for language in sorted(row.keys() - left.keys()):
            pair = (language, row[anchor], row[language])
            if fault := faults.get((i, anchor)) or faults.get((i, language)):
                counts[fault] += 1
            elif pair[1].casefold() == pair[2].casefold():
                counts["copy"] += 1
            elif pair in seen:
                counts["duplicate"] += 1
            elif abs(_log_ratio(row, language, anchor) - usual[anchor, language]) > math.log(ratio):
                counts["length ratio"] += 1
            else:
                seen.add(pair)
                left[language] = row[language]
        if len(left) > 1:
            kept[i] = left
    note = f"{counts.total()} of {sum(len(row) - 1 for row in rows)} sentence pairs left out in cleaning"
    note += "".join(f"{',' if i else ':'} {count} {reason}" for i, (reason, count) in enumerate(counts.most_common()))
    if not kept:
        raise InputError(f"no training rows are left; {note}")
    groups = tuple(corpus.groups[i] for i in kept) if corpus.groups else ()
    return replace(corpus, train=tuple(kept.values()), groups=groups, notes=(*corpus.notes, note)), counts


def fold(text: str) -> str:
    """NFC, no control or invisible formatting characters, single spaces; a text folded twice changes no more."""
    spaced = " ".join(unicodedata.normalize("NFC", text).split())
    if spaced.isprintable():
        return spaced
    return " ".join("".join(" " if c.isspace() else c for c in spaced if _visible(c)).split())


def check_labels(rows: Iterable[Row], *, texts: int = 1000) -> None:
    """Refuse texts that are plainly in another language than they are said to be, by script and function words.

    The first `texts` of each language are looked at. A language that is in neither table, or with next to no text, is
    believed.

    Raises:
        InputError: with the language, and the one its texts look like.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        for language, text in row.items():
            if _known(language) and text and len(found[language]) < texts:
                found[language].append(text)
    for language, own in found.items():
        joined = " ".join(own)
        words = Counter(re.findall(r"[^\W\d_]+", joined.casefold()))
        scripts = _scripts(joined)
        if scripts.total() < FEW:
            continue
        evidence = {name: _own(scripts, name) for name in SCRIPTS.keys() - FUNCTION_WORDS.keys()} | {
            name: sum(words[word] for word in known.split()) / (words.total() or 1)
            for name, known in FUNCTION_WORDS.items()
        }
        likely = max(sorted(evidence), key=lambda name: evidence[name])
        if evidence[likely] > 0.05 and evidence[_known(language)] < evidence[likely] / 3:
            raise InputError(
                f"the training texts of {language!r} look like {likely!r} ({own[0][:40]!r}, ...); have two files been "
                "swapped, or named after another language? (--believed goes on)"
            )


def _faults(rows: Sequence[Row], longest: int) -> dict[tuple[int, str], str]:
    """(row, language) -> what is wrong with that text alone."""
    faults: dict[tuple[int, str], str] = {}
    for i, row in enumerate(rows):
        for language, text in row.items():
            if not any(map(str.isalnum, text)):
                faults[i, language] = "empty"
            elif len(text) > longest:
                faults[i, language] = "too long"
            elif (known := _known(language)) and len(text.encode()) >= TELLING and _elsewhere(text, known):
                faults[i, language] = "wrong language"
    return faults


def _known(language: str) -> str:
    """The language as the tables have it, also of `zh-TW` and `jpn_Jpan`; empty where they have not."""
    code = base(language)
    code = LONGER.get(code, code)
    return code if code in SCRIPTS else ""


def _usual_log_ratios(rows: Sequence[Row], hub: str) -> dict[tuple[str, str], float]:
    """(anchor, language) -> the median log ratio of their lengths."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        anchor = _anchor(row, hub)
        for language in row.keys() - {anchor}:
            if row[language] and row[anchor]:
                found[anchor, language].append(_log_ratio(row, language, anchor))
    return {pair: median(ratios) for pair, ratios in found.items()}


def _anchor(row: Row, hub: str) -> str:
    return hub if hub in row else min(row)


def _log_ratio(row: Row, language: str, anchor: str) -> float:
    """Of the lengths in characters, five more on both sides: `Yes.` may be はい。"""
    return math.log((len(row[language]) + 5) / (len(row[anchor]) + 5))


def _scripts(text: str) -> Counter[str]:
    """How many letters of each script a text has."""
    found: Counter[str] = Counter()
    for character, count in Counter(text).items():
        if character.isalpha():
            found[_script(character)] += count
    return found


def _own(scripts: Counter[str], language: str) -> float:
    """The share of the letters that are of a language's scripts; 1 for a text without letters."""
    letters = scripts.total()
    return sum(scripts[script] for script in SCRIPTS[language].split()) / letters if letters else 1.0


def _elsewhere(text: str, language: str) -> bool:
    """Whether neither a text nor its beginning, which is sooner looked at, is in its language's scripts."""
    return all(_own(_scripts(part), language) < OWN_SCRIPT for part in (text[:40], text))


@functools.cache
def _script(letter: str) -> str:
    return unicodedata.name(letter, "").split(" ")[0].split("-")[0]


def _visible(character: str) -> bool:
    """Not a control or formatting character; joiners spell words in some scripts."""
    return unicodedata.category(character) not in {"Cc", "Cf"} or character in "\u200c\u200d" or character.isspace()
