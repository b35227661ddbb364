"""Every recipe in its smallest form, on speech made here: it runs, leaves its folder, and a number holds."""

import csv
import json
import shutil
from itertools import combinations, product
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import load_file

from nmt_zero_shot import grammar, lineage
from nmt_zero_shot import model as translation
from recipes import (
    asr_distillation,
    asr_domain_adversarial,
    asr_multilingual,
    asr_new_language,
    asr_new_speaker,
    asr_second_task,
    asr_self_supervised,
    asr_unseen_languages,
    asr_unseen_words,
    image_attributes,
    image_domain_adversarial,
    layer_transfer,
    nmt_decoding_speed,
    nmt_zero_shot,
)
from speech_tl import evaluate, transcribe
from speech_tl.data.enrolment import mark
from speech_tl.data.manifest import read
from speech_tl.evaluate import heard_by
from speech_tl.models import changes, ctc
from speech_tl.models.identification import LanguageCalibration
from speech_tl.training.config import command


@pytest.fixture(scope="module")
def run(tiny_speech: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "tiny"
    arguments = ["--tiny", "--data", str(tiny_speech), "--languages", "fi", "sw", "--out", str(out)]
    arguments += ["--phones", "fi=espeak:fi"]  # with pronunciations for one language and none for the other
    assert command(asr_multilingual.main, asr_multilingual.Config, [*arguments, "--device", "cpu"]) == 0
    return out


def test_a_new_language_gets_a_head_and_the_old_ones_keep_theirs(
    run: Path, tiny_speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--tiny", "--checkpoint", str(run), "--data", str(tiny_speech), "--language", "it", "--device", "cpu"]
    arguments += ["--source", str(tiny_speech), "--methods", "scratch", "head", "full", "--out", str(tmp_path / "it")]
    assert command(asr_new_language.main, asr_new_language.Config, [*arguments, "--plan"]) == 0
    assert capsys.readouterr().out.count("weights move") == 3 * 4 and not (tmp_path / "it").exists()
    assert command(asr_new_language.main, asr_new_language.Config, arguments) == 0
    said = capsys.readouterr().err
    assert "training head on it in " in said and "training full on it, " in said, "the old recordings are gone on with"
    tables = json.loads((tmp_path / "it" / "metrics.json").read_text())["tables"]
    scratch, head, full = tables["curve"]
    assert [row["method"] for row in tables["curve"]] == ["scratch", "head", "full"]
    assert scratch["source_error_after"] is None
    assert head["source_error_after"] == head["source_error_before"]
    assert full["trained_parameters"] > 15 * head["trained_parameters"]
    differences = {(row["method"], row["side"], row["language"]): row for row in tables["differences"]}
    assert set(differences) == {
        (method, side, language)
        for method in ("head", "full")
        for side, language in (("target", "it"), ("source", "fi"), ("source", "sw"))
    }
    assert differences["head", "source", "sw"]["cer_difference"] == 0
    assert sorted(ctc.load(tmp_path / "it" / "full_all").languages) == ["fi", "it", "sw"]
    assert heard_by(tmp_path / "it" / "full_all", ["sw"]) == heard_by(run, ["sw"]) != frozenset()
    for method in ("head", "full"):
        grown = ctc.load(tmp_path / "it" / f"{method}_all")
        assert LanguageCalibration.of(grown).languages == grown.languages, "transcribe tells them apart"
    assert heard_by(tmp_path / "it" / "full_all", ["it"]) and not heard_by(tmp_path / "it" / "scratch_all", ["sw"])


def test_more_of_a_language_that_it_knows(run: Path, tiny_speech: Path, tmp_path: Path) -> None:
    arguments = ["--tiny", "--checkpoint", str(run), "--data", str(tiny_speech), "--language", "sw", "--device", "cpu"]
    arguments += ["--source", str(tiny_speech), "--methods", "unadapted", "full", "--out", str(tmp_path / "sw")]
    assert command(asr_new_language.main, asr_new_language.Config, arguments) == 0
    before, after = json.loads((tmp_path / "sw" / "metrics.json").read_text())["tables"]["curve"]
    assert before["trained_parameters"] == 0
    assert before["source_error_after"] == before["source_error_before"] == after["source_error_before"]
    assert ctc.load(tmp_path / "sw" / "full_all").languages == ctc.load(run).languages
    assert heard_by(tmp_path / "sw" / "full_all", ["sw"]) == heard_by(run, ["sw"])


def test_a_sentence_that_it_learned_is_tested_from_nobody(
    run: Path, tiny_speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another folder, other names, the same sentences: three of those that it learned and one of those it tested."""
    rows = [u for u in read(tiny_speech) if u.language == "sw"]
    own = heard_by(run, ["sw"])
    learned = list({u.text: u for u in rows if u.key in own}.values())
    tested = next(u for u in rows if u.text not in {u.text for u in rows if u.key in own})
    parts = {"new1": learned[3:5], "new2": learned[5:7], "new3": [*learned[:3], tested]}
    lines = [f"{shutil.copy(u.audio, tmp_path / f'{who}-{at}.wav').name},{u.text},sw,{who}"
             for who, part in parts.items() for at, u in enumerate(part)]  # fmt: skip
    (tmp_path / "metadata.csv").write_text("\n".join(["file_name,text,language,speaker_id", *lines]))
    words = ["--tiny", "--checkpoint", str(run), "--data", str(tmp_path), "--test-speakers", "1", "--device", "cpu"]
    assert command(asr_new_language.main, asr_new_language.Config,
                   [*words, "--methods", "unadapted", "--out", str(tmp_path / "out")]) == 0  # fmt: skip
    assert "3 test clips dropped, the checkpoint learned their sentences" in capsys.readouterr().err


def test_a_new_voice_gets_a_file_that_transcribe_takes(
    run: Path, tiny_speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--tiny", "--checkpoint", str(run), "--data", str(tiny_speech), "--language", "fi", "--device", "cpu"]
    arguments += ["--source", str(tiny_speech), "--seconds", "2", "4", "--methods", "unadapted", "lhuc", "head"]
    dry = [*arguments, "--plan", "--out", str(tmp_path / "dry")]
    assert command(asr_new_speaker.main, asr_new_speaker.Config, dry) == 0
    assert capsys.readouterr().out.count("weights move") == 2 * 3 * 4 and not (tmp_path / "dry").exists()
    assert command(asr_new_speaker.main, asr_new_speaker.Config, [*arguments, "--out", str(tmp_path / "voice")]) == 0
    tables = json.loads((tmp_path / "voice" / "metrics.json").read_text())["tables"]
    assert [(row["method"], row["amount_seconds"]) for row in tables["curve"]] == [
        (method, seconds) for seconds in (2, 4) for method in ("unadapted", "lhuc", "head")
    ]
    unadapted = tables["curve"][0]
    assert unadapted["source_error_before"] == unadapted["source_error_after"]
    assert [row["trained_parameters"] for row in tables["curve"][:2]] == [0, 3 * 64]
    assert {(row["method"], row["side"]) for row in tables["differences"]} == {
        (method, side) for method in ("lhuc", "head") for side in ("target", "source")
    }
    voices = sorted((tmp_path / "voice" / "voices").iterdir())
    assert len(voices) == len(tables["targets"]) == 6 * len({row["target"] for row in tables["targets"]})
    stamps = [voice.stat().st_mtime_ns for voice in voices]
    again = [*arguments, "--out", str(tmp_path / "voice"), "--resume"]
    assert command(asr_new_speaker.main, asr_new_speaker.Config, again) == 0
    resumed = json.loads((tmp_path / "voice" / "metrics.json").read_text())["tables"]
    assert resumed == tables and [voice.stat().st_mtime_ns for voice in voices] == stamps
    assert command(asr_new_speaker.main, asr_new_speaker.Config, [*again, "--seed", "1"]) == 0
    assert all(changes.read(voice).facts["seed"] == 1 for voice in (tmp_path / "voice" / "voices").iterdir()), "anew"
    capsys.readouterr()
    clip = next(tiny_speech.rglob("*.wav"), None) or next(tiny_speech.rglob("*.flac"))
    heard = ["--checkpoint", str(run), "--language", "fi", "--speaker", str(voices[0]), "--device", "cpu", str(clip)]
    assert command(transcribe.main, transcribe.Config, heard) == 0
    marks = set(changes.read(voices[0]).facts["enrolled"])
    tested = ["--checkpoint", str(run), "--data", str(tiny_speech), "--languages", "fi", "--device", "cpu"]
    tested += ["--split", "all", "--speaker", str(voices[0]), "--out", str(tmp_path / "tested.json")]
    assert command(evaluate.main, evaluate.Config, tested) == 0
    keys = {row["key"] for row in json.loads((tmp_path / "tested.json").read_text())["tables"]["utterances"]}
    own = [utterance for utterance in read(tiny_speech) if utterance.language == "fi"]
    assert keys == {utterance.key for utterance in own if mark(utterance) not in marks}
    assert len(keys) == len(own) - len(marks) < len(own)
    shutil.copytree(tiny_speech, tmp_path / "renamed")
    capsys.readouterr()
    tested[tested.index(str(tiny_speech))] = str(tmp_path / "renamed")
    assert command(evaluate.main, evaluate.Config, tested) == 0
    assert "if a name has changed since, it is tested on what it was learned from" in capsys.readouterr().err


def test_every_voice_goes_to_the_checkpoint_that_does_not_know_it(
    run: Path, tiny_speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a second checkpoint one of the first one's training speakers is the test speaker (leave-one-out)."""
    other = tmp_path / "other"
    shutil.copytree(run, other)
    speakers = {u.key: u.speaker for u in read(tiny_speech)}
    for file in (other / "splits.json", other / "checkpoint" / "splits.json"):
        splits = json.loads(file.read_text())
        own = splits["languages"]["fi"]
        every = [key for part in ("train", "valid", "test") for key in own[part]]
        new = min(speakers[key] for key in own["train"])
        own["train"] = [key for key in own["train"] if speakers[key] != new] + own["test"]
        own["valid"] = [key for key in own["valid"] if speakers[key] != new]
        own["test"] = [key for key in every if speakers[key] == new]
        file.write_text(json.dumps(splits))
    arguments = ["--tiny", "--data", str(tiny_speech), "--language", "fi", "--device", "cpu", "--seconds", "2"]
    arguments += ["--source", str(tiny_speech), "--methods", "unadapted", "lhuc", "--out", str(tmp_path / "voices")]
    both = [*arguments, "--checkpoint", str(run), str(other)]
    assert command(asr_new_speaker.main, asr_new_speaker.Config, both) == 0
    tables = json.loads((tmp_path / "voices" / "metrics.json").read_text())["tables"]
    told = {row["target"] for row in tables["targets"]}
    assert new in told and len(told) > 1 and len(tables["targets"]) == 2 * len(told)
    assert [row["method"] for row in tables["curve"]] == ["unadapted", "lhuc"], "pooled"
    capsys.readouterr()
    assert command(asr_new_speaker.main, asr_new_speaker.Config, [*both, str(run)]) == 2
    assert "nobody is new to it but those whom a checkpoint before it adapts to" in capsys.readouterr().err


def test_a_voice_of_which_nothing_is_transcribed(run: Path, tiny_speech: Path, tmp_path: Path) -> None:
    """Its error cannot be known, its file can be had; with two transcripts these two are tested."""
    corpus = tmp_path / "untranscribed"
    shutil.copytree(tiny_speech, corpus)
    header, *rows = csv.reader((tiny_speech / "metadata.csv").read_text(encoding="utf-8").splitlines())
    own = [row for row in rows if row[3] == "fi-m4"]  # whose sentences the run has not learned
    for texts, clips in (([], 0), ([row[1] for row in own[:2]], 2)):
        told = [[row[0], text, *row[2:]] for row, text in zip(own, [*texts, *[""] * len(own)], strict=False)]
        with (corpus / "metadata.csv").open("w", encoding="utf-8", newline="") as table:
            csv.writer(table).writerows([header, *told])
        arguments = ["--tiny", "--checkpoint", str(run), "--data", str(corpus), "--language", "fi", "--device", "cpu"]
        arguments += ["--pseudo-labels", "0", "--seconds", "3", "--methods", "unadapted", "lhuc"]
        out = ["--out", str(tmp_path / f"voice{clips}")]
        assert command(asr_new_speaker.main, asr_new_speaker.Config, [*arguments, *out]) == 0
        (_, lhuc) = json.loads((tmp_path / f"voice{clips}" / "metrics.json").read_text())["tables"]["curve"]
        assert (lhuc["target_error"] is None) == (clips == 0)
        assert (tmp_path / f"voice{clips}" / "voices" / "fi-m4_lhuc_3s.safetensors").exists()


def test_a_voice_is_carried_into_another_language(run: Path, tiny_speech: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "both"
    shutil.copytree(tiny_speech, corpus)
    table = (corpus / "metadata.csv").read_text().replace(",sw-", ",fi-")  # the same speakers in Swahili
    (corpus / "metadata.csv").write_text(table)
    arguments = ["--tiny", "--checkpoint", str(run), "--data", str(corpus), "--language", "fi", "--device", "cpu"]
    arguments += ["--seconds", "2", "--methods", "unadapted", "input_layers"]
    carried = [*arguments, "--carry", "sw", "--speakers", "fi-m1"]
    assert command(asr_new_speaker.main, asr_new_speaker.Config, [*carried, "--out", str(tmp_path / "voice")]) == 0
    tables = json.loads((tmp_path / "voice" / "metrics.json").read_text())["tables"]
    assert {(row["case"], row["method"]) for row in tables["curve"]} == {
        (case, method) for case in ("speaker", "carried") for method in ("unadapted", "input_layers")
    }


def test_a_voice_known_in_another_language_is_no_new_one(
    run: Path, tiny_speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who is tested in Finnish is one of whom the checkpoint learned Swahili."""
    corpus = tmp_path / tiny_speech.name
    shutil.copytree(tiny_speech, corpus)
    parts = json.loads((run / "splits.json").read_text())["languages"]
    speakers = {u.key: u.speaker for u in read(tiny_speech)}
    trained, table = min(speakers[key] for key in parts["sw"]["train"]), (corpus / "metadata.csv").read_text()
    for tested in {speakers[key] for key in parts["fi"]["test"]}:
        table = table.replace(f",{tested}", f",{trained}")
    (corpus / "metadata.csv").write_text(table)
    arguments = ["--tiny", "--checkpoint", str(run), "--data", str(corpus), "--language", "fi", "--device", "cpu"]
    arguments += ["--seconds", "2", "--methods", "head", "--out", str(tmp_path / "voice")]
    assert command(asr_new_speaker.main, asr_new_speaker.Config, arguments) == 2
    assert "trained on every speaker there" in capsys.readouterr().err
    carried = [*arguments, "--carry", "sw", "--speakers", trained]
    assert command(asr_new_speaker.main, asr_new_speaker.Config, carried) == 2
    assert f"--carry sw: nothing of {trained} that is new to the checkpoint" in capsys.readouterr().err


def test_a_stranger_in_a_new_language_is_nobody_of_the_old_ones(
    run: Path, tiny_speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = tmp_path / tiny_speech.name
    shutil.copytree(tiny_speech, corpus)
    parts = json.loads((run / "splits.json").read_text())["languages"]
    trained = min({u.key: u.speaker for u in read(tiny_speech)}[key] for key in parts["sw"]["train"])
    table = (corpus / "metadata.csv").read_text()
    tested = max(u.speaker for u in read(tiny_speech) if u.language == "it")
    (corpus / "metadata.csv").write_text(table.replace(f",{tested}", f",{trained}"))
    arguments = ["--tiny", "--checkpoint", str(run), "--data", str(corpus), "--language", "it", "--device", "cpu"]
    arguments += ["--test-speakers", "1", "--methods", "head", "--out", str(tmp_path / "it")]
    assert command(asr_new_language.main, asr_new_language.Config, arguments) == 2
    assert f"learned from {trained} in another language" in capsys.readouterr().err


def test_a_search_among_paths_runs_alone(
    tiny_speech: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    arguments = ["--tiny", "--data", str(tiny_speech), "--language", "fi"]
    assert command(asr_second_task.main, asr_second_task.Config, arguments) == 2
    assert "asr_second_task runs in one process, and torchrun started 2" in capsys.readouterr().err


def test_students_stand_under_their_teacher(run: Path, tiny_speech: Path, tmp_path: Path) -> None:
    arguments = [
        "--tiny",
        "--checkpoint",
        str(run),
        "--data",
        str(tiny_speech),
        "--device",
        "cpu",
        "--out",
        str(tmp_path),
    ]
    assert command(asr_distillation.main, asr_distillation.Config, arguments) == 0
    tables = json.loads((tmp_path / "metrics.json").read_text())["tables"]
    systems = ["teacher", "student_alone", "student_soft_targets", "student_relational"]
    assert [row["system"] for row in tables["sizes"]] == systems
    against = {(row["system"], row["against"]) for row in tables["differences"]}
    assert against == {(one, two) for one in systems[1:] for two in systems if one != two}
    teachers = json.loads((run / "metrics.json").read_text())["tables"]["error_rates"]
    wanted = {row["language"]: row["cer"] for row in teachers if row["system"] == "shared_heads"}
    found = {row["language"]: row["cer"] for row in tables["error_rates"] if row["system"] == "teacher"}
    assert found == pytest.approx(wanted), "tested on the same clips"
    assert heard_by(tmp_path / "soft_targets", ["fi"]) == heard_by(run, ["fi"]) != frozenset()
    assert {row["system"] for row in tables["language_identification"]} == set(systems[1:])
    assert LanguageCalibration.of(ctc.load(tmp_path / "soft_targets")).languages == ("fi", "sw")


def test_a_start_without_transcripts_stands_beside_none(tiny_speech: Path, tmp_path: Path) -> None:
    arguments = ["--tiny", "--data", str(tiny_speech), "--languages", "fi", "--sample-rate", "8000", "--device", "cpu"]
    arguments += ["--steps", "10", "--labelled-minutes", "0.15", "--out", str(tmp_path)]
    assert command(asr_self_supervised.main, asr_self_supervised.Config, arguments) == 0
    tables = json.loads((tmp_path / "metrics.json").read_text())["tables"]
    seconds = {row["system"]: row["train_seconds"] for row in tables["error_rates"]}
    assert list(seconds) == ["scratch", "self_supervised", "labelled_audio", "scratch_longer"]
    assert [row["against"] for row in tables["differences"]] == ["scratch", "labelled_audio", "scratch_longer"]
    starts = {row["system"]: row for row in tables["masked_prediction"]}
    assert starts["labelled_audio"]["audio_minutes"] <= 0.15 < starts["self_supervised"]["audio_minutes"]
    assert all(row["train_seconds"] < seconds[name] for name, row in starts.items()), "the start is paid for"
    assert command(asr_self_supervised.main, asr_self_supervised.Config, [*arguments, "--resume"]) == 0
    assert json.loads((tmp_path / "metrics.json").read_text())["tables"] == tables


@pytest.fixture(scope="module")
def spoken_words(tiny_speech: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finnish voices that, as far as their table says, say four words."""
    folder = tmp_path_factory.mktemp("words")
    head, *rows = csv.reader((tiny_speech / "metadata.csv").read_text(encoding="utf-8").splitlines())
    own = [row for row in rows if row[2] == "fi"]
    for at, row in enumerate(own):
        row[1] = ("yksi", "kaksi", "kolme", "viisi")[at % 4]
        (folder / row[0]).parent.mkdir(exist_ok=True)
        (folder / row[0]).symlink_to(tiny_speech / row[0])
    with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as table:
        csv.writer(table).writerows([head, *own])
    return folder


def test_the_layer_experiment_on_words_and_voices(
    spoken_words: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--tiny", "--data", str(spoken_words), "--device", "cpu", "--out", str(tmp_path), "--kept", "1", "3"]
    assert command(layer_transfer.main, layer_transfer.Config, [*arguments, "--plan"]) == 0
    assert "24 networks of 8 updates; layers: subsampling, encoder.0, encoder.1" in capsys.readouterr().err
    assert not (tmp_path / "config.json").exists()
    assert command(layer_transfer.main, layer_transfer.Config, arguments) == 0
    tables = json.loads((tmp_path / "metrics.json").read_text())["tables"]
    rows = {(row["treatment"], row["source"], row["side"], row["kept"]): row for row in tables["layers"]}
    # B; from 2 sources and from B itself frozen and free, and random: 7 x (1 and 3 from the input, 1 from the output)
    assert len(rows) == len(tables["layers"]) == 1 + 7 * 3 and len(tables["differences"]) == 7 * 3
    whole = rows["B", "", "", 0]["trained_parameters"]
    assert rows["AnB+", "words", "input", 3]["trained_parameters"] == whole
    model = ctc.load(tmp_path / "networks" / "AnB_input_3_voices")
    head = sum(weight.numel() for weight in model.heads["fi"].parameters())
    assert rows["AnB", "voices", "input", 3]["trained_parameters"] == head
    theirs = ctc.load(tmp_path / "networks" / "A_voices").encoder.state_dict()
    assert all(value.equal(theirs[name]) for name, value in model.encoder.state_dict().items()), "kept to the byte"


@pytest.fixture(scope="module")
def four_animals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of one colour each."""
    folder = tmp_path_factory.mktemp("pictures")
    for part, label in product(("train", "test"), ("cat", "dog", "fox", "owl")):
        (folder / part / label).mkdir(parents=True)
        for at in range(3):
            colour = (20 * at, 60 * ord(label[0]) % 256, 0)
            Image.new("RGB", (8, 8), colour).save(folder / part / label / f"{at}.png")
    return folder


def test_the_layer_experiment_on_pictures(four_animals: Path, tmp_path: Path) -> None:
    arguments = [
        "--tiny",
        "--data",
        str(four_animals),
        "--source",
        "classes",
        "--examples",
        "4",
        "--kept",
        "2",
    ]
    arguments += ["--treatments", "AnB", "RnB", "--sides", "input", "--device", "cpu", "--out", str(tmp_path / "run")]
    assert command(layer_transfer.main, layer_transfer.Config, arguments) == 0
    rows = json.loads((tmp_path / "run" / "metrics.json").read_text())["tables"]["layers"]
    assert [(row["treatment"], row["source"], row["kept"]) for row in rows] == [
        ("B", "", 0),
        ("AnB", "classes", 2),
        ("RnB", "", 2),
    ]
    assert "Kept from the input side, A = classes" in (tmp_path / "run" / "report.html").read_text()


def test_a_second_task_leaves_the_first_alone(
    spoken_words: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--tiny", "--data", str(spoken_words), "--first", "voices", "shuffled", "--device", "cpu"]
    arguments += ["--seeds", "0", "1", "--out", str(tmp_path)]
    assert command(asr_second_task.main, asr_second_task.Config, arguments) == 0
    tables = json.loads((tmp_path / "metrics.json").read_text())["tables"]
    methods = ("scratch", "full", "progressive", "progressive_without_laterals", "pathnet")
    rows = {(row["seed"], row["case"], row["method"]): row for row in tables["second_task"]}
    assert list(rows) == list(product((0, 1), ("voices", "shuffled"), methods))
    for (_, case, method), row in rows.items():
        if method.startswith("progressive") or method == "pathnet":
            assert row["first_error_after"] == row["first_error_before"], (case, method)
    assert {row["seeds"] for row in tables["seeds"]} == {2}
    assert "The second task" in (tmp_path / "report.html").read_text()
    capsys.readouterr()
    assert command(asr_second_task.main, asr_second_task.Config, [*arguments, "--resume"]) == 0
    assert "step 2/8" not in "".join(capsys.readouterr()), "not trained again"
    assert json.loads((tmp_path / "metrics.json").read_text())["tables"] == tables


def test_a_second_task_on_pictures(four_animals: Path, tmp_path: Path) -> None:
    arguments = ["--tiny", "--data", str(four_animals), "--first", "classes", "shuffled", "--examples", "4"]
    arguments += ["--methods", "full", "pathnet", "--device", "cpu", "--out", str(tmp_path)]
    assert command(asr_second_task.main, asr_second_task.Config, arguments) == 0
    tables = json.loads((tmp_path / "metrics.json").read_text())["tables"]
    assert [(row["case"], row["method"]) for row in tables["second_task"]] == list(
        product(("classes", "shuffled"), ("full", "pathnet"))
    )
    assert all(0 <= row["shared"] <= row["second"] <= 3 * 3 for row in tables["paths"])


def test_words_never_heard_are_looked_up(
    spoken_words: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lexicon = tmp_path / "words.tsv"
    lexicon.write_text("yksi\tyksi\nkaksi\tkɑksi\nkolme\tkolme\nviisi\tviːsi\n", encoding="utf-8")
    others = tmp_path / "others.tsv"
    others.write_text("".join(f"muu{at}\tka{'p' * at}i\n" for at in range(1, 4)), encoding="utf-8")
    arguments = ["--tiny", "--data", str(spoken_words), "--phones", f"fi={lexicon}", "--device", "cpu"]
    (tmp_path / "held.txt").write_text("kolme\n")
    arguments += ["--hold-out", str(tmp_path / "held.txt")]
    arguments += ["--distractors", str(others), "--distractor-count", "2", "--out", str(tmp_path / "run")]
    assert command(asr_unseen_words.main, asr_unseen_words.Config, arguments) == 0
    tables = json.loads((tmp_path / "run" / "metrics.json").read_text())["tables"]
    assert [row["entries"] for row in tables["decoding"] if row["search"] == "numpy"] == [4, 6]
    rows = tables["words"]
    assert {row["lexicon_size"] for row in rows} == {4, 6}
    assert {(row["search"], row["handicap"]) for row in rows} >= {("tree", 0.0), ("edit_distance", 0.0)}
    missed = tables["hardest"]
    assert {row["word"] for row in missed} == {"yksi", "kaksi", "kolme", "viisi"}
    assert [row["right"] for row in missed] == sorted(row["right"] for row in missed)
    assert {row["word"] for row in missed if row["held_out"]} == {"kolme"}
    assert all((row["articulatory_distance"] is None) == (row["right"] == 100) for row in missed)
    model = json.loads((tmp_path / "run" / "checkpoint" / "config.json").read_text())
    assert set(model["understudies"]["fi"].values()) < {"i", "s", "k"}, "what all three words have"
    assert (len(model["trained_words"]), model["handicap"]) == (3, max(row["handicap"] for row in rows))
    sure = model["word_confidences"]
    assert sure == sorted(sure) and [row["false_rejections"] for row in tables["rejection"]] == (
        [2, 5, 10] if sure else []
    )
    assert "a lexicon of 6 words, sha256 " in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert {row["unseen_among_unseen"] for row in rows} == {None}, "one word has no rival"
    assert {(row["corpus"], row["draw"]) for row in rows} == {("fi", 0)}
    (tmp_path / "held.txt").write_text("yksi\n")
    assert command(asr_unseen_words.main, asr_unseen_words.Config, [*arguments, "--resume"]) == 2
    assert "was begun with other words of fi held out (kolme): give those" in capsys.readouterr().err
    spelling = ["--checkpoint", str(tmp_path / "run"), "--data", str(spoken_words), "--device", "cpu"]
    assert command(evaluate.main, evaluate.Config, spelling) == 2
    assert "writes the sounds of fi and not its spelling" in capsys.readouterr().err


def test_languages_never_heard(tiny_speech: Path, tmp_path: Path) -> None:
    """Voices of four languages that, as far as their table says, say words in IPA."""
    head, *rows = csv.reader((tiny_speech / "metadata.csv").read_text(encoding="utf-8").splitlines())
    for at, row in enumerate(rows):
        row[1] = ("tɑk", "si", "pod͡ʒu" if row[2] == "fi" else "podu")[at % 3]
        (tmp_path / row[0]).parent.mkdir(exist_ok=True)
        (tmp_path / row[0]).symlink_to(tiny_speech / row[0])
    with (tmp_path / "metadata.csv").open("w", encoding="utf-8", newline="") as table:
        csv.writer(table).writerows([head, *rows])
    arguments = ["--tiny", "--steps", "4", "--data", str(tmp_path), "--hold-out", "fi", "--device", "cpu"]
    arguments += ["--out", str(tmp_path / "run")]
    assert command(asr_unseen_languages.main, asr_unseen_languages.Config, arguments) == 0
    tables = json.loads((tmp_path / "run" / "metrics.json").read_text())["tables"]
    heads = ["phones", "signatures", "both"]
    assert [(row["language"], row["head"]) for row in tables["phones"]] == [
        (language, head) for language in ("fi", "all") for head in heads
    ]
    assert {row["unseen_phones"] for row in tables["phones"]} == {1}
    assert [(row["phone"], row["nearest"]) for row in tables["coverage"]] == [("d͡ʒ", "d")]
    assert [row["chance"] for row in tables["words"]] == pytest.approx(6 * [100 / 3])
    assert [(row["head"], row["against"]) for row in tables["differences"]] == list(combinations(heads, 2))


def test_digits_over_photographs(shared_data: Path, tmp_path: Path) -> None:
    images = shared_data / "image"
    arguments = ["--data", str(images / "mnist"), "--photographs", str(images / "bsds500" / "images"), "--tiny"]
    arguments += ["--methods", "source_only", "dann", "target_supervised", "--device", "cpu", "--out", str(tmp_path)]
    assert command(image_domain_adversarial.main, image_domain_adversarial.Config, arguments) == 0
    tables = json.loads((tmp_path / "metrics.json").read_text())["tables"]
    assert [row["method"] for row in tables["domains"]] == ["source_only", "dann", "target_supervised", "selected"]
    assert tables["domains"][-1]["selected_by"].startswith("agreed_information: ")
    assert [row["rule"] for row in tables["rules"]][-1] == "oracle"
    assert min(row["regret"] for row in tables["rules"]) == 0


def test_transcripts_on_one_side_only(tiny_speech: Path, tmp_path: Path) -> None:
    arguments = ["--data", str(tiny_speech), "--languages", "fi", "--shift", "telephone", "--tiny", "--device", "cpu"]
    arguments += ["--methods", "source_only", "mmd", "target_supervised", "--out", str(tmp_path)]
    assert command(asr_domain_adversarial.main, asr_domain_adversarial.Config, arguments) == 0
    tables = json.loads((tmp_path / "metrics.json").read_text())["tables"]
    assert [row["method"] for row in tables["domains"]] == ["source_only", "mmd", "target_supervised", "selected"]
    assert tables["domains"][0].keys() >= {"case", "seed", "source_error", "target_error", "target_low", "target_high",
                                           "selected_by", "a_distance_before", "a_distance_after"}  # fmt: skip
    assert "Both domains" in (tmp_path / "report.html").read_text()
    assert len(heard_by(tmp_path / "checkpoint", ["fi"])) > 10, "nobody takes them for strangers afterwards"
    assert ctc.load(tmp_path / "checkpoint").languages == ("fi",)


def test_animals_never_seen_in_pictures(tmp_path: Path) -> None:
    """Red or not, blue or not: the fourth combination is never trained on."""
    animals = {"cat": (0, 0), "dog": (1, 0), "fox": (0, 1), "owl": (1, 1)}
    for (name, (red, blue)), at in product(animals.items(), range(10)):
        (tmp_path / "pictures" / name).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 9), (200 * red + at, 0, 200 * blue + at)).save(tmp_path / "pictures" / name / f"{at}.png")
    rows = ["class\tred\tnot red\tblue\tnot blue"]
    rows += [f"{name}\t{red}\t{1 - red}\t{blue}\t{1 - blue}" for name, (red, blue) in animals.items()]
    (tmp_path / "table.tsv").write_text("\n".join(rows) + "\n")
    arguments = ["--data", str(tmp_path / "pictures"), "--attributes", str(tmp_path / "table.tsv"), "--size", "8"]
    arguments += ["--unseen", "1", "--draws", "2", "--methods", "dap", "attribute_softmax", "--tiny", "--device", "cpu"]
    arguments += ["--out", str(tmp_path / "run")]
    assert command(image_attributes.main, image_attributes.Config, arguments) == 0
    tables = json.loads((tmp_path / "run" / "metrics.json").read_text())["tables"]
    assert [(row["draw"], row["method"], row["unseen_top1"]) for row in tables["attributes"]] == [
        (draw, method, 100) for draw in (0, 1) for method in ("dap", "attribute_softmax")
    ], "among one class nothing else can be said"
    assert [(row["method"], row["shots"]) for row in tables["few_shot"]] == 2 * [
        ("attribute_softmax", 1),
        ("attribute_softmax", 5),
    ]
    assert "Classes never seen, among their descriptions" in (tmp_path / "run" / "report.html").read_text()


def test_asr_multilingual_leaves_its_folder(run: Path) -> None:
    assert {"config.json", "splits.json", "metrics.json", "report.html", "checkpoint", "log.txt"} <= {
        path.name for path in run.iterdir()
    }
    metrics = json.loads((run / "metrics.json").read_text())
    assert list(metrics) == ["recipe", "command", "seed", "device", "seconds", "tables"]
    rows = metrics["tables"]["error_rates"]
    assert {(row["system"], row["language"]) for row in rows} == {
        (system, language) for system in ("shared_heads", "union_head", "monolingual") for language in ("fi", "sw")
    }
    for row in rows:
        assert 0 <= row["cer_low"] <= row["cer"] <= row["cer_high"]
        assert row["utterances"] == 6
        assert row["train_seconds"] > 0
    assert ctc.load(run).languages == ("fi", "sw")


def test_the_report_needs_no_network(run: Path) -> None:
    page = (run / "report.html").read_text()
    assert page.count("<svg") == 4, "errors, two learning curves, one alignment"
    assert "://" not in page.replace("http://www.w3.org", "")


def test_a_finished_run_is_not_trained_again(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = json.loads((run / "metrics.json").read_text())["tables"]["error_rates"]
    config = json.loads((run / "config.json").read_text())
    arguments = ["--config", str(run / "config.json"), "--resume"]
    assert config["tiny"] is True
    divided = (run / "splits.json").read_bytes()
    (run / "splits.json").unlink()  # as a kill just before it was written
    assert command(asr_multilingual.main, asr_multilingual.Config, arguments) == 0
    assert (run / "splits.json").read_bytes() == divided
    assert "resumed after step" in "".join(capsys.readouterr())
    after = json.loads((run / "metrics.json").read_text())["tables"]["error_rates"]
    assert before == after
    assert command(asr_multilingual.main, asr_multilingual.Config, [*arguments, "--no-union"]) == 0
    after = json.loads((run / "metrics.json").read_text())["tables"]["error_rates"]
    assert after == [row for row in before if row["system"] != "union_head"]
    flags = [*arguments, "--no-union", "--monolingual", "none"]
    assert command(asr_multilingual.main, asr_multilingual.Config, flags) == 0
    after = json.loads((run / "metrics.json").read_text())["tables"]["error_rates"]
    assert {row["system"] for row in after} == {"shared_heads"}


def test_one_language_is_trained_once(tiny_speech: Path, tmp_path: Path) -> None:
    arguments = ["--tiny", "--data", str(tiny_speech), "--languages", "it", "--device", "cpu", "--out", str(tmp_path)]
    assert command(asr_multilingual.main, asr_multilingual.Config, arguments) == 0
    tables = json.loads((tmp_path / "metrics.json").read_text())["tables"]
    assert [row["system"] for row in tables["error_rates"]] == ["shared_heads", "monolingual"]
    assert {row["cer"] for row in tables["error_rates"]} == {tables["error_rates"][0]["cer"]}
    assert tables["differences"][0]["cer_difference"] == 0
    assert not (tmp_path / "systems").exists()


@pytest.fixture(scope="module")
def translated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "zero_shot"
    arguments = ["--tiny", "--languages", "ja", "ko", "--steps", "24", "--test-sentences", "4", "--device", "cpu"]
    arguments += ["--denoise", "0.5", "--rivals", "plain", "zero_resource", "bound_fixed_total", "--out", str(out)]
    assert command(nmt_zero_shot.main, nmt_zero_shot.Config, arguments) == 0
    return out


def test_nmt_zero_shot_puts_direct_beside_its_rivals(translated: Path) -> None:
    tables = json.loads((translated / "metrics.json").read_text())["tables"]
    zero_shot = [row for row in tables["pairs"] if (row["source"], row["target"]) == ("ja", "ko")]
    assert [(row["system"], row["kind"], row["sentences"]) for row in zero_shot] == [
        (system, "zero_shot", 4)
        for system in (
            "direct",
            "pivot",
            "copy",
            "plain",
            "plain_pivot",
            "zero_resource",
            "zero_resource_pivot",
            "bound_fixed_total",
        )
    ]
    assert {row["against"] for row in tables["mean_differences"] if row["kind"] == "zero_shot"} == {
        "pivot",
        "plain",
        "plain_pivot",
        "zero_resource",
        "zero_resource_pivot",
        "bound_fixed_total",
    }
    assert [(row["system"], row["updates"]) for row in tables["training"]] == [
        ("zero_shot", 24),
        ("plain", 24),
        ("zero_resource", 6),
        ("bound_fixed_total", 24),
    ]
    assert all(row["subwords_per_second"] > 100 for row in tables["training"])
    assert {row["language"]: row["texts"] for row in tables["identifier"]} == dict.fromkeys(("en", "ja", "ko"), 40)


def test_zero_resource_goes_on_from_the_zero_shot_model_on_its_own_translations(translated: Path) -> None:
    before, after = (
        load_file(translated / at / "checkpoint" / "model.safetensors") for at in (".", "systems/zero_resource")
    )
    assert before.keys() == after.keys()
    moved = max(float((before[name] - after[name]).abs().max()) for name in before)
    assert 0 < moved < 0.01, "six updates away, not drawn anew"
    assert "back_translation" in (translated / "systems/zero_resource/log.txt").read_text()
    assert "back_translation" not in (translated / "log.txt").read_text()


def test_a_trained_run_learns_one_more_language(
    translated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--tiny", "--init", str(translated), "--add-languages", "de", "--languages", "ja", "de"]
    arguments += ["--steps", "2", "--device", "cpu"]
    arguments += ["--restricted", "--test-sentences", "3", "--out", str(tmp_path / "on")]
    assert command(nmt_zero_shot.main, nmt_zero_shot.Config, arguments) == 2
    assert "every row that en-de could learn from was trained in another pair before" in capsys.readouterr().err
    assert command(nmt_zero_shot.main, nmt_zero_shot.Config, [*arguments, "--condition", "multiway"]) == 0
    grown = translation.load(tmp_path / "on")
    assert grown.languages == ("en", "ja", "ko", "de")
    assert grown.model.config.vocab_size == translation.load(translated).model.config.vocab_size + 1
    before, after = (lineage.load(run) for run in (translated, tmp_path / "on"))
    assert before and after and before.keys() < after.keys()
    assert set(before["en", "ko"]) == set(after["en", "ko"]), "of what is not trained now nothing is forgotten"
    rows = json.loads((tmp_path / "on" / "metrics.json").read_text())["tables"]["pairs"]
    assert ("ja", "de", "direct") in {(row["source"], row["target"], row["system"]) for row in rows}


def test_a_test_set_without_one_of_the_languages_is_scored_in_the_others(tmp_path: Path) -> None:
    made = grammar.generate(sentences=200, valid=20, test=4)
    parts = {"train": made.train, "dev": made.valid, "test_flickr": made.tests["test"], "test_coco": made.tests["test"]}
    for part, rows in parts.items():
        for language in ("en", "ja") if part == "test_coco" else ("en", "ja", "ko"):
            (tmp_path / f"{part}.{language}").write_text("".join(row[language] + "\n" for row in rows))
    arguments = ["--data", str(tmp_path), "--tiny", "--steps", "2", "--device", "cpu", "--out", str(tmp_path / "run")]
    assert command(nmt_zero_shot.main, nmt_zero_shot.Config, arguments) == 0
    rows = json.loads((tmp_path / "run" / "metrics.json").read_text())["tables"]["pairs"]
    found = {(row["test"], row["source"], row["target"]) for row in rows}
    assert len(found) == 6 + 2
    assert {("test_coco", "en", "ja"), ("test_coco", "ja", "en"), ("test_flickr", "ja", "ko")} < found


def test_pairs_in_files_of_their_own_share_no_row(tmp_path: Path) -> None:
    """Each test file has its own two languages, and one has a language alone: no row has all, so no picture."""
    made = grammar.generate(sentences=200, valid=20, test=4)
    halves = {"en-ja": made.train[::2], "en-ko": made.train[1::2]}
    parts = {f"train.{pair}": rows for pair, rows in halves.items()}
    parts |= {f"test_{pair}.{pair}": made.tests["test"] for pair in halves} | {"test_alone.ja": made.tests["test"]}
    for name, rows in parts.items():
        for language in name.rpartition(".")[2].split("-"):
            file = name if name == "test_alone.ja" else f"{name}.{language}"
            (tmp_path / file).write_text("".join(row[language] + "\n" for row in rows))
    arguments = ["--data", str(tmp_path), "--tiny", "--steps", "2", "--device", "cpu", "--out", str(tmp_path / "run")]
    assert command(nmt_zero_shot.main, nmt_zero_shot.Config, [*arguments, "--test-sentences", "3"]) == 0
    rows = json.loads((tmp_path / "run" / "metrics.json").read_text())["tables"]["pairs"]
    direct = {(row["test"], row["source"], row["sentences"]) for row in rows if row["system"] == "direct"}
    assert direct == {(f"test_en-{other}", each, 3) for other in ("ja", "ko") for each in ("en", other)}
    assert "encoder's space" not in (tmp_path / "run" / "report.html").read_text().replace("&#x27;", "'")


def test_the_translation_report_shows_the_encoders_space(translated: Path) -> None:
    page = (translated / "report.html").read_text()
    assert page.count("<svg") == 3, "the matrix, the validation losses, the encoder's space"
    assert "Where direct and pivot part" in page
    assert "://" not in page.replace("http://www.w3.org", "")


def test_a_zero_shot_run_is_evaluated_again_to_the_same_table(translated: Path) -> None:
    before = json.loads((translated / "metrics.json").read_text())["tables"]
    assert (
        command(nmt_zero_shot.main, nmt_zero_shot.Config, ["--config", str(translated / "config.json"), "--resume"])
        == 0
    )
    after = json.loads((translated / "metrics.json").read_text())["tables"]
    assert after["pairs"] == before["pairs"]


def test_every_engine_is_timed_on_the_same_sentences(translated: Path, tmp_path: Path) -> None:
    pytest.importorskip("ctranslate2", reason="ctranslate2 is not installed")
    rows = [(row["en"], row["ja"], row["ko"]) for row in grammar.generate(sentences=60, valid=4, test=4).tests["test"]]
    (tmp_path / "test.tsv").write_text("\n".join("\t".join(row) for row in [("en", "ja", "ko"), *rows]) + "\n")
    arguments = ["--checkpoint", str(translated), "--data", str(tmp_path), "--pair", "ja-ko", "--rounds", "1"]
    arguments += ["--out", str(tmp_path / "speed")]
    assert command(nmt_decoding_speed.main, nmt_decoding_speed.Config, arguments) == 0
    tables = json.loads((tmp_path / "speed" / "metrics.json").read_text())["tables"]
    engines = ("search", "generate", "ctranslate2 float32", "ctranslate2 int8")
    assert [(row["beam"], row["engine"]) for row in tables["decoding"]] == [(b, e) for b in (1, 5) for e in engines]
    assert [row["as_search"] for row in tables["decoding"][:2]] == [100, 100], "greedy; a beam may end elsewhere"
    assert all(row["sentences_per_cpu_second"] > 0 for row in tables["decoding"])
    assert [row["engine"] for row in tables["first_sentence"]] == ["torch", "ctranslate2"]
    wrong = [*arguments[:5], "jako"]
    assert command(nmt_decoding_speed.main, nmt_decoding_speed.Config, wrong) == 2
