"""The vocabulary as a transformers tokenizer, so that a saved folder works with nothing of this project installed.

`AutoTokenizer` on the folder reads `<2de> A dog runs.` and gives the ids that this project's own encoding gives
(Kudo, 2018, in the `tokenizers` library's implementation). Where the target's tag stands at the source, that is all;
with the scheme `decoder`, the default, texts are without one and `generate` is told the target,
`generate(**tokenizer(text, return_tensors="pt"), decoder_start_token_id=tokenizer.convert_tokens_to_ids("<2de>"))`.
"""

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from nmt_zero_shot.subwords import BOS, EOS, PAD, UNK, SentencePieces
from speech_tl import torchaudio_shim as torchaudio_shim

from transformers import PreTrainedTokenizerFast  # isort: skip


def fast(subwords: SentencePieces) -> PreTrainedTokenizerFast:
    """The same pieces; it adds eos, and a tag is a word of the text, to be written first."""
    pieces = [subwords.piece(index) for index in range(subwords.size)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=UNK, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    end = pieces[EOS][0]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {end}", special_tokens=[(end, EOS)])
    tags = [pieces[tag][0] for tag in subwords.tags.values()]
    tokenizer.add_special_tokens([AddedToken(tag, lstrip=True, rstrip=True, normalized=False) for tag in tags])
    names = {"bos_token": BOS, "pad_token": PAD, "eos_token": EOS, "unk_token": UNK}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        clean_up_tokenization_spaces=False,
        **{name: pieces[index][0] for name, index in names.items()},
    )
