"""Many languages share one encoder; each keeps its own CTC head.

The lecture's picture (Huang et al. 2013, Heigold et al. 2013): shared lower layers, a head per language, and input
layers that may differ where the recordings do. Several languages may also share one head over the union of their
symbols, which is the control. CTC is Graves et al. 2006. Everything a reader of the checkpoint needs (symbols and
their digest, text normalisation, the calibration that tells languages apart) travels in its configuration.
"""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCTC,
    PreTrainedModel,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
)
from transformers.modeling_outputs import CausalLMOutput

from speech_tl.augmentation import Augmentation
from speech_tl.errors import InputError, unknown_name
from speech_tl.models.ctc_config import FORMAT, PHONE_HEAD, MultilingualCTCConfig, vocabulary_digest
from speech_tl.models.encoder import SIZES, SpeechEncoder, from_config, from_scratch, from_size, pretrained
from speech_tl.models.language_heads import Heads, LanguageHead, each_its_own, runs_of
from speech_tl.phonology.units import BLANK, Units
from speech_tl.training.checkpoint import replace_folder, settle
from speech_tl.transfer.progressive import attach

SPLITS = "splits.json"
"""Of a run: who is trained on and who is tested; every checkpoint of it has that of its own."""


class MultilingualCTC(PreTrainedModel):
    """A shared encoder with one linear CTC head per language, over waveforms."""

    config_class = MultilingualCTCConfig
    config: MultilingualCTCConfig
    base_model_prefix = "encoder"
    main_input_name = "input_values"

    def __init__(self, config: MultilingualCTCConfig, body: PreTrainedModel | None = None) -> None:
        super().__init__(config)
        if body is None:
            body = from_scratch(config.encoder) if config.from_scratch else from_config(config.encoder)
        rates = sorted(set(config.rate_of.values()))
        self.encoder = SpeechEncoder(
            body, rates=rates, least_frames=config.least_frames, per_bin=not config.from_scratch
        )
        width = body.config.hidden_size
        self.heads = Heads({head: self.new_head(len(units), head) for head, units in config.symbols.items()})
        self.older = MultilingualCTC(MultilingualCTCConfig(**config.older)) if config.older else None
        if self.older is not None:
            self.older.requires_grad_(False)
            columns = [dict(each.encoder.groups(rates[-1])) for each in (self, self.older)]
            attach(*columns, width=width, inner=config.lateral)
        self.post_init()  # type: ignore[no-untyped-call]

    def new_head(self, units: int, name: str) -> LanguageHead:
        """A fresh head of so many symbols; that of the phones, which all languages share, owns no block's output."""
        blocks = 0 if name == PHONE_HEAD else len(self.encoder.blocks)
        width: int = self.encoder.body.config.hidden_size
        own = (blocks, self.config.adapters)
        return LanguageHead(width, units, adapters=own, label_prior=self.config.label_prior)

    def init_weights(self) -> None:
        """Nothing: every layer has its initial or pretrained weights when it gets here."""

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages it can be asked for."""
        return (*self.config.head_of, *(self.older.languages if self.older is not None else ()))

    def train(self, mode: bool = True) -> "MultilingualCTC":
        """As every module; an older column is never trained."""
        super().train(mode)
        if self.older is not None:
            self.older.train(False)
        return self

    def column(self, language: str) -> "MultilingualCTC":
        """What answers for a language: this model, or the older one that it reads.

        Raises:
            InputError: it has no head in either.
        """
        if self.known(language) in self.config.head_of or self.older is None:
            return self
        return self.older.column(language)

    def check_own(self, language: str) -> None:
        """Refuses to train a language that an older column answers for.

        Raises:
            InputError: it does, or nobody does.
        """
        if self.column(language) is not self:
            raise InputError(
                f"{language!r} is of an older column, which is frozen: take the checkpoint that it came from"
            )

    def known(self, language: str) -> str:
        """The language itself.

        Raises:
            InputError: it has no head.
        """
        if language not in self.languages:
            raise unknown_name("language", language, self.languages, where="this checkpoint")
        return language

    def units(self, language: str) -> Units:
        """The symbols its head writes."""
        config = self.column(language).config
        return Units(tuple(config.symbols[config.head_of[language]]))

    def sample_rate(self, language: str) -> int:
        """Hz of the waveforms that language goes in with."""
        return self.column(language).config.rate_of[language]

    def output_lengths(self, samples: Tensor, language: str) -> Tensor:
        """(B,) samples -> (B,) frames that the head scores."""
        return self.column(language).encoder.frames(samples, self.sample_rate(language))

    def forward(
        self,
        input_values: Tensor,
        attention_mask: Tensor | None = None,
        language: str | None = None,
        **_: Any,
    ) -> CausalLMOutput:
        """input_values: (B, N), attention_mask: (B, N), ones where there is sound -> logits (B, T, V)."""
        if attention_mask is None:
            samples = torch.full((len(input_values),), input_values.shape[1], device=input_values.device)
        else:
            samples = attention_mask.sum(1)
        language = language or self.config.language
        hidden, _frames = self.hidden(input_values, samples, language)
        return CausalLMOutput(logits=self.column(language).head(language)(hidden[-1]))

    def hidden(
        self,
        audio: Tensor,
        samples: Tensor,
        languages: str | Sequence[str],
        *,
        augmentation: Augmentation | None = None,
        warp: Tensor | None = None,
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """audio: (B, N), samples: (B,), warp: (B,) -> one (B, T, D) per depth as its language hears, frames (B,).

        Args:
            languages: of all, or of each utterance; of one column and one sampling rate.
        """
        first = languages if isinstance(languages, str) else languages[0]
        encoder, rate = self.column(first).encoder, self.sample_rate(first)
        features, lengths = encoder.features(audio, samples, rate, augmentation=augmentation, warp=warp)
        masked = augmentation is not None and augmentation.time_mask > 0
        return self.hidden_of(features, lengths, languages, masked=masked)

    def hidden_of(
        self, features: Tensor, lengths: Tensor, languages: str | Sequence[str], *, masked: bool = False
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """features: (B, T, F), lengths: (B,) -> as `hidden`, of what its encoder reads (`SpeechEncoder.features`)."""
        runs = [(languages, slice(None))] if isinstance(languages, str) else runs_of(languages)
        column, rows = self.column(runs[0][0]), [where for _, where in runs]
        depths = zip(*(column.head(language).adapters for language, _ in runs), strict=True)
        own = [partial(each_its_own, adapters=adapters, rows=rows) for adapters in depths]
        return column.encoder.encode(features, lengths, masked=masked, adapters=own)

    def log_probabilities(
        self, audio: Tensor, samples: Tensor, language: str, *, warp: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """audio: (B, N), samples: (B,), warp: (B,) -> log p(unit | frame) (B, T, V) in float32, frames (B,)."""
        hidden, frames = self.hidden(audio, samples, language, warp=warp)
        logits: Tensor = self.column(language).head(language)(hidden[-1])
        return logits.float().log_softmax(-1), frames

    def opinions(self, audio: Tensor, samples: Tensor, languages: Sequence[str]) -> tuple[dict[str, Tensor], Tensor]:
        """audio: (B, N), samples: (B,) -> language -> log p(unit | frame) (B, T, V), frames (B,).

        Languages that share all of the blocks share one pass through them.

        Args:
            languages: of one sampling rate.
        """
        said: dict[str, Tensor] = {}
        passes: dict[Any, list[str]] = {}
        for code in languages:
            column = self.column(code)
            passes.setdefault(column.head(code) if column.config.adapters else column, []).append(code)
        frames = samples
        for own in passes.values():
            hidden, frames = self.hidden(audio, samples, own[0])
            said |= {code: self.column(code).head(code)(hidden[-1]).float().log_softmax(-1) for code in own}
        return said, frames

    def sounds(self, audio: Tensor, samples: Tensor, language: str) -> tuple[Tensor, Tensor]:
        """audio: (B, N), samples: (B,) -> log p(sound class | frame) (B, T, P) of the shared head, frames (B,).

        Args:
            language: whose input layer the audio goes through.

        Raises:
            InputError: the model was trained without phones.
        """
        column = self.column(language)
        if PHONE_HEAD not in column.heads:
            raise InputError("this checkpoint was trained without phones: train one with --phones LANGUAGE=SOURCE")
        hidden, frames = self.hidden(audio, samples, language)
        logits: Tensor = column.heads[PHONE_HEAD](hidden[-1])
        return logits.float().log_softmax(-1), frames

    def losses(
        self,
        audio: Tensor,
        samples: Tensor,
        languages: str | Sequence[str],
        *,
        targets: Tensor,
        target_lengths: Tensor,
        phones: Tensor | None = None,
        phone_lengths: Tensor | None = None,
        augmentation: Augmentation | None = None,
        intermediate: bool = True,
    ) -> dict[str, Tensor]:
        """audio: (B, N), samples: (B,), targets: (B, S), phones: (B, P), their lengths: (B,) -> named scalars.

        `ctc` is −log p(targets) per symbol (nats), averaged over utterances, of the language's head on the last block;
        `phone_ctc`, where there are phones, that of the head which all languages share (as in Glocker et al. 2023).
        `intermediate_ctc` is the latter, or without phones the former, on the middle block, which brings a gradient to
        the lower blocks early (Lee & Watanabe 2021). Utterances with more symbols than frames count as 0.

        Args:
            languages: of all, or of each utterance, those of one language side by side.
            intermediate: whether the middle block is asked too.
        """
        runs = runs_of((languages,) * len(audio) if isinstance(languages, str) else languages)
        for language, _ in runs:
            self.check_own(language)
        hidden, frames = self.hidden(audio, samples, languages, augmentation=augmentation)
        middle, last = hidden[len(hidden) // 2], hidden[-1]

        def symbols(depth: Tensor) -> Tensor:
            each = [
                self.head(language).losses(depth[rows], targets[rows], frames[rows], target_lengths[rows])
                for language, rows in runs
            ]
            return torch.cat(each).mean()

        def sounds(depth: Tensor, phones: Tensor, phone_lengths: Tensor) -> Tensor:
            head = cast(LanguageHead, self.heads[PHONE_HEAD])
            return head.losses(depth, phones, frames, phone_lengths).mean()

        found = {"ctc": symbols(last)}
        if phones is None or phone_lengths is None or not phones.shape[1]:
            return {**found, "intermediate_ctc": symbols(middle)} if intermediate else found
        found["phone_ctc"] = sounds(last, phones, phone_lengths)
        return {**found, "intermediate_ctc": sounds(middle, phones, phone_lengths)} if intermediate else found

    def head(self, language: str) -> LanguageHead:
        """What writes a language of this column; several may share one."""
        return cast(LanguageHead, self.heads[self.config.head_of[language]])


def build(
    encoder: str,
    vocabularies: Mapping[str, Units],
    *,
    head_of: Mapping[str, str] | None = None,
    rate_of: Mapping[str, int] | None = None,
    normalisers: Mapping[str, Any] | None = None,
    subsampling: int = 4,
    dropout: float = 0.1,
    least_frames: int = 0,
    adapters: int = 0,
    label_prior: float = 0.0,
) -> MultilingualCTC:
    """A model from an encoder size, checkpoint folder or hub id, with a fresh head for each vocabulary.

    Args:
        vocabularies: head -> its units.
        head_of: language -> head; a head per language where absent.
        rate_of: language -> sampling rate in Hz; 16000 where absent.
        subsampling: frames of 10 ms per output frame, for an encoder from scratch.
        adapters: channels of each head's own bottlenecks, one after every block; 0 for none.
        label_prior: α of `LanguageHead`.
    """
    if adapters < 0:
        raise InputError(f"--adapters {adapters}: expected a number of channels, or 0 for none")
    scratch = encoder in SIZES
    body = None if scratch else pretrained(encoder)
    config = MultilingualCTCConfig(
        encoder=from_size(encoder, subsampling=subsampling, dropout=dropout) if body is None else body.config.to_dict(),
        from_scratch=scratch,
        symbols={head: units.symbols for head, units in vocabularies.items()},
        head_of=head_of,
        rate_of=rate_of,
        least_frames=least_frames,
        adapters=adapters,
        label_prior=label_prior,
        normalisers=normalisers,
    )
    return MultilingualCTC(config, body)


def layer_groups(model: MultilingualCTC, language: str | None = None) -> dict[str, nn.Module]:
    """Its named layers from input to output: `subsampling`, `encoder.0`, …, `head.sw`, which is all that sw owns.

    language: only what that language goes through, one input layer and one head, in the column that answers for it.
    """
    if language is None:
        column, heads, rate = model, list(model.heads), None
    else:
        column = model.column(language)
        heads, rate = [column.config.head_of[language]], column.config.rate_of[language]
    groups = dict(column.encoder.groups(rate))
    groups.update({f"head.{name}": column.heads[name] for name in heads})
    return groups


def save(model: MultilingualCTC, folder: Path) -> None:
    """A folder that `load`, `AutoModelForCTC` and `pipeline` read; it is whole or not there."""
    language = model.config.language
    tokens = {
        name: {"|" if symbol == " " else symbol: index for index, symbol in enumerate(model.units(name).symbols)}
        for name in model.languages
    }
    for vocabulary in tokens.values():
        vocabulary.setdefault("|", len(vocabulary))
    with replace_folder(folder, along=(SPLITS,)) as aside:
        try:
            model.save_pretrained(aside)
        except SafetensorError as error:  # hides the errno of a full disk
            raise InputError(f"{folder} cannot be written ({error}); free some space and run again") from None
        (aside / "vocab.json").write_text(json.dumps(tokens, ensure_ascii=False, indent=1), encoding="utf-8")
        Wav2Vec2CTCTokenizer(
            str(aside / "vocab.json"),
            pad_token=BLANK,
            unk_token=BLANK,
            bos_token=None,
            eos_token=None,
            target_lang=language,
        ).save_pretrained(aside)
        Wav2Vec2FeatureExtractor(
            sampling_rate=model.sample_rate(language), do_normalize=False, return_attention_mask=True
        ).save_pretrained(aside)


def load(folder: Path | str, *, device: str = "cpu") -> MultilingualCTC:
    """A trained model, in evaluation mode; `folder` is a run or its `checkpoint`.

    Raises:
        InputError: there is no checkpoint, it is not safetensors, of another format, or its parts do not fit together.
    """
    folder = Path(folder)
    settle(folder / "checkpoint")
    if (folder / "checkpoint").is_dir():
        folder = folder / "checkpoint"
    settle(folder)
    for name in ("config.json", "model.safetensors"):
        if not (folder / name).is_file():
            present = ", ".join(sorted(path.name for path in folder.glob("*"))[:8]) if folder.is_dir() else "no folder"
            inside = ", ".join(sorted(str(each.parent) for each in folder.glob("*/checkpoint")))
            give = f"give one of {inside}" if inside else "give a run of asr_multilingual"
            raise InputError(f"no {name} in {folder} (found: {present or 'nothing'}); {give}")
    try:
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{folder / 'config.json'} is not JSON ({error}); copy the checkpoint again") from None
    if not isinstance(settings, dict):
        raise InputError(f"{folder / 'config.json'} is not a JSON object; copy the checkpoint again")
    if settings.get("model_type") != MultilingualCTCConfig.model_type:
        raise InputError(
            f"{folder} holds a {settings.get('model_type')!r} model, expected {MultilingualCTCConfig.model_type!r}; "
            "give a bare encoder to --encoder instead"
        )
    if settings.get("format_version") != FORMAT:
        raise InputError(
            f"{folder} is of checkpoint format {settings.get('format_version')}, this version reads {FORMAT}; "
            "train it again or install the version that wrote it"
        )
    if vocabulary_digest(settings.get("symbols", {})) != settings.get("digest"):
        raise InputError(f"{folder}: the vocabulary is not the one this model was trained with; copy both again")
    try:
        loaded: Any = MultilingualCTC.from_pretrained(folder, use_safetensors=True, output_loading_info=True)
        model: MultilingualCTC = loaded[0]
        if absent := sorted(loaded[1]["missing_keys"]):
            raise InputError(f"it lacks {len(absent)} tensors, such as {absent[0]}")
    except Exception as error:  # safetensors and shapes raise classes of their own
        reason = str(error).strip().splitlines()[-1]
        raise InputError(
            f"{folder / 'model.safetensors'} cannot be read ({reason}); copy the checkpoint again"
        ) from error
    model.train(False)
    model.to(torch.device(device))  # type: ignore[arg-type]
    return model


AutoConfig.register(MultilingualCTCConfig.model_type, MultilingualCTCConfig)
AutoModelForCTC.register(MultilingualCTCConfig, MultilingualCTC)
