"""The transcript formats, read back by small parsers of their own."""

import json
import re
from itertools import pairwise

import pytest

from speech_tl.captions import (
    LONGEST_CUE,
    WIDEST_CUE,
    Transcript,
    Word,
    as_json,
    as_srt,
    as_text,
    as_textgrid,
    as_vtt,
)

WORDS = (
    Word("habari", 0.12, 0.5, 91.0),
    Word('"ya"', 0.5, 0.72, 80.0),
    Word("<leo>", 0.8, 1.2, 99.5),
    Word("mɓoʃi", 3661.5, 3662.0, 42.0),
)
TRANSCRIPT = Transcript("a.wav", "swh", 97.5, 3665.0, WORDS)
SILENCE = Transcript("a.wav", "swh", 100.0, 2.0, ())
CLOCK = re.compile(r"(\d\d):(\d\d):(\d\d)([.,])(\d{3})")


def seconds(clock: str, point: str) -> float:
    match = CLOCK.fullmatch(clock)
    assert match and match[4] == point
    hours, minutes, whole, _, milliseconds = match.groups()
    return int(hours) * 3600 + int(minutes) * 60 + int(whole) + int(milliseconds) / 1000


def blocks(text: str, point: str) -> list[tuple[float, float, str]]:
    cues = []
    for block in text.strip().split("\n\n"):
        times, *lines = block.split("\n")
        start, end = times.split(" --> ")
        cues.append((seconds(start, point), seconds(end, point), "\n".join(lines)))
    return cues


def test_text_and_json() -> None:
    assert as_text(TRANSCRIPT) == 'habari "ya" <leo> mɓoʃi\n'
    values = json.loads(as_json(TRANSCRIPT))
    assert values["text"] == TRANSCRIPT.text and values["seconds"] == 3665.0
    assert values["words"][0] == {"text": "habari", "start": 0.12, "end": 0.5, "confidence": 91.0}
    assert as_json(TRANSCRIPT).count("\n") == 1


def test_srt_numbers_its_cues_and_breaks_at_silence() -> None:
    numbers = re.findall(r"^(\d+)$", as_srt(TRANSCRIPT), flags=re.MULTILINE)
    assert numbers == ["1", "2"]
    cues = blocks(re.sub(r"^\d+\n", "", as_srt(TRANSCRIPT), flags=re.MULTILINE), ",")
    assert cues == [(0.12, 1.2, 'habari "ya" <leo>'), (3661.5, 3662.0, "mɓoʃi")]


def test_vtt_has_a_header_and_escapes() -> None:
    head, _, rest = as_vtt(TRANSCRIPT).partition("\n\n")
    assert head == "WEBVTT"
    assert blocks(rest, ".")[0] == (0.12, 1.2, 'habari "ya" &lt;leo&gt;')


def test_cues_are_short_and_narrow() -> None:
    words = tuple(Word("neno", 0.5 * k, 0.5 * k + 0.4, 50.0) for k in range(60))
    cues = blocks(as_vtt(Transcript("a.wav", "swh", 100.0, 30.0, words)).partition("\n\n")[2], ".")
    assert " ".join(text for _, _, text in cues) == " ".join(["neno"] * 60)
    assert all(end - start <= LONGEST_CUE and len(text) <= WIDEST_CUE for start, end, text in cues)


def intervals(grid: str) -> list[tuple[float, float, str]]:
    """Praat's long text form, read by the values in order as Praat does."""
    assert grid.startswith('File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\n')
    values = re.findall(r'xmin = ([\d.]+)\s+xmax = ([\d.]+)\s+text = "((?:[^"]|"")*)"', grid)
    size = re.search(r"intervals: size = (\d+)", grid)
    assert size and int(size[1]) == len(values)
    return [(float(a), float(b), text.replace('""', '"')) for a, b, text in values]


@pytest.mark.parametrize("transcript", [TRANSCRIPT, SILENCE])
def test_a_textgrid_covers_the_file_without_gap_or_overlap(transcript: Transcript) -> None:
    found = intervals(as_textgrid(transcript))
    assert found[0][0] == 0 and found[-1][1] == transcript.seconds
    assert all(before[1] == after[0] for before, after in pairwise(found))
    assert all(start < end for start, end, _ in found)
    words = [(word.start, word.end, word.text) for word in transcript.words]
    assert [interval for interval in found if interval[2]] == words


def test_a_last_word_may_end_with_its_frame_after_the_last_sample() -> None:
    grid = as_textgrid(Transcript("a.wav", "swh", 100.0, 0.99, (Word("a", 0.5, 1.0, 50.0),)))
    assert intervals(grid)[-1] == (0.5, 1.0, "a") and "xmax = 1.000" in grid


def test_silence_has_no_cues() -> None:
    assert as_srt(SILENCE) == "" and as_vtt(SILENCE) == "WEBVTT\n\n" and as_text(SILENCE) == "\n"
