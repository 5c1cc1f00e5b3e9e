"""Whatever is done to a ledger up to its last anchor, the verifier says so and names the record."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

import glassproof
from glassproof import anchors, canonical, ledgers, seals, segments
from glassproof.__main__ import main
from tests.ledger import books


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three segments, each sealed and anchored."""
    folder = tmp_path_factory.mktemp("book")
    for start in range(3):
        with books.opened(folder) as ledger:
            for i in range(6):
                ledger.record([books.draft(start * 10 + i, subject=f"person {i}")]).result()
    return folder


@pytest.fixture
def copy(book: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(book, tmp_path / "copy"))


def files(folder: Path) -> list[Path]:
    return sorted((folder / "ledger" / "segments").iterdir())


def frames(path: Path) -> list[segments.Frame]:
    data = path.read_bytes()
    found = segments.frames(data, segments.read_header(data).size_bytes)
    return [frame for frame in found if isinstance(frame, segments.Frame)]


def seq_at(path: Path, offset: int) -> int:
    """The number of the record that a byte belongs to; the segment's first for its header."""
    number = int(path.name.removesuffix(segments.SUFFIX))
    return number + sum(1 for frame in frames(path) if frame.end <= offset)


def rewritten(path: Path, bodies: list[bytes]) -> None:
    """The same segment with other records, chained as they should be."""
    data = path.read_bytes()
    header = segments.read_header(data)
    parts, chain = [data[: header.size_bytes]], header.start
    for body in bodies:
        frame, chain = segments.frame(body, chain)
        parts.append(frame)
    path.write_bytes(b"".join(parts))


def test_it_verifies_as_it_was_written(book: Path) -> None:
    report = books.verified(book)
    assert report.is_whole, report.findings
    assert report.notes == []
    assert (report.n_records, report.n_seals, report.n_anchors) == (21, 3, 3)


@settings(max_examples=150)
@given(st.data())
def test_a_changed_byte_names_its_record(book: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(files(book)))
    before = path.read_bytes()
    offset = data.draw(st.integers(0, len(before) - 1))
    expected = seq_at(path, offset)
    changed = bytearray(before)
    changed[offset] ^= data.draw(st.integers(1, 255))
    path.write_bytes(changed)
    try:
        report = books.verified(book)
    finally:
        path.write_bytes(before)
    assert not report.is_whole
    # A header is part of the chain: a change of one that still reads is seen at its first record,
    # or, where it says how long the segment before is, at the end of that one.
    first = int(path.name.removesuffix(segments.SUFFIX))
    assert report.findings[0].seq in ({expected} if expected > first else {first - 1, first})


@settings(max_examples=40)
@given(st.data())
def test_a_dropped_a_doubled_or_a_moved_record_is_named(book: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(files(book)))
    before, found = path.read_bytes(), frames(path)
    parts = [before[frame.offset : frame.end] for frame in found]
    index = data.draw(st.integers(0, len(parts) - 2))
    how = data.draw(st.sampled_from(["drop", "double", "swap"]))
    if how == "drop":
        del parts[index]
    elif how == "double":
        parts.insert(index, parts[index])
    else:
        parts[index], parts[index + 1] = parts[index + 1], parts[index]
    path.write_bytes(before[: found[0].offset] + b"".join(parts))
    try:
        report = books.verified(book)
    finally:
        path.write_bytes(before)
    number = int(path.name.removesuffix(segments.SUFFIX)) + index
    assert report.findings[0].seq == (number + 1 if how == "double" else number)


@settings(max_examples=60)
@given(st.data())
def test_a_cut_at_any_byte_names_the_first_record_that_is_missing(book: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(files(book)))
    before = path.read_bytes()
    size = data.draw(st.integers(0, len(before) - 1))
    expected = seq_at(path, size)
    path.write_bytes(before[:size])
    try:
        report = books.verified(book)
    finally:
        path.write_bytes(before)
    assert report.findings[0].seq == expected


@pytest.mark.parametrize("index", range(3))
def test_a_segment_that_is_gone_is_named_by_its_first_record(copy: Path, index: int) -> None:
    files(copy)[index].unlink()
    assert books.verified(copy).findings[0].seq == index * 7 + 1


def test_a_ledger_that_is_gone_is_missed(copy: Path) -> None:
    for path in files(copy):
        path.unlink()
    (finding,) = books.verified(copy).findings
    assert "records 1 to 21 are missing" in str(finding)


def test_a_record_that_was_rewritten_with_its_chain_breaks_the_seal_over_it(copy: Path) -> None:
    path = files(copy)[-1]
    bodies = [frame.body for frame in frames(path)]
    record = canonical.decode(bodies[2])
    bodies[2] = canonical.encode({**record, "at": record["at"] + 1})
    rewritten(path, bodies)
    (finding,) = books.verified(copy).findings
    assert finding.seq == 21
    assert "records 14 to 20 are not those that were sealed" in finding.fault


def test_a_ledger_rewritten_with_its_own_keys_does_not_hold_against_the_anchors(
    copy: Path, tmp_path: Path
) -> None:
    kept = books.anchored(copy)
    shutil.rmtree(copy / "ledger" / "segments")
    for start in range(3):
        with books.opened(copy) as ledger:
            for i in range(6):
                ledger.record([books.draft(start * 10 + i + 500)]).result()
    forged = copy / "ledger" / "segments"
    assert ledgers.verify(forged).is_whole  # by itself nobody could tell
    assert not ledgers.verify(forged, kept).is_whole
    one_id = [
        anchors.Anchor(
            ledger=ledgers.verify(forged).ledger, key=one.key, seq=one.seq, chain=one.chain, at=one.at
        )
        for one in kept
    ]
    (finding,) = ledgers.verify(forged, one_id).findings
    assert (finding.seq, "rewritten" in finding.fault) == (7, True)


def test_a_seal_by_another_key_is_refused(copy: Path) -> None:
    (finding,) = ledgers.verify(copy / "ledger" / "segments", key="00" * 32).findings
    assert (finding.seq, "another key" in finding.fault) == (7, True)


def test_a_seal_whose_signature_was_replaced_is_named(copy: Path) -> None:
    path = files(copy)[0]
    bodies = [frame.body for frame in frames(path)]
    seal = canonical.decode(bodies[-1])
    assert seal["kind"] == seals.KIND
    bodies[-1] = canonical.encode({**seal, "signature": "ab" * 64})
    rewritten(path, bodies)
    assert "signature" in books.verified(copy).findings[0].fault


def test_bytes_torn_off_by_a_crash_behind_the_last_anchor_are_told_apart(copy: Path) -> None:
    path = files(copy)[-1]
    with path.open("ab") as file:
        file.write(random.Random(1).randbytes(50))
    report = books.verified(copy)
    assert report.is_whole
    assert "torn as by a crash" in report.notes[0]
    with books.opened(copy) as ledger:
        ledger.record([books.draft(77)]).result()
    report = books.verified(copy)
    assert report.is_whole, report.findings
    assert "torn by a crash" in report.notes[0]
    assert report.n_records == 23


class TestStandAlone:
    """The verifier is a folder that can be carried away."""

    @pytest.fixture
    def program(self, tmp_path: Path) -> list[str]:
        folder = Path(glassproof.__file__).parent
        shutil.copytree(
            folder, tmp_path / "carried" / "glassproof", ignore=shutil.ignore_patterns("__pycache__")
        )
        start = f"import sys; sys.path.insert(0, {str(tmp_path / 'carried')!r}); import runpy; "
        return [
            sys.executable,
            "-I",
            "-S",
            "-c",
            start + "runpy.run_module('glassproof', run_name='__main__')",
        ]

    @pytest.mark.slow
    def test_it_needs_nothing_but_python(self, program: list[str], copy: Path) -> None:
        asked = [*program, str(copy / "ledger" / "segments"), "--anchor", str(books.anchor_file(copy))]
        whole = subprocess.run(asked, capture_output=True, text=True, check=False)
        assert (whole.returncode, whole.stderr) == (0, "")
        assert whole.stdout.startswith("WHOLE: 21 records, 3 seals, 3 anchors held")
        path = files(copy)[1]
        path.write_bytes(path.read_bytes()[:-1])
        broken = subprocess.run(asked, capture_output=True, text=True, check=False)
        assert broken.returncode == 1
        assert "fault: record 14 (0000000000000008.segment, byte" in broken.stdout

    def test_what_it_cannot_use_has_a_status_of_its_own(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([str(tmp_path / "missing")]) == 2
        (tmp_path / "anchors").write_text("nonsense\n")
        assert main([str(tmp_path), "--anchor", str(tmp_path / "anchors")]) == 2
        assert "line 1: not an anchor" in capsys.readouterr().err


def test_a_start_on_a_segment_with_more_than_whole_records_says_so(
    copy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with books.opened(copy):
        assert "ledger.left_behind" not in caplog.messages
    with files(copy)[-1].open("ab") as file:
        file.write(b"torn")
    with books.opened(copy):
        (told,) = [one for one in caplog.records if one.message == "ledger.left_behind"]
    assert told.__dict__["n_bytes"] == 4
    assert "glasshouse verify" in told.__dict__["advice"]
