"""The same speech elsewhere: as long, as loud, in a room, in noise at the level that was drawn, and in strings."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from speech_tl.data import disturbance
from speech_tl.data.clips import Clips
from speech_tl.data.disturbance import Surroundings, disturbed, joined, resembling, surroundings, telephone
from speech_tl.data.manifest import Utterance
from speech_tl.errors import InputError

RATE = 8000


def chance() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def tone(hertz: float, seconds: float = 0.5, rate: int = RATE) -> Tensor:
    return 0.5 * torch.sin(2 * torch.pi * hertz * torch.arange(round(seconds * rate)) / rate)


def clips(*lengths: int, speakers: str = "") -> Clips:
    """Clip n is full of n + 1 hundredths."""
    speakers = speakers or "s" * len(lengths)
    utterances = [Utterance(f"{at}.wav", f"w{at}", "eng", speaker) for at, speaker in enumerate(speakers)]
    return Clips.of(utterances, (torch.full((n,), (at + 1) / 100) for at, n in enumerate(lengths)), RATE)


def test_noise_lies_below_the_speech_by_what_was_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disturbance, "LEVELS", (10.0, 10.0))
    speech, noise = tone(400), tone(1000, 0.1)
    heard = Surroundings((noise,), ())(speech, RATE, chance())
    assert len(heard) == len(speech) and heard.abs().max().item() == pytest.approx(speech.abs().max().item())
    spectrum = torch.fft.rfft(heard).abs().square()
    power = {hertz: spectrum[hertz // 2 - 3 : hertz // 2 + 4].sum().item() for hertz in (400, 1000)}
    assert 10 * np.log10(power[400] / power[1000]) == pytest.approx(10, abs=0.5)


def test_a_room_adds_its_echo_and_keeps_the_direct_sound_in_place() -> None:
    """An echo of half the strength, three samples later, behind two samples of silence."""
    click = torch.zeros(10)
    click[4] = 0.8
    heard = Surroundings((), (torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0, 0.5]),))(click, RATE, chance())
    assert heard.tolist() == pytest.approx([0, 0, 0, 0, 0.8, 0, 0, 0.4, 0, 0], abs=1e-6)


def test_a_telephone_lets_only_its_band_through() -> None:
    for hertz, passes in ((100.0, False), (1000.0, True), (3900.0, False), (6000.0, False)):
        sound = tone(hertz, rate=16000)
        heard = telephone(sound, 16000, chance())
        assert len(heard) == len(sound)
        loudness = float(heard[1000:-1000].square().mean() / sound.square().mean())
        assert loudness == pytest.approx(1, abs=0.1) if passes else loudness < 0.01


def burst(seconds: float = 2.0) -> Tensor:
    """White noise, and as much of silence behind it."""
    sound = 0.1 * torch.randn(round(seconds * RATE), generator=chance())
    return torch.cat([sound, torch.zeros(len(sound))])


def one(waveform: Tensor) -> Clips:
    return Clips.of(clips(len(waveform)).utterances, [waveform], RATE)


def test_a_set_goes_through_the_line_of_another() -> None:
    """Halved above 2 kHz: what resembles it is halved there too, comes no later, and is as long and as loud."""
    plain = burst()
    spectrum = torch.fft.rfft(plain)
    spectrum[len(spectrum) // 2 :] *= 0.5
    made = resembling(one(plain), one(torch.fft.irfft(spectrum)))[0]
    assert len(made) == len(plain)
    (below, above), (low, high) = (
        torch.fft.rfft(each).abs().square()[:16000].view(2, 8000).sum(1).tolist() for each in (plain, made)
    )
    assert (high / above) / (low / below) == pytest.approx(0.25, abs=0.02)
    assert float(made.abs().max()) == pytest.approx(float(plain.abs().max()), abs=1e-3)
    agreement = [float(plain.roll(shift) @ made) for shift in (-2, -1, 0, 1, 2)]
    assert agreement.index(max(agreement)) == 2
    same = resembling(one(plain), one(plain))[0]
    assert torch.allclose(same[500:-500], plain[500:-500], atol=2e-3)


def test_a_set_is_heard_in_the_noise_of_another() -> None:
    """A hundredth of the power of speech in its pauses, and nothing where both have as much."""
    plain = burst()
    noisy = plain + 0.01 * torch.randn(len(plain), generator=torch.Generator().manual_seed(1))
    made = resembling(one(plain), one(noisy))[0]
    speech, pause = made.view(2, -1).square().mean(1).tolist()
    assert pause / speech == pytest.approx(0.01, rel=0.2)
    again = resembling(one(noisy), one(noisy))[0].view(2, -1).square().mean(1).tolist()
    assert again[1] / again[0] == pytest.approx(0.01, rel=0.2), "not twice"


def test_a_clip_is_disturbed_alike_whatever_set_it_is_in() -> None:
    def change(waveform: Tensor, rate: int, chance: torch.Generator) -> Tensor:
        return waveform + 0.5 * torch.rand(len(waveform), generator=chance)

    whole = clips(5, 6, 7)
    all_, last = disturbed(whole, change, seed=1), disturbed(whole.take([2]), change, seed=1)
    assert all_[2].equal(last[0]) and not all_[2].equal(disturbed(whole, change, seed=2)[2])
    assert all_.utterances == whole.utterances and all_.lengths == whole.lengths


def test_strings_are_of_one_speaker_and_use_no_clip_twice() -> None:
    made = joined(clips(*[40] * 7, speakers="aaaabbb"), shortest=2, longest=3, seed=0)
    said = [u.text.split() for u in made.utterances]
    assert all(2 <= len(words) <= 3 for words in said)
    speakers = {f"w{at}": "aaaabbb"[at] for at in range(7)}
    assert all({speakers[word] for word in words} == {u.speaker}
               for words, u in zip(said, made.utterances, strict=True))  # fmt: skip
    used = [word for words in said for word in words]
    assert len(used) == len(set(used))
    for words, at in zip(said, range(len(made)), strict=True):
        loud = made[at][made[at] > 0]
        assert len(loud) == 40 * len(words) and len(made[at]) <= (40 + RATE // 4) * len(words)
        assert loud[0].item() == pytest.approx((int(words[0][1:]) + 1) / 100, abs=1e-4)
    assert len({u.key for u in made.utterances}) == len(made)


@pytest.mark.parametrize(("shortest", "longest"), [(0, 2), (3, 2), (9, 9)])
def test_no_strings_are_refused(shortest: int, longest: int) -> None:
    with pytest.raises(InputError, match=r"expected 1 or more|no speaker has 9 clips"):
        joined(clips(4, 4), shortest=shortest, longest=longest, seed=0)


def test_noises_of_training_and_of_testing_are_others(tmp_path: Path) -> None:
    for at in range(4):
        soundfile.write(tmp_path / f"{at}.wav", np.full(100, at / 8, np.float32), RATE)
    halves = [surroundings(tmp_path, None, rate=RATE, half=half, seed=0).noises for half in (0, 1)]
    levels = [{round(8 * float(noise[0])) for noise in half} for half in halves]
    assert levels[0] | levels[1] == {0, 1, 2, 3} and not levels[0] & levels[1]
    for take in "ABC":
        soundfile.write(tmp_path / f"5-{take}.wav", np.full(100, 5 / 8, np.float32), RATE)
    takes = [surroundings(tmp_path, None, rate=RATE, half=half, seed=0).noises for half in (0, 1)]
    assert sorted(sum(round(8 * float(noise[0])) == 5 for noise in half) for half in takes) == [0, 3]
    with pytest.raises(InputError, match="neither noise nor rooms: give --noise or --rooms"):
        surroundings(None, None, rate=RATE, half=0, seed=0)
    with pytest.raises(InputError, match="holds 0 sound files; expected 2 or more"):
        surroundings(None, tmp_path / "none", rate=RATE, half=0, seed=0)
