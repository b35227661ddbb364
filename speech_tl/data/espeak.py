"""What espeak-ng can do for us, in a process of its own: speak with one voice, or say how a text is pronounced.

The synthesiser keeps state between calls: the same sentence sounds slightly different after another one.
But a fixed order of calls in a fresh process, its noise seeded, is identical bit for bit. `speak` therefore
starts this very file as a script for every voice; it needs only the standard library and sends the samples
back through a pipe, so that an interrupted parent leaves no writer behind.
"""

import ctypes
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

if __name__ != "__main__":  # the script runs isolated from every package
    from speech_tl.errors import InputError

SYNCHRONOUS, UTF8 = 2, 1  # espeak_Initialize's output and espeak_Synth's flags
RATE, PITCH = 1, 3  # espeak_SetParameter's names
IPA = 2  # espeak_TextToPhonemes' mode
LANGUAGE_SWITCH = re.compile(r"\([a-z]{2,3}(-[a-z0-9-]+)?\)")
"""`(en)kəmpˈjuːtə(lt)`: a foreign word is said by the rules of its own language."""


@dataclass(frozen=True)
class Voice:
    """A speaker: espeak-ng's language, one of its voice variants, and a manner of speaking."""

    language: str
    variant: str
    """`m1` to `m7` and `f1` to `f5`: other pitches and formants."""
    rate: int
    """Words per minute, espeak-ng's own is 175."""
    pitch: int
    """0 to 99, espeak-ng's own is 50."""


def speak(voice: Voice, sentences: Sequence[str]) -> tuple[int, list[bytes]]:
    """The sample rate, and for each sentence its 16-bit samples; one fresh process."""
    header, _, samples = _ask({"voice": asdict(voice)}, sentences).partition(b"\n")
    sample_rate, *sizes = json.loads(header)
    clips, start = [], 0
    for size in sizes:
        clips.append(samples[start : start + size])
        start += size
    return sample_rate, clips


def transcribe(language: str, sentences: Sequence[str]) -> list[str]:
    """Each sentence in IPA, as espeak-ng's rules for `language` (its own code, such as `lt`) would say it."""
    transcribed: list[str] = json.loads(_ask({"language": language}, sentences))
    return [LANGUAGE_SWITCH.sub("", said) for said in transcribed]


def _ask(order: dict[str, object], sentences: Sequence[str]) -> bytes:
    package = importlib.util.find_spec("espeakng_loader")
    if package is None or package.origin is None:
        raise InputError('espeak-ng is not installed (the package espeakng-loader); pip install "speech-tl[synth]"')
    order |= {"home": str(Path(package.origin).parent), "sentences": list(sentences)}
    answer = subprocess.run(
        [sys.executable, "-I", __file__], input=json.dumps(order).encode(), capture_output=True, check=False
    )
    if answer.returncode:
        reason = answer.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
        raise InputError(f"espeak-ng failed: {reason[0]}")
    return answer.stdout


def main() -> None:
    """Read the order from standard input.

    Write a line of JSON (sample rate, clip sizes), then the clips; or, where a language is to be transcribed, JSON.
    """
    order = json.load(sys.stdin)
    home = Path(order["home"])
    library = ctypes.CDLL(str(next(path for path in sorted(home.iterdir()) if "espeak-ng." in path.name)))
    sample_rate = library.espeak_Initialize(SYNCHRONOUS, 0, str(home / "espeak-ng-data").encode(), 0)
    if sample_rate <= 0:
        raise SystemExit(f"no espeak-ng data in {home / 'espeak-ng-data'}")
    if "language" in order:
        answer = json.dumps(_transcribed(library, order["language"], order["sentences"])).encode()
    else:
        clips = _spoken(library, home, order["voice"], order["sentences"])
        answer = json.dumps([sample_rate, *map(len, clips)]).encode() + b"\n" + b"".join(clips)
    sys.stdout.buffer.write(answer)


def _transcribed(library: ctypes.CDLL, language: str, sentences: Sequence[str]) -> list[str]:
    if library.espeak_SetVoiceByName(language.encode()):
        raise SystemExit(f"no language {language!r}; it names languages as `espeak-ng --voices` lists them")
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    transcribed = []
    for sentence in sentences:
        rest, clauses = ctypes.c_char_p(sentence.encode()), []
        while rest.value:  # one clause is taken at a time
            clauses.append(library.espeak_TextToPhonemes(ctypes.byref(rest), UTF8, IPA).decode())
        transcribed.append(" ".join(clauses))
    return transcribed


def _spoken(library: ctypes.CDLL, home: Path, voice: dict[str, Any], sentences: Sequence[str]) -> list[bytes]:
    heard = bytearray()

    def listen(samples: int | None, count: int, _events: int | None) -> int:
        if samples and count > 0:
            heard.extend(ctypes.string_at(samples, 2 * count))
        return 0

    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)(listen)
    library.espeak_ng_SetRandSeed(ctypes.c_long(1))  # breath is noise, seeded from the clock otherwise
    if not (home / "espeak-ng-data" / "voices" / "!v" / voice["variant"]).is_file():  # silently ignored otherwise
        raise SystemExit(f"no voice variant {voice['variant']!r}")
    if library.espeak_SetVoiceByName(f"{voice['language']}+{voice['variant']}".encode()):
        raise SystemExit(f"no language {voice['language']!r}")
    library.espeak_SetSynthCallback(callback)
    library.espeak_SetParameter(RATE, voice["rate"], 0)
    library.espeak_SetParameter(PITCH, voice["pitch"], 0)
    clips = []
    for sentence in sentences:
        heard.clear()
        text = sentence.encode() + b"\0"
        if library.espeak_Synth(text, ctypes.c_size_t(len(text)), 0, 1, 0, UTF8, None, None) or not heard:
            raise SystemExit(f"nothing spoken for {sentence!r}")
        clips.append(bytes(heard))
    return clips


if __name__ == "__main__":
    main()
