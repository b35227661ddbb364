"""M2M-100, NLLB and mBART as they are published: their own tokenizers behind the project's small protocol.

Each family spells its languages in its own way (`de`, `deu_Latn`, `de_DE`) and puts its tags elsewhere; everything
after this file speaks of ids and tags only (Fan et al., 2021; NLLB team, 2022; Liu et al., 2020).
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmt_zero_shot.tags import Scheme, Subwords
from speech_tl import files
from speech_tl import torchaudio_shim as torchaudio_shim
from speech_tl.errors import InputError, unknown_name

from transformers import AutoTokenizer  # isort: skip

ADDED = "added_languages.json"
CODE = re.compile(r"[a-z]{2,3}_[A-Z][A-Za-z]{1,3}")
"""How NLLB and mBART write a language, among their other special symbols."""
THREE_LETTERS: list[tuple[str, str]] = re.findall(
    r"(\w+)-(\w+)",
    """
af-afr am-amh ar-arb as-asm az-azj be-bel bg-bul bn-ben bs-bos ca-cat cs-ces cy-cym da-dan de-deu el-ell en-eng
eo-epo es-spa et-est eu-eus fa-pes fi-fin fr-fra ga-gle gd-gla gl-glg gu-guj ha-hau he-heb hi-hin hr-hrv ht-hat
hu-hun hy-hye id-ind ig-ibo is-isl it-ita ja-jpn jv-jav ka-kat kk-kaz km-khm kn-kan ko-kor ky-kir lb-ltz lg-lug
ln-lin lo-lao lt-lit lv-lvs mg-plt mi-mri mk-mkd ml-mal mn-khk mr-mar ms-zsm mt-mlt my-mya nb-nob ne-npi nl-nld
nn-nno no-nob ny-nya om-gaz or-ory pa-pan pl-pol ps-pbt pt-por ro-ron ru-rus rw-kin sd-snd si-sin sk-slk sl-slv
sm-smo sn-sna so-som sq-als sr-srp ss-ssw st-sot su-sun sv-swe sw-swh ta-tam te-tel tg-tgk th-tha tk-tuk tl-tgl
tn-tsn tr-tur ts-tso tt-tat uk-ukr ur-urd uz-uzn vi-vie wo-wol xh-xho yi-ydd yo-yor zh-zho zu-zul
""",
)
"""ISO 639-1, and what NLLB's codes for the language begin with."""


class TokenizerSubwords:
    """A transformers tokenizer as `tags.Subwords`; languages that were added to it later come after its own."""

    def __init__(self, tokenizer: Any, *, added: Mapping[str, int]) -> None:
        self.tokenizer = tokenizer
        self.added = dict(added)
        own = getattr(tokenizer, "lang_code_to_id", None)  # M2M-100 and mBART
        if not own:
            own = {code: at for code, at in tokenizer.get_added_vocab().items() if CODE.fullmatch(code)}
        self.tags: dict[str, int] = {**own, **self.added}
        self.pad: int = tokenizer.pad_token_id
        self.eos: int = tokenizer.eos_token_id
        self.unk: int = tokenizer.unk_token_id
        self._special = {*tokenizer.all_special_ids, *self.tags.values()}

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self.tags)

    @property
    def size(self) -> int:
        last: int = max(*self.tags.values(), *self.tokenizer.get_vocab().values())
        return last + 1

    @property
    def digest(self) -> str:
        words = json.dumps(self.tokenizer.get_vocab(), sort_keys=True) + json.dumps(self.added)
        return hashlib.sha256(words.encode()).hexdigest()[:16]

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        text: str = self.tokenizer.decode([int(i) for i in ids if i not in self._special])
        return text.strip()

    def tag(self, language: str) -> int:
        """Of a code as the model writes it, or of the code without its country or script: `de` for `deu_Latn`."""
        close = self._close(language)
        if len(close) > 1:
            raise InputError(f"language {language!r} is several here: {', '.join(close)}; give one of them")
        if not close:
            raise unknown_name("language", language, self.tags, where="this tokenizer")
        return self.tags[close[0]]

    def _close(self, language: str) -> list[str]:
        """The codes that are meant; the language's own where the model has it."""
        if language in self.tags:
            return [language]
        starts = {language, *(other for pair in THREE_LETTERS if language in pair for other in pair)}
        return [code for code in self.tags if code not in self.added and code.split("_")[0] in starts]

    def having_seen(self, language: str, texts: Sequence[str]) -> "TokenizerSubwords":
        """Itself: it does not know which pieces are whose."""
        return self

    def pieces_of(self, language: str) -> NDArray[np.bool_]:
        raise InputError(
            f"a pretrained tokenizer does not know which pieces are {language!r}: decode without that restriction"
        )

    def with_language(self, language: str, texts: Sequence[str], *, at: int) -> "TokenizerSubwords":
        """One more tag; the pieces stay as they are, whatever `texts` hold."""
        if language in self.tags:
            raise InputError(f"this tokenizer has a tag for {language!r} already")
        return TokenizerSubwords(self.tokenizer, added={**self.added, language: at})

    def save(self, folder: Path) -> None:
        self.tokenizer.save_pretrained(folder)
        files.write(folder / ADDED, json.dumps(self.added) + "\n")


def load(folder: Path) -> TokenizerSubwords:
    """The tokenizer of a model folder.

    Raises:
        InputError: there is none, or it has no languages.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        added = json.loads((folder / ADDED).read_text(encoding="utf-8")) if (folder / ADDED).is_file() else {}
        subwords = TokenizerSubwords(tokenizer, added=added)
    except Exception as error:  # each tokenizer has its own way to miss a file
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"the tokenizer in {folder} cannot be read ({reason}); copy the model's folder again"
        ) from error
    if not subwords.tags:
        raise InputError(f"the tokenizer in {folder} has no languages: expected one of M2M-100, NLLB or mBART")
    return subwords


def scheme(subwords: Subwords) -> Scheme:
    """Where the tokenizer's family puts its tags; mBART alone puts the source's after the text."""
    tokenizer = getattr(subwords, "tokenizer", None)
    return "mbart" if type(tokenizer).__name__.startswith("MBartTokenizer") else "m2m"
