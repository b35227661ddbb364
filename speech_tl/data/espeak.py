"""One espeak-ng voice speaking in a process of its own.

The synthesiser keeps state between calls: the same sentence sounds slightly different after another one.
But a fixed order of calls in a fresh process, its noise seeded, is identical bit for bit. `speak` therefore
starts this very file as a script for every voice; it needs only the standard library and sends the samples
back through a pipe, so that an interrupted parent leaves no writer behind.
"""

import ctypes
import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

if __name__ != "__main__":  # the script runs isolated from every package
    from speech_tl.errors import InputError

SYNCHRONOUS, UTF8 = 2, 1  # espeak_Initialize's output and espeak_Synth's flags
RATE, PITCH = 1, 3  # espeak_SetParameter's names


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
    package = importlib.util.find_spec("espeakng_loader")
    if package is None or package.origin is None:
        raise InputError(
            "the offline corpus is spoken by espeak-ng, and the package espeakng-loader is missing: "
            'pip install "speech-tl[synth]"'
        )
    order = {"home": str(Path(package.origin).parent), "voice": asdict(voice), "sentences": list(sentences)}
    spoken = subprocess.run(
        [sys.executable, "-I", __file__], input=json.dumps(order).encode(), capture_output=True, check=False
    )
    if spoken.returncode:
        reason = spoken.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
        raise InputError(f"espeak-ng could not speak as {voice.language}+{voice.variant}: {reason[0]}")
    header, _, samples = spoken.stdout.partition(b"\n")
    sample_rate, *sizes = json.loads(header)
    clips, start = [], 0
    for size in sizes:
        clips.append(samples[start : start + size])
        start += size
    return sample_rate, clips


def main() -> None:
    """Read the order from standard input; write a line of JSON (sample rate, clip sizes), then the clips."""
    order = json.load(sys.stdin)
    home, voice = Path(order["home"]), order["voice"]
    library = ctypes.CDLL(str(next(path for path in sorted(home.iterdir()) if "espeak-ng." in path.name)))
    heard = bytearray()

    def listen(samples: int | None, count: int, _events: int | None) -> int:
        if samples and count > 0:
            heard.extend(ctypes.string_at(samples, 2 * count))
        return 0

    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)(listen)
    sample_rate = library.espeak_Initialize(SYNCHRONOUS, 0, str(home / "espeak-ng-data").encode(), 0)
    if sample_rate <= 0:
        raise SystemExit(f"no espeak-ng data in {home / 'espeak-ng-data'}")
    library.espeak_ng_SetRandSeed(ctypes.c_long(1))  # breath is noise, seeded from the clock otherwise
    if not (home / "espeak-ng-data" / "voices" / "!v" / voice["variant"]).is_file():  # silently ignored otherwise
        raise SystemExit(f"no voice variant {voice['variant']!r}")
    if library.espeak_SetVoiceByName(f"{voice['language']}+{voice['variant']}".encode()):
        raise SystemExit(f"no language {voice['language']!r}")
    library.espeak_SetSynthCallback(callback)
    library.espeak_SetParameter(RATE, voice["rate"], 0)
    library.espeak_SetParameter(PITCH, voice["pitch"], 0)
    clips = []
    for sentence in order["sentences"]:
        heard.clear()
        text = sentence.encode() + b"\0"
        if library.espeak_Synth(text, ctypes.c_size_t(len(text)), 0, 1, 0, UTF8, None, None) or not heard:
            raise SystemExit(f"nothing spoken for {sentence!r}")
        clips.append(bytes(heard))
    header = json.dumps([sample_rate, *map(len, clips)])
    sys.stdout.buffer.write(header.encode() + b"\n" + b"".join(clips))


if __name__ == "__main__":
    main()
