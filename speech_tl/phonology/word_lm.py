"""How probable a word is after others: a backoff n-gram model, read from an ARPA file.

p(w | h) = p(h w) where the model counted h w, else bo(h) p(w | h without its first word) (Katz, "Estimation of
Probabilities from Sparse Data for the Language Model Component of a Speech Recognizer", 1987). KenLM reads the same
file and gives the same figures, which a test compares.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from speech_tl.errors import InputError
from speech_tl.files import at_home

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
NEVER = -100.0
"""log10 p of an unknown word where the model has no `<unk>`, as KenLM has it."""
_EXPECTED = "expected an ARPA file, plain text with \\data\\, \\1-grams: and so on to \\end\\"

Context = tuple[str, ...]
"""The words before, so many of them as the model remembers."""


@dataclass(frozen=True)
class WordLM:
    """An n-gram model over words."""

    path: Path
    """The file it was read from."""
    order: int
    ngrams: Mapping[Context, tuple[float, float]]
    """n-gram -> log10 p(last word | those before), log10 bo(n-gram)."""

    def __contains__(self, word: str) -> bool:
        return (word,) in self.ngrams

    def known(self, word: str) -> str:
        """The word, or what stands for those that the model does not have."""
        return word if word in self else UNKNOWN

    @property
    def begin(self) -> Context:
        """What stands before the first word."""
        return self._remembered((BEGIN,))

    def score(self, context: Context, word: str) -> tuple[float, Context]:
        """log p(word | context), nats, and the context of the next word; `END` ends a sentence."""
        word = self.known(word)
        log10, ngram = 0.0, (*context, word)
        while ngram not in self.ngrams:
            if len(ngram) == 1:
                log10 += NEVER
                break
            log10 += self.ngrams.get(ngram[:-1], (0.0, 0.0))[1]
            ngram = ngram[1:]
        else:
            log10 += self.ngrams[ngram][0]
        return log10 * math.log(10), self._remembered((*context, word))

    def _remembered(self, words: Context) -> Context:
        """The longest end of `words` that the model counted: nothing before it changes what follows."""
        words = words[max(0, len(words) - self.order + 1) :]
        while words and words not in self.ngrams:
            words = words[1:]
        return words


def read(path: str | Path) -> WordLM:
    """An ARPA file, such as KenLM's `lmplz` and SRILM write it.

    Raises:
        InputError: no such file, no ARPA file, figures that are no log-probabilities, or no `<s>` or `</s>`.
    """
    path = at_home(path)
    try:
        lines = enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {_EXPECTED}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error}); {_EXPECTED}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error})") from None
    counts = _counts(lines, path)
    ngrams: dict[Context, tuple[float, float]] = {}
    size, section, ended = 0, dict.fromkeys(counts, 0), False
    for number, line in lines:
        if line.startswith("\\"):
            ended = line.strip() == "\\end\\"
            if ended:
                break
            size += 1
            if line.strip() != f"\\{size}-grams:" or size not in counts:
                raise InputError(f"{path}, line {number}: {line.strip()!r} where \\{size}-grams: is due; {_EXPECTED}")
        elif line.strip():
            ngram, figures = _ngram(line, size, where=f"{path}, line {number}")
            ngrams[ngram] = figures
            section[size] += 1
    if not ended or section != counts:
        found = ", ".join(f"{count} {size}-grams" for size, count in section.items())
        raise InputError(f"{path} breaks off: it has {found}, of {', '.join(map(str, counts.values()))} announced")
    for sign in (BEGIN, END):
        if (sign,) not in ngrams:
            raise InputError(f"{path} has no {sign}: a sentence's beginning and end are words of a language model")
    return WordLM(path, len(counts), ngrams)


def _counts(lines: Iterator[tuple[int, str]], path: Path) -> dict[int, int]:
    """The head of a file: order -> how many n-grams."""
    if not any(line.strip() == "\\data\\" for _, line in lines):
        raise InputError(f"{path} has no line \\data\\; {_EXPECTED}")
    counts: dict[int, int] = {}
    for _, line in lines:
        if found := re.fullmatch(r"ngram\s+(\d+)\s*=\s*(\d+)\s*", line):
            counts[int(found[1])] = int(found[2])
        elif counts or line.strip():
            break  # the empty line behind the counts
    if list(counts) != list(range(1, len(counts) + 1)) or not counts:
        raise InputError(f"{path} does not say how many n-grams there are, as `ngram 1=4`; {_EXPECTED}")
    if len(counts) == 1:
        raise InputError(f"{path} has single words only: expected a model of pairs at least, which KenLM reads too")
    return counts


def _ngram(line: str, size: int, *, where: str) -> tuple[Context, tuple[float, float]]:
    """`-0.3 the dog -0.1` -> (the, dog), (-0.3, -0.1)."""
    first, *rest = line.split()
    try:
        chance = float(first)
        backoff = float(rest[size]) if len(rest) == size + 1 else 0.0
    except ValueError:
        chance = backoff = math.nan
    if not size or len(rest) not in (size, size + 1) or not (chance <= 0 and math.isfinite(backoff)):
        wanted = f"log10 p, {size} words and perhaps a backoff" if size else "\\1-grams:"
        raise InputError(f"{where}: {line.strip()[:60]!r} where {wanted} were expected")
    return tuple(rest[:size]), (chance, backoff)
