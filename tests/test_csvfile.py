"""Reading CSV that people made: which file is read at all, and that a broken row takes no other with it (threat 14)."""

from __future__ import annotations

import codecs
import hashlib
import io
from pathlib import Path

import pytest

from subscribers import csvfile
from subscribers.csvfile import CsvReader, Record, open_csv
from subscribers.errors import TransferError

WANTED = ("email", "address")
NULS = "holds NUL bytes, as no text does, but UTF-16 without a byte order mark."


def _reader(content: str) -> CsvReader:
    return CsvReader(io.StringIO(content, newline=""), "readers.csv", WANTED)


def _records(content: str, one_line: tuple[int, ...] = (0, 1)) -> list[Record]:
    return list(_reader(content).records(one_line))


@pytest.mark.parametrize(
    ("first", "header"),
    [
        ("email,name", ("email", "name")),
        ("Name;EMAIL", ("name", "email")),
        ("name\temail", ("name", "email")),
        ("\ufeffemail,name", ("email", "name")),
        ('"email","full name"', ("email", "full name")),
        (" email , name ", ("email", "name")),
        ("email", ("email",)),
        # A comma inside a name must not hide the delimiter.
        ("name, first and last;address", ("name, first and last", "address")),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", ""])
def test_the_header_names_the_columns_and_shows_the_delimiter(first: str, header: tuple[str, ...], end: str) -> None:
    assert _reader(first + end).header == header


def test_blank_lines_before_the_header_are_passed_over() -> None:
    assert _records("\n  \r\nemail\na@example.org\n") == [Record(4, ("a@example.org",))]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "readers.csv is empty. Its first line must name the columns, one of them `email`."),
        ("\n\n \n", "readers.csv is empty. Its first line must name the columns, one of them `email`."),
        ("PK\x03\x04\x14email,", "readers.csv is not CSV. Save the table as CSV in UTF-8 and try again."),
        ("email\0,name\n", "readers.csv is not CSV. Save the table as CSV in UTF-8 and try again."),
        ("email," + "x," * 1_000_000, "readers.csv is not CSV. Save the table as CSV in UTF-8 and try again."),
    ],
)
def test_a_file_without_a_header_is_refused_in_a_sentence(content: str, sentence: str) -> None:
    with pytest.raises(TransferError) as caught:
        _reader(content)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("first", "delimiter"),
    [
        ("email", ","),
        ("email|name", "|"),
        ("Person; first|Address", "|"),
        # Where no column has a name that is wanted, the sign that divides the line most.
        ("Mail;Town, region;Name", ";"),
        ("Mail\tTown\tName", "\t"),
        ("Mail|Town|Name, all", "|"),
        ('"Mail;Mail";Name', ";"),
    ],
)
def test_the_delimiter_is_found(first: str, delimiter: str) -> None:
    assert _reader(first).delimiter == delimiter


def test_a_delimiter_that_is_given_is_used() -> None:
    reader = CsvReader(io.StringIO("email:name\na@example.org:Ann, all\n"), "readers.csv", WANTED, ":")
    assert reader.titles == ("email", "name")
    assert list(reader.records(())) == [Record(2, ("a@example.org", "Ann, all"))]


@pytest.mark.parametrize("broken", [2, 250, 499, 500, 501, 502, 503, 750, 1200])
@pytest.mark.parametrize("row", ['"open@example.org,O', 'x@example.org,"two\nlines"', "x" * 70_000])
def test_rows_are_the_same_whether_read_at_once_or_one_by_one(broken: int, row: str) -> None:
    """A file is read in pieces; where one has a row that is no line, that piece is read with care, and only that."""
    rows = [f"a{line}@example.org,A" for line in range(2, 1300)]
    rows[broken - 2] = row
    records = _records("email,name\n" + "\n".join(rows) + "\n", one_line=(0,))
    lines_more = row.count("\n")
    fine = [one for one in records if not one.fault and one.cells[1] == "A"]
    assert [one.line for one in fine] == [
        line if line < broken else line + lines_more for line in range(2, 1300) if line != broken
    ]
    assert all(one.cells[0] == f"a{one.line - (one.line > broken) * lines_more}@example.org" for one in fine)
    (other,) = (one for one in records if one not in fine)
    assert (other.line, bool(other.fault)) == (broken, not lines_more)


@pytest.mark.parametrize(
    ("content", "addresses", "lines"),
    [
        # An open quote that a later row seems to close must not swallow the rows between.
        ('"a@example.org,A\nb@example.org,B\nc@example.org,C"\nd@example.org,D\n', "bcd", [2]),
        ('a@example.org,"A\nb@example.org,B\nc@example.org,"C"\nd@example.org,D\n', "bcd", [2]),
        ('a@example.org,"A\nb@example.org,B"\nc@example.org,C\n', "bc", [2]),
        ('"a@example.org\n' + "\n" * 50 + "b@example.org,B\n", "b", [2]),
        ('"a@example.org\n"b@example.org\n"c@example.org\nd@example.org\n', "d", [2, 3, 4]),
        ('a@example.org,A\n"b@example.org', "a", [3]),
        ('"' * 7 + "\na@example.org\n", "a", [2]),
        ('"a"@example.org,A\nb@example.org,B\n', "b", [2]),
        # Quotes inside an unquoted cell are only odd.
        ('a@example.org,Ann "Annie" Lee\nb@example.org,5" tall\nc@example.org,C\n', "abc", []),
        ("a@example.org,A\r\nb@example.org,B\r\n", "ab", []),
        ("a@example.org,A\rb@example.org,B\r", "ab", []),
        ("x" * 70_000 + "\n" + "y" * 300_000 + "\na@example.org,A\n", "a", [2, 3]),
        ("," * 1_000_000 + "\na@example.org,A\n", "a", [2]),
        ("a@example.org,A\n" + "z" * 65_537, "a", [3]),
        ('"' + "z" * 60_000 + "\n" + ("z" * 60_000 + "\n") * 3 + "a@example.org\n", "zzza", [2]),
    ],
)
def test_no_broken_row_takes_others_with_it(content: str, addresses: str, lines: list[int]) -> None:
    records = _records("email,name\n" + content)
    assert "".join(record.cells[0][0] for record in records if not record.fault) == addresses
    assert [record.line for record in records if record.fault] == lines


def test_a_space_before_a_quoted_cell_is_no_part_of_it() -> None:
    assert _records('email,name\na@example.org, "Reader, Ann"\n') == [Record(2, ("a@example.org", "Reader, Ann"))]


def test_faults_say_what_is_wrong() -> None:
    quotes, long = _records('email\n"open\n' + "x" * 65_537)
    assert quotes.fault == "its quotation marks do not match."
    assert long.fault == "the line is longer than 65,536 characters."


def test_other_columns_may_span_lines() -> None:
    content = 'notes,email\n"first\nsecond, with ""quotes""\n\nfourth",a@example.org\nfine,b@example.org\n'
    assert _records(content, one_line=(1,)) == [
        Record(2, ('first\nsecond, with "quotes"\n\nfourth', "a@example.org")),
        Record(6, ("fine", "b@example.org")),
    ]


def test_a_cell_that_spans_too_many_lines_is_taken_for_an_open_quote() -> None:
    lines = csvfile.MAX_CELL_LINES
    fits, too_long = ('notes,email\n"' + "n\n" * count + '",a@example.org\n' for count in (lines - 1, lines))
    assert [record.fault for record in _records(fits, one_line=(1,))] == [""]
    assert _records(too_long, one_line=(1,))[0].fault == "its quotation marks do not match."


def test_lines_that_are_only_delimiters_are_blank() -> None:
    assert _records("email,name\n,\n \n, ,\na@example.org,A\n") == [Record(5, ("a@example.org", "A"))]


@pytest.mark.parametrize(
    ("content", "encoding", "name"),
    [
        ("email,name\na@example.org,Jörg\n".encode(), "utf-8", "Jörg"),
        (b"\xef\xbb\xbf" + "email,name\na@example.org,Jörg\n".encode(), "utf-8-sig", "Jörg"),
        ("email,name\r\na@example.org,Jörg\r\n".encode("cp1252"), "cp1252", "Jörg"),
        ("email,name\ra@example.org,„Zoë“ €\r".encode("cp1252"), "cp1252", "„Zoë“ €"),
        (b"email,name\na@example.org,Ann\n", "utf-8", "Ann"),
        ("email\tname\r\na@example.org\tДарина 小雨\r\n".encode("utf-16"), "utf-16", "Дарина 小雨"),
        (codecs.BOM_UTF16_BE + "email;name\na@example.org;Zoë\n".encode("utf-16-be"), "utf-16", "Zoë"),
        # A letter cut in two by the end of a chunk is still one letter.
        (("email,name\na@example.org," + "é" * 10 + "\n").encode(), "utf-8", "é" * 10),
    ],
)
def test_the_encoding_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, encoding: str, name: str
) -> None:
    monkeypatch.setattr(csvfile, "_CHUNK", 7)
    path = tmp_path / "readers.csv"
    path.write_bytes(content)
    opened = open_csv(path)
    with opened.text:
        (record,) = CsvReader(opened.text, path.name, WANTED).records((0, 1))
    assert (opened.encoding, record.cells) == (encoding, ("a@example.org", name))
    assert (opened.size, opened.digest) == (len(content), hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize(
    ("encoding", "spoken"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8 with a byte order mark"),
        ("utf-16", "UTF-16"),
        ("cp1252", "Windows-1252"),
        ("cp1251", "cp1251"),
    ],
)
def test_an_encoding_that_is_given_is_used_and_told(tmp_path: Path, encoding: str, spoken: str) -> None:
    path = tmp_path / "readers.csv"
    path.write_text("email,name\na@example.org,Ann\n", encoding=encoding)
    opened = open_csv(path, encoding)
    with opened.text:
        assert opened.text.readlines()[1] == "a@example.org,Ann\n"
    assert (opened.encoding, opened.spoken) == (encoding, spoken)


@pytest.mark.parametrize(
    ("encoding", "sentence"),
    [
        ("klingon", "There is no encoding called klingon. Usual ones: utf-8, utf-16, cp1252."),
        ("base64", "There is no encoding called base64. Usual ones: utf-8, utf-16, cp1252."),
        ("undefined", "There is no encoding called undefined. Usual ones: utf-8, utf-16, cp1252."),
        ("utf-8", "is no text in UTF-8. Save the table as CSV in UTF-8 and try again."),
    ],
)
def test_an_encoding_that_does_not_fit_is_refused(tmp_path: Path, encoding: str, sentence: str) -> None:
    path = tmp_path / "readers.csv"
    path.write_bytes("email,name\na@example.org,Jörg\n".encode("cp1252"))
    with pytest.raises(TransferError) as caught:
        open_csv(path, encoding)
    assert str(caught.value).endswith(sentence)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"PK\x03\x04\x14\x00\x06\x00", "is a ZIP archive or a spreadsheet, not CSV."),
        (b"PK\x05\x06" + b"\0" * 18, "is an empty ZIP archive, not CSV."),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an old spreadsheet, not CSV."),
        (b"\x1f\x8b\x08\x00", "is a gzip archive, not CSV."),
        (b"7z\xbc\xaf\x27\x1c\0\4", "is a 7-Zip archive, not CSV."),
        (b"Rar!\x1a\x07\x01", "is a RAR archive, not CSV."),
        (b"\x28\xb5\x2f\xfd\x24", "is a zstd archive, not CSV."),
        (b"SQLite format 3\0", "is a database, not CSV."),
        (codecs.BOM_UTF16_LE + b"e\0m\0a", "is no text in UTF-16."),
        (codecs.BOM_UTF16_LE + "email\n\0@example.org".encode("utf-16-le"), NULS),
        (b"%PDF-1.7", "is a PDF, not CSV."),
        ("email\na@example.org\n".encode("utf-16-le"), NULS),
        ("email\na@example.org\n".encode("utf-16-be"), NULS),
        (b"email\n" + b"a@example.org\n" * 100_000 + b"\0", NULS),
        (b"email\n\x81\x8d@example.org\n", "is text in neither UTF-8 nor Windows-1252."),
        (b"email\na\xc3", None),
    ],
)
def test_what_is_no_csv_is_refused_by_its_kind(tmp_path: Path, content: bytes, kind: str | None) -> None:
    path = tmp_path / "readers.csv"
    path.write_bytes(content)
    if kind is None:
        # A letter cut off at the end of the file is no UTF-8, and a letter of its own in Windows-1252.
        opened = open_csv(path)
        opened.text.close()
        assert opened.encoding == "cp1252"
        return
    with pytest.raises(TransferError) as caught:
        open_csv(path)
    assert str(caught.value) == f"{path} {kind} Save the table as CSV in UTF-8 and try again."


def test_a_file_that_is_not_there_too_large_or_closed_to_us_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TransferError, match=r"There is no file .*nowhere.csv"):
        open_csv(tmp_path / "nowhere.csv")
    with pytest.raises(TransferError, match="There is no file"):
        open_csv(tmp_path)
    huge = tmp_path / "huge.csv"
    with huge.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(TransferError, match="is larger than 500 MB"):
        open_csv(huge)
    with huge.open("wb") as file:
        file.truncate(csvfile.MAX_BYTES)
    with pytest.raises(TransferError, match="holds NUL bytes"):
        open_csv(huge)
    with pytest.raises(TransferError, match="cannot be read: File name too long"):
        open_csv(tmp_path / ("x" * 300))
