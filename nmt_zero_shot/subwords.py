"""One vocabulary for all languages: a unigram model with byte fallback, and a tag per language.

A joint vocabulary over small data is what lets words of one language be read and written in another (Kudo, 2018;
Johnson et al., 2017); small languages are repeated so that their pieces are not all letters, p ~ n^(1/T). Tags are
control symbols: a text that spells one cannot ask for a language. Neither torch nor transformers is needed here.
"""

import hashlib
import io
import json
import logging
import math
import random
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
from numpy.typing import NDArray

from speech_tl import files
from speech_tl.errors import InputError, unknown_name

BOS, PAD, EOS, UNK = 0, 1, 2, 3
"""As M2M-100 and mBART number them, so that a plain checkpoint loads anywhere."""
FIRST_TAG = 4
BYTES = 256
MOST_SENTENCES = 1_000_000
"""More than this adds minutes to the training of a vocabulary and no piece to it."""
COVERAGE = 0.9995
"""The share of characters that get a piece of their own, where the vocabulary has room; the rest are bytes."""
FORMAT = 1
MODEL, SETTINGS = "sentencepiece.model", "subwords.json"

logger = logging.getLogger(__name__)


class SentencePieces:
    """A trained sentencepiece model with its tags; see `tags.Subwords` for what each name means."""

    pad, eos, unk = PAD, EOS, UNK

    def __init__(self, model: bytes, *, tags: Mapping[str, int], seen: Mapping[str, NDArray[np.bool_]]) -> None:
        self.model = model
        self.tags = dict(tags)
        self.seen = dict(seen)
        self._pieces: Any = sentencepiece.SentencePieceProcessor(model_proto=model)
        self.first_byte: int = self._pieces.piece_to_id("<0x00>")

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self.tags)

    @property
    def size(self) -> int:
        """V: the model's pieces, and the tags that were added to it later."""
        last = max(self.tags.values())
        return max(int(self._pieces.get_piece_size()), last + 1)

    @property
    def digest(self) -> str:
        """16 hexadecimal digits over pieces and tags."""
        return hashlib.sha256(self.model + json.dumps(self.tags).encode()).hexdigest()[:16]

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self._pieces.encode(normalise(text))
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        known = self._pieces.get_piece_size()
        text: str = self._pieces.decode([int(i) for i in ids if UNK < i < known])
        return text

    def tag(self, language: str) -> int:
        if language not in self.tags:
            raise unknown_name("language", language, self.tags, where="this vocabulary")
        return self.tags[language]

    def pieces_of(self, language: str) -> NDArray[np.bool_]:
        """(V,): which ids may be written in a language: the pieces of its training texts, bytes, and eos."""
        self.tag(language)
        return self.seen[language]

    def with_language(self, language: str, texts: Sequence[str], *, at: int) -> "SentencePieces":
        """The same pieces with one more tag, `at`, after all others: every old id keeps its meaning."""
        if language in self.tags:
            raise InputError(f"the vocabulary has a tag for {language!r} already")
        grown = SentencePieces(self.model, tags={**self.tags, language: at}, seen={})
        more = np.zeros(grown.size - self.size, dtype=bool)
        grown.seen = {code: np.append(mask, more) for code, mask in self.seen.items()}
        grown.seen[language] = _seen(grown, texts)
        return grown

    def having_seen(self, language: str, texts: Sequence[str]) -> "SentencePieces":
        seen = {**self.seen, language: self.seen[language] | _seen(self, texts)}
        return SentencePieces(self.model, tags=self.tags, seen=seen)

    def piece(self, index: int) -> tuple[str, float]:
        """How an id is spelt, and its log-probability."""
        added = {tag: f"<2{language}>" for language, tag in self.tags.items()}
        if index in added:
            return added[index], 0.0
        return self._pieces.id_to_piece(index), self._pieces.get_score(index)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MODEL).write_bytes(self.model)
        seen = {language: np.packbits(mask).tobytes().hex() for language, mask in self.seen.items()}
        settings = {"format": FORMAT, "digest": self.digest, "tags": self.tags, "seen": seen}
        files.write(folder / SETTINGS, json.dumps(settings, ensure_ascii=False, indent=1) + "\n")


def normalise(text: str) -> str:
    """NFC, and one space for any white space: what every text passes on its way in."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def balanced(sizes: Sequence[int], *, temperature: float) -> list[int]:
    """How many items to draw from groups of these sizes, c_i = n_max (n_i / n_max)^(1/T): the largest as it is.

    T = 1 keeps the data as they are, a large T repeats the small groups until all are alike.
    """
    largest = max(sizes)
    return [round(largest * (size / largest) ** (1 / temperature)) for size in sizes]


def train(
    texts: Mapping[str, Sequence[str]], *, size: int = 4000, temperature: float = 5.0, seed: int = 0
) -> SentencePieces:
    """A vocabulary over language -> sentences; the same one every time.

    Too little text for `size` pieces gives fewer, which is logged.
    """
    for language, sentences in texts.items():
        if not any(sentence.strip() for sentence in sentences):
            raise InputError(f"no text in {language!r} to learn subwords from: drop the language or add its sentences")
    least = FIRST_TAG + len(texts) + BYTES + 1
    if size < least + 10:
        raise InputError(f"a vocabulary of {size} subwords is too small: tags and bytes alone take {least - 1}")
    sample = _readable(_sample(texts, temperature=temperature, seed=seed), room=(size - least) // 2)
    often = Counter(sample)  # repeated lines take release 0.2.2 hours; counted ones give the same pieces
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(f"{sentence}\t{count}" for sentence, count in often.items()),
        input_format="tsv",
        model_writer=written,
        vocab_size=size,
        model_type="unigram",
        character_coverage=1.0,
        byte_fallback=True,
        normalization_rule_name="identity",
        control_symbols=[f"<2{language}>" for language in texts],
        bos_id=BOS,
        pad_id=PAD,
        eos_id=EOS,
        unk_id=UNK,
        hard_vocab_limit=False,
        num_threads=1,  # the sums of several depend on their number
        minloglevel=2,
    )
    tags = {language: FIRST_TAG + at for at, language in enumerate(texts)}
    trained = SentencePieces(written.getvalue(), tags=tags, seen={})
    trained.seen = {language: _seen(trained, sentences) for language, sentences in texts.items()}
    if trained.size < size:
        logger.warning("the texts have room for %d subwords, not %d", trained.size, size)
    return trained


def load(folder: Path) -> SentencePieces:
    """What `save` wrote; InputError where the two files are not whole or do not belong together."""
    for name in (MODEL, SETTINGS):
        if not (folder / name).is_file():
            raise InputError(f"no {name} in {folder}: give the folder of a trained vocabulary or checkpoint")
    try:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        if settings["format"] != FORMAT:
            raise InputError(f"{folder / SETTINGS} has format {settings['format']}, this version reads {FORMAT}")
        subwords = SentencePieces((folder / MODEL).read_bytes(), tags=settings["tags"], seen={})
        bits = {language: np.frombuffer(bytes.fromhex(mask), np.uint8) for language, mask in settings["seen"].items()}
        subwords.seen = {
            language: np.unpackbits(mask, count=subwords.size).astype(bool) for language, mask in bits.items()
        }
        digest = settings["digest"]
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError, OSError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"the vocabulary in {folder} is not whole ({error}): copy {MODEL} and {SETTINGS} again"
        ) from None
    if subwords.digest != digest:
        raise InputError(f"{MODEL} and {SETTINGS} in {folder} do not belong together: copy both again")
    return subwords


def _sample(texts: Mapping[str, Sequence[str]], *, temperature: float, seed: int) -> list[str]:
    counts = balanced([len(sentences) for sentences in texts.values()], temperature=temperature)
    share = min(1.0, MOST_SENTENCES / sum(counts))
    chance = random.Random(seed)
    sample = []
    for sentences, count in zip(texts.values(), counts, strict=True):
        wanted = math.ceil(count * share)
        whole, rest = divmod(wanted, len(sentences))
        sample += [*sentences] * whole + chance.sample([*sentences], rest)
    return [sentence for sentence in map(normalise, sample) if sentence]


def _readable(sample: Sequence[str], *, room: int) -> list[str]:
    """Rare characters become spaces: at most `room` are pieces (Chinese alone would fill a small vocabulary)."""
    counts = Counter(character for sentence in sample for character in sentence)
    wanted, covered, kept = COVERAGE * counts.total(), 0, {" "}
    for character, count in counts.most_common(room):
        if covered > wanted:
            break
        covered += count
        kept.add(character)
    blanks = {ord(character): " " for character in counts if character not in kept}
    return [sentence.translate(blanks) for sentence in sample]


def _seen(subwords: SentencePieces, texts: Sequence[str]) -> NDArray[np.bool_]:
    """(V,): the end of a sentence, bytes, and the pieces these texts are made of; no tag is ever written."""
    mask = np.zeros(subwords.size, dtype=bool)
    mask[EOS] = True
    mask[subwords.first_byte : subwords.first_byte + BYTES] = True
    for text in texts:
        mask[subwords.encode(text)] = True
    return mask
