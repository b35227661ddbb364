"""M2M-100, NLLB, mBART and mBART-50 folders of random weights: read, asked to translate, and given a language more."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import (
    M2M100Config,
    M2M100ForConditionalGeneration,
    M2M100Tokenizer,
    MBart50Tokenizer,
    MBartConfig,
    MBartForConditionalGeneration,
    MBartTokenizer,
    NllbTokenizer,
)
from transformers.models.mbart.tokenization_mbart import FAIRSEQ_LANGUAGE_CODES

from nmt_zero_shot import model as models
from nmt_zero_shot.corpus import Bitexts, sentences
from nmt_zero_shot.model import layer_groups
from nmt_zero_shot.search import translate
from nmt_zero_shot.subwords import SentencePieces
from nmt_zero_shot.training import Settings, continued, train
from speech_tl.errors import InputError
from speech_tl.training.loop import Plan

SPECIAL = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
SIZES = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "init_std": 0.5,
}


def words(vocabulary: SentencePieces) -> list[tuple[str, float]]:
    """Its pieces without tags and bytes."""
    return [vocabulary.piece(index) for index in range(vocabulary.first_byte + 256, vocabulary.size)]


def m2m_100(folder: Path, vocabulary: SentencePieces) -> None:
    names = [name for name, _ in SPECIAL + words(vocabulary)]
    (folder / "vocab.json").write_text(json.dumps({name: index for index, name in enumerate(names)}))
    (folder / "spm.model").write_bytes(vocabulary.model)
    M2M100Tokenizer(str(folder / "vocab.json"), str(folder / "spm.model")).save_pretrained(folder)
    M2M100ForConditionalGeneration(M2M100Config(vocab_size=len(names) + 108, **SIZES)).save_pretrained(folder)


def nllb(folder: Path, vocabulary: SentencePieces) -> None:
    letters = sorted({letter for name, _ in words(vocabulary) for letter in name})
    names = [name for name, _ in SPECIAL] + letters
    tokenizer = NllbTokenizer(vocab={name: index for index, name in enumerate(names)}, merges=[])
    tokenizer.save_pretrained(folder)
    M2M100ForConditionalGeneration(M2M100Config(vocab_size=len(tokenizer) + 1, **SIZES)).save_pretrained(folder)


def mbart(folder: Path, vocabulary: SentencePieces) -> None:
    codes = [(code, 0.0) for code in [*FAIRSEQ_LANGUAGE_CODES, "<mask>"]]
    tokenizer = MBartTokenizer(vocab=SPECIAL + words(vocabulary) + codes)
    tokenizer.save_pretrained(folder)
    MBartForConditionalGeneration(MBartConfig(vocab_size=len(tokenizer), **SIZES)).save_pretrained(folder)


def mbart_50(folder: Path, vocabulary: SentencePieces) -> None:
    tokenizer = MBart50Tokenizer(vocab=SPECIAL + words(vocabulary))
    tokenizer.save_pretrained(folder)
    MBartForConditionalGeneration(MBartConfig(vocab_size=len(tokenizer), **SIZES)).save_pretrained(folder)


@pytest.mark.parametrize(
    ("make", "english", "german"),
    [(m2m_100, "en", "de"), (nllb, "eng_Latn", "deu_Latn"), (mbart, "en_XX", "de_DE"), (mbart_50, "en_XX", "de_DE")],
)
def test_a_family(
    make: Callable[[Path, SentencePieces], None],
    english: str,
    german: str,
    vocabulary: SentencePieces,
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    make(tmp_path, vocabulary)
    translator = models.load(tmp_path)
    subwords, model = translator.subwords, translator.model
    assert (subwords.tag("en"), subwords.tag("de")) == (subwords.tag(english), subwords.tag(german))

    tokenizer = getattr(subwords, "tokenizer")  # noqa: B009  not in the protocol
    tokenizer.src_lang = english
    sources = translator.sources(["the big dog"], "de", source="en")
    assert sources == [tokenizer("the big dog")["input_ids"]]  # the tags are where the family has them
    assert translator.decode(sources[0]) == "the big dog"

    start = translator.start("de")
    ours = translate(model, sources, start=start, max_length=lambda _: 6)
    forced = {"forced_bos_token_id": start[1]} if len(start) == 2 else {}
    written = model.generate(
        torch.tensor(sources), max_new_tokens=5 + len(start), decoder_start_token_id=start[0], **forced
    )
    assert written[0, len(start) :][:5].tolist() == list(ours[0].ids[:5])

    old = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    grown = models.add_language(model, subwords, "xx", ["the dog"])
    for name, weight in model.named_parameters():
        assert torch.equal(weight[: len(old[name])], old[name]), name
    models.save(model, grown, tmp_path / "grown")
    again = models.load(tmp_path / "grown")
    assert again.scheme == translator.scheme
    assert again.subwords.digest == grown.digest != subwords.digest
    assert again.start("xx")[-1] == grown.tag("xx") == again.model.config.vocab_size - 1
    assert again.languages == (*translator.languages, "xx")
    held = {id(weight) for group in layer_groups(again.model).values() for weight in group.parameters()}
    assert held == {id(weight) for weight in again.model.parameters()}


@pytest.mark.parametrize("make", [m2m_100, nllb, mbart, mbart_50])
def test_it_learns_on_with_a_language_more(
    make: Callable[[Path, SentencePieces], None], vocabulary: SentencePieces, bitexts: Bitexts, tmp_path: Path
) -> None:
    """`xx` is no language of any of them; published in 16 bits, it is learned in 32."""
    torch.manual_seed(0)
    make(tmp_path, vocabulary)
    models.load(tmp_path).model.half().save_pretrained(tmp_path)
    before = models.load(tmp_path)
    pairs: Bitexts = {("en", "de"): bitexts["en", "de"], ("en", "xx"): bitexts["en", "ja"]}
    start = continued(tmp_path, sentences(pairs), added=["xx"], seed=0)
    assert start.languages == (*before.languages, "xx")
    old = before.model.get_input_embeddings().weight.detach()
    own = start.model.get_input_embeddings().weight.detach()
    assert own.dtype == torch.float32 and torch.equal(own[: len(old)], old.float())
    first = own[start.subwords.tag("xx")].clone()
    settings = Settings(device="cpu", tokens=100, denoise=0.3)
    plan = Plan(steps=3, warmup_steps=1, validate_every=3, peak_rate=1e-3)
    trained = train("on", start, pairs, pairs, settings=settings, plan=plan, folder=tmp_path / "run", seed=0)
    again = trained.translator
    assert (again.scheme, again.languages) == (before.scheme, start.languages)
    assert not again.model.get_input_embeddings().weight[again.subwords.tag("xx")].equal(first)


def test_what_a_tokenizer_cannot_answer(vocabulary: SentencePieces, tmp_path: Path) -> None:
    nllb(tmp_path, vocabulary)
    subwords = models.load(tmp_path).subwords
    assert subwords.tag("no") == subwords.tag("nb") == subwords.tag("nob_Latn")
    with pytest.raises(InputError, match="language 'zh' is several here: zho_Hans, zho_Hant; give one of them"):
        subwords.tag("zh")
    with pytest.raises(InputError, match="language 'zh' is several here"):
        continued(tmp_path, {"en": ["a dog"], "zh": ["狗"]}, seed=0)
    with pytest.raises(InputError, match="'da' and 'dan' are one language of"):
        continued(tmp_path, {"en": ["a dog"], "da": ["hund"], "dan": ["kat"]}, seed=0)
    with pytest.raises(InputError, match="unknown language 'yy' in this tokenizer"):
        continued(tmp_path, {"en": ["a dog"], "xx": ["x"], "yy": ["y"]}, added=["xx"], seed=0)
    with pytest.raises(InputError, match="unknown language 'xy' in the training texts, to add"):
        continued(tmp_path, {"en": ["a dog"]}, added=["xy"], seed=0)
    with pytest.raises(InputError, match="unknown language 'qq' in this tokenizer"):
        subwords.tag("qq")
    with pytest.raises(InputError, match="does not know which pieces are 'deu_Latn'"):
        subwords.pieces_of("deu_Latn")
    with pytest.raises(InputError, match="has a tag for 'deu_Latn' already"):
        subwords.with_language("deu_Latn", [], at=999)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(InputError, match=r"the tokenizer in .* cannot be read"):
        models.load(tmp_path)
