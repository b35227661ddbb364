"""Where every tag goes, written out."""

import subprocess
import sys

import pytest

from nmt_zero_shot.subwords import SentencePieces
from nmt_zero_shot.tags import Codec, Scheme, check, decoder_start, prepare_source
from speech_tl.errors import InputError

EOS, EN, DE, JA = 2, 4, 5, 6


@pytest.mark.parametrize(
    ("scheme", "source", "start"),
    [
        ("source", [JA, 9, 8, EOS], [EOS]),
        ("both", [JA, 9, 8, EOS], [JA]),
        ("decoder", [9, 8, EOS], [JA]),
        ("m2m", [DE, 9, 8, EOS], [EOS, JA]),
        ("mbart", [9, 8, EOS, DE], [JA]),
    ],
)
def test_german_into_japanese(vocabulary: SentencePieces, scheme: Scheme, source: list[int], start: list[int]) -> None:
    assert prepare_source(vocabulary, [9, 8], "ja", scheme, source="de") == source
    assert decoder_start(vocabulary, "ja", scheme) == start
    assert check(scheme) == scheme


def test_unknown_names_are_refused(vocabulary: SentencePieces) -> None:
    with pytest.raises(InputError, match="unknown tag scheme 'sources'; did you mean 'source'"):
        check("sources")
    with pytest.raises(InputError, match="unknown language 'jp' in this vocabulary; known: de, en, ja"):
        Codec(vocabulary, "source").sources(["x"], "jp")
    with pytest.raises(InputError, match="unknown language ''"):
        Codec(vocabulary, "m2m").sources(["x"], "ja")


def test_a_codec_goes_both_ways(vocabulary: SentencePieces) -> None:
    codec = Codec(vocabulary, "both")
    (ids,) = codec.sources(["the  big dog"], "de")
    assert (ids[0], ids[-1], codec.start("de")) == (DE, EOS, [DE])
    assert codec.decode(ids) == "the big dog"
    assert codec.languages == ("en", "de", "ja")


def test_the_text_side_is_light() -> None:
    """CTranslate2 answers in less than a second because none of these is loaded."""
    code = "import sys, nmt_zero_shot.export; print(sorted({'torch', 'transformers', 'torchaudio'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
