"""Transcripts with times, written for people, programs, video players and phoneticians.

Text, JSON, SubRip (.srt), WebVTT (W3C) and Praat's TextGrid in its long text form. Times are seconds from the
start of the file, confidences percent.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

LONGEST_CUE, WIDEST_CUE, LONGEST_GAP = 7.0, 42, 0.8
"""A subtitle stays for at most so many seconds and characters, and ends where nothing is said for so long."""


@dataclass(frozen=True)
class Word:
    text: str
    start: float
    """Seconds."""
    end: float
    """Seconds, after `start`."""
    confidence: float
    """Percent: the geometric mean of the probabilities of its symbols over their frames; of a word looked up in a
    lexicon, that of its sounds."""


@dataclass(frozen=True)
class Transcript:
    file: str
    language: str
    language_probability: float
    """Percent; 100 where the language was named."""
    seconds: float
    words: tuple[Word, ...]
    """In order, without overlap."""

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


def as_json(transcript: Transcript) -> str:
    """One line."""
    values = asdict(transcript)
    return json.dumps({"text": transcript.text, **values}, ensure_ascii=False) + "\n"


def as_text(transcript: Transcript) -> str:
    return transcript.text + "\n"


def as_srt(transcript: Transcript) -> str:
    cues = enumerate(_cues(transcript.words), 1)
    return "".join(f"{n}\n{_span(cue, ',')}\n{_line(cue)}\n\n" for n, cue in cues)


def as_vtt(transcript: Transcript) -> str:
    escapes = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
    cues = _cues(transcript.words)
    return "WEBVTT\n\n" + "".join(f"{_span(cue, '.')}\n{_line(cue).translate(escapes)}\n\n" for cue in cues)


def as_textgrid(transcript: Transcript) -> str:
    """One tier `words` that covers the whole file: silences are empty intervals."""
    end = max([transcript.seconds, *(word.end for word in transcript.words)])
    intervals: list[tuple[float, float, str]] = []
    at = 0.0
    for word in transcript.words:
        if word.start > at:
            intervals.append((at, word.start, ""))
        intervals.append((max(at, word.start), word.end, word.text))
        at = word.end
    if at < end or not intervals:
        intervals.append((at, end, ""))
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {end:.3f}"]
    lines += ["tiers? <exists>", "size = 1", "item []:", "    item [1]:", '        class = "IntervalTier"']
    lines += ['        name = "words"', "        xmin = 0", f"        xmax = {end:.3f}"]
    lines += [f"        intervals: size = {len(intervals)}"]
    for n, (first, last, text) in enumerate(intervals, 1):
        quoted = text.replace('"', '""')
        lines += [
            f"        intervals [{n}]:",
            f"            xmin = {first:.3f}",
            f"            xmax = {last:.3f}",
        ]
        lines += [f'            text = "{quoted}"']
    return "\n".join(lines) + "\n"


FORMATS: Mapping[str, tuple[str, Callable[[Transcript], str]]] = {
    "text": (".txt", as_text),
    "json": (".json", as_json),
    "srt": (".srt", as_srt),
    "vtt": (".vtt", as_vtt),
    "textgrid": (".TextGrid", as_textgrid),
}
"""Name -> (suffix, writer)."""


def _cues(words: Sequence[Word]) -> list[list[Word]]:
    """Words that are shown together."""
    cues: list[list[Word]] = []
    for word in words:
        if cues and not (
            word.start - cues[-1][-1].end > LONGEST_GAP
            or word.end - cues[-1][0].start > LONGEST_CUE
            or len(_line([*cues[-1], word])) > WIDEST_CUE
        ):
            cues[-1].append(word)
        else:
            cues.append([word])
    return cues


def _line(cue: Sequence[Word]) -> str:
    return " ".join(word.text for word in cue)


def _span(cue: Sequence[Word], point: str) -> str:
    return f"{_clock(cue[0].start, point)} --> {_clock(cue[-1].end, point)}"


def _clock(seconds: float, point: str) -> str:
    """01:02:03.456"""
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{milliseconds:03}"
