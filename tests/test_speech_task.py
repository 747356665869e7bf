"""The application `speech`: its data, its baseline, its numbers, and its command."""

import hashlib
import io
import re
import zipfile

import numpy as np
import pytest
from scipy.io import wavfile

from rnnjax import interop
from rnnjax.data import Vocabulary
from rnnjax.tasks._command import main
from rnnjax.tasks._speech import _digits
from rnnjax.tasks._speech._dialled import dialled
from rnnjax.tasks._speech._figure import spans
from rnnjax.tasks._speech._recordings import recordings
from rnnjax.tasks._speech._transcribe import word_error_rate
from rnnjax.tasks._speech._utterances import (
    BLANK,
    DIGITS,
    Speech,
    Utterance,
    features,
    labels,
    log_spectra,
    nearest_mean,
    words_of,
)

RATE = 8000


def run(*arguments):
    return main(["speech", *map(str, arguments)])


# Made numbers


KEYPAD = ["one two three", "four five six", "seven eight nine", "star zero hash"]


def keypad(samples):
    """The digit of the strongest of four low and three high frequencies."""
    time = np.arange(len(samples)) / RATE

    def strongest(frequencies):
        # The telephone is out of tune by up to 1.5 %.
        tuned = np.outer(frequencies, np.linspace(0.985, 1.015, 7))
        power = abs(np.exp(-2j * np.pi * tuned[..., None] * time) @ samples).max(-1)
        return int(power.argmax())

    row, column = strongest([697, 770, 852, 941]), strongest([1209, 1336, 1477])
    return KEYPAD[row].split()[column]


def test_a_dialled_digit_has_the_two_tones_of_its_key():
    data = dialled(3, 120)
    found = [keypad(each.samples) == each.words[0] for each in data.single_test]
    assert len(found) == 60 and np.mean(found) > 0.97
    assert {each.words[0] for each in data.single_test} == set(DIGITS)


def test_dialled_numbers_are_fresh_for_every_seed_and_split():
    data = dialled(0, 60)
    assert [len(data.train), len(data.valid), len(data.test)] == [90, 6, 6]
    assert {len(each.words) for each in data.train[:60]} == {3, 4, 5, 6, 7}
    for a, b in zip(data.train, dialled(0, 60).train, strict=True):
        np.testing.assert_array_equal(a.samples, b.samples)
    every = data.train + data.valid + data.test + data.single_test + dialled(1, 60).test
    assert len({each.samples.tobytes() for each in every}) == len(every)


# Spoken digits


def archive(prefix, compression):
    """An archive in which every sample gives away its digit, speaker and take."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as file:
        file.writestr(f"{prefix}/README.md", "not a sound")
        for digit in range(10):
            for number, speaker in enumerate(("ann", "bob")):
                for take in range(50):
                    sound = io.BytesIO()
                    code = 2000 + 1000 * number + 50 * digit + take
                    wavfile.write(sound, RATE, np.full(40, code, np.int16))
                    file.writestr(f"{prefix}/{digit}_{speaker}_{take}.wav", sound.getvalue())
    return content.getvalue()


def codes(utterance):
    """The speaker, the digit and the take of each word of an utterance."""
    values = np.round(utterance.samples.astype(float) * 2**15).astype(int)
    loud = values[values > 1500]  # the silence between digits is faint noise
    assert len(loud) == 40 * len(utterance.words)
    return [(v // 1000, v % 1000 // 50, v % 50) for v in loud[::40].tolist()]


def test_spoken_digits_are_split_by_takes_and_strings_are_of_one_speaker(tmp_path, monkeypatch):
    path = tmp_path / "speech" / "free-spoken-digit-dataset.zip"
    path.parent.mkdir()
    monkeypatch.setenv("RNNJAX_DATA", str(tmp_path))
    contents = archive("recordings", zipfile.ZIP_STORED), archive("a/b", zipfile.ZIP_DEFLATED)
    files = _digits._files(contents[0])
    checksum = hashlib.sha256(b"".join(files.values())).hexdigest()
    for content in (*contents, b"no archive"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="expected a file with SHA-256 ddb17656"):
            _digits.spoken_digits()
    path.write_bytes(contents[1])  # packed otherwise, with the same recordings
    monkeypatch.setattr(_digits, "SHA256", checksum)
    data = _digits.spoken_digits(strings=100)
    takes = {"train": range(10, 50), "valid": range(5, 10), "test": range(5)}
    for name, some in takes.items():
        for utterance in getattr(data, name):
            found = codes(utterance)
            assert tuple(DIGITS[digit] for _, digit, _ in found) == utterance.words
            assert all(take in some for *_, take in found)
            assert len({speaker for speaker, *_ in found}) == 1
    assert [len(data.single_train), len(data.single_test)] == [800, 100]
    assert [len(data.train), len(data.valid), len(data.test)] == [900, 110, 10]
    assert {take for each in data.single_test for *_, take in codes(each)} == set(range(5))
    assert max(len(each.words) for each in data.train) == 5


# Recordings of one's own


def write_folder(folder, transcripts, rates=(RATE,)):
    """Files of 0.3 s, each with a tone of its own."""
    folder.mkdir()
    for number in range(len(transcripts)):
        rate = rates[number % len(rates)]
        time = np.arange(int(0.3 * rate)) / rate
        samples = 0.5 * np.sin(2 * np.pi * (200 + 100 * number) * time)
        wavfile.write(folder / f"{number}.wav", rate, samples.astype(np.float32))
    rows = [f"{number}.wav\t{words}\n" for number, words in enumerate(transcripts)]
    (folder / "transcripts.tsv").write_text("".join(rows))
    return folder


def test_a_folder_of_recordings_is_split_and_brought_to_one_rate(tmp_path):
    said = [f"say {word}" for word in "abcdefghijkl"]
    data = recordings(write_folder(tmp_path / "own", said, (RATE, 16000)))
    assert [len(data.train), len(data.valid), len(data.test), data.rate] == [10, 1, 1, RATE]
    every = data.train + data.valid + data.test
    assert {" ".join(each.words) for each in every} == set(said)
    for utterance in every:
        place = said.index(" ".join(utterance.words))
        spectrum = abs(np.fft.rfft(utterance.samples))
        frequency = spectrum.argmax() * RATE / len(utterance.samples)
        assert len(utterance.samples) == 2400 and abs(frequency - 200 - 100 * place) < 4
    assert data.vocabulary.entries[:2] == (BLANK, "a") and not data.by_characters
    assert not data.single_test
    assert {len(each.samples) for each in recordings(tmp_path / "own", rate=4000).train} == {1200}


def test_many_different_words_are_written_in_characters(tmp_path):
    said = [f"word{n} w{n}x" for n in range(100, 151)]
    data = recordings(write_folder(tmp_path / "own", said))
    assert data.by_characters and data.vocabulary.entries[:2] == (BLANK, " ")
    found = labels(("w101x", "word9"), data.vocabulary)
    assert len(found) == 11 and words_of([*found, -1], data.vocabulary) == "w101x word9"
    words = Vocabulary((BLANK, "no", "yes"))
    assert labels(("yes", "no"), words).tolist() == [2, 1]
    assert words_of([2, 1, -1, -1], words) == "yes no" and words_of([-1], words) == ""


TEN = "".join(f"{n}.wav\tyes\n" for n in range(10))


@pytest.mark.parametrize(
    "table, message",
    [
        (None, "expected a text file, got .*transcripts.tsv: No such file"),
        (b"", "expected a text file with some text, got .*empty"),
        (b"0.wav\t\xff\n", "expected a text file in UTF-8"),
        (b"0.wav yes\n", "expected 2 columns in .*transcripts.tsv, .* got 1"),
        (b"0.wav\tyes\tno\n", "expected 2 columns in .*transcripts.tsv, .* got 3"),
        (b"0.wav\tyes\n1.wav\n", "expected 2 columns in every line .* got 1 in line 2"),
        (b"0.wav\tyes\n1.wav\t \n", "expected words for every file .* got none for 1.wav"),
        (b"0.wav\tyes\n", "expected at least 10 recordings in .* got 1"),
        (TEN.replace("3.wav", "x.wav").encode(), "expected a WAV file, got .*x.wav: No such"),
        (TEN.replace("3.wav", "transcripts.tsv").encode(), "expected a WAV file of PCM or float"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused_in_one_line(tmp_path, table, message, capsys):
    folder = write_folder(tmp_path / "own", ["yes"] * 10)
    (folder / "transcripts.tsv").unlink()
    if table is not None:
        (folder / "transcripts.tsv").write_bytes(table)
    assert run("train", "--data", folder) == 1
    printed = capsys.readouterr().out
    assert re.match(message, printed) and printed.count("\n") == 1
    assert run("train", "--data", tmp_path / "nowhere") == 1
    assert "expected 'dialled', 'digits' or a folder" in capsys.readouterr().out


# Features and numbers


def test_features_are_those_of_each_sound_alone_with_one_level_and_contrast():
    random = np.random.default_rng(0)
    sizes = [4000, 100, 256, 257, 9000, 4001]
    sounds = [Utterance(random.normal(size=n).astype(np.float32), ()) for n in sizes]
    found = features(sounds, RATE, 20)
    frames = [1 + max(n - 256, 0) // 160 for n in sizes]
    assert [len(each) for each in found] == frames
    for each in found:
        np.testing.assert_allclose([each.mean(), each.std()], [0, 1], atol=1e-4)
    louder = [sound._replace(samples=10 * sound.samples) for sound in sounds]
    spectra = log_spectra(sounds, RATE, 20)
    for a, b, spectrum in zip(found, features(louder, RATE, 20), spectra, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)
        expected = (spectrum - spectrum.mean()) / spectrum.std()
        np.testing.assert_allclose(a, expected, atol=1e-3)


def test_the_nearest_mean_spectrum_is_that_of_a_loop():
    random = np.random.default_rng(1)
    time = np.arange(3000) / RATE

    def tone(word, frequency):
        noise = 9 * random.normal(size=len(time))
        return Utterance((np.sin(2 * np.pi * frequency * time) + noise).astype(np.float32), (word,))

    pairs = [("low", 500), ("high", 700)] * 20
    train, test = ([tone(*pair) for pair in pairs] for _ in range(2))
    data = Speech([], [], [], RATE, Vocabulary((BLANK, "high", "low")), train, test)
    means = {}
    for word in ("high", "low"):
        some = [each for each in train if each.words[0] == word]
        means[word] = np.mean([s.mean(0) for s in log_spectra(some, RATE, 20)], 0)
    right = 0
    for utterance in test:
        spectrum = log_spectra([utterance], RATE, 20)[0].mean(0)
        nearest = min(means, key=lambda word: np.linalg.norm(spectrum - means[word]))
        right += nearest == utterance.words[0]
    assert 20 < right < 40
    assert nearest_mean(data, 20) == right / 40


def test_the_word_error_rate_counts_insertions_deletions_and_substitutions():
    said = [Utterance(np.zeros(1), tuple(words.split())) for words in ("a b c", "d", "e f")]
    assert word_error_rate(said, ["a b c", "d", "e f"]) == 0
    assert word_error_rate(said, ["a x c", "d d", "f"]) == 3 / 6
    assert word_error_rate(said, ["", "", ""]) == 1


def test_spans_are_the_stretches_of_a_label():
    assert spans(np.array([0, 2, 2, 0, 2, 1, -1])) == [(2, 1, 3), (2, 4, 5), (1, 5, 6)]


# The command


def test_train_evaluate_use(tmp_path, capsys):
    folder = write_folder(tmp_path / "own", ["yes", "no", "no yes"] * 4)
    out = tmp_path / "out"
    small = ["--hidden", 4, "--layers", 1, "--mels", 8, "--batch", 4]
    assert run("train", "--data", folder, "--steps", 2, "--out", out, *small) == 0
    printed = capsys.readouterr().out
    assert "eval word error rate" in printed and "accuracy" not in printed
    rate = re.search(r"this network +│ +(\d+\.\d\d)%", printed)
    extra = interop.read_extra(out / "model.safetensors")
    found = extra["compared"]["word error rate"]["this network"]
    assert rate and found == pytest.approx(float(rate[1]) / 100, abs=1e-4)
    assert extra["labels"] == [BLANK, "no", "yes"]
    assert (out / "alignment.png").read_bytes().startswith(b"\x89PNG")

    assert run("evaluate", "--model", out) == 0
    assert capsys.readouterr().out == f"word error rate: {rate[1]}%\n"
    assert run("use", "--model", out) == 0
    assert re.fullmatch(r"said   (no|yes| )+\nheard  .+\n", capsys.readouterr().out)
    assert run("use", "--model", out, "--wav", folder / "0.wav") == 0
    assert re.fullmatch(r"heard  .+\n", capsys.readouterr().out)
    assert run("use", "--model", out, "--wav", folder / "transcripts.tsv") == 1
    assert "expected a WAV file of PCM or float samples" in capsys.readouterr().out
    assert run("use", "--model", tmp_path) == 1
    assert "expected a model that 'rnnjax speech train' wrote" in capsys.readouterr().out
