"""Files are written whole or not at all, and read with errors that name the place."""

import os
import stat
import sys
import threading

import pytest

from pytest_memory.errors import UnreadableFile, UnwritableFile
from pytest_memory.store.documents import Fields, read_json, write_text

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX file modes, links and pipes")


def names(folder):
    return [path.name for path in folder.iterdir()]


class TestWriting:
    def test_text_arrives_as_it_is(self, tmp_path):
        """UTF-8, with the line ends that were given, in folders that are made."""
        path = tmp_path / "new" / "folder" / "file.json"
        write_text(path, "größer\n")
        assert path.read_bytes() == "größer\n".encode()

    def test_nothing_is_left_beside_it(self, tmp_path):
        """The unfinished file is gone once the finished one stands."""
        write_text(tmp_path / "file.json", "{}")
        assert names(tmp_path) == ["file.json"]

    def test_a_failure_keeps_the_old_file(self, tmp_path):
        """Half a file is deleted, and what stood there before still stands."""
        path = tmp_path / "file.json"
        path.write_text("old")
        with pytest.raises(UnicodeEncodeError):
            write_text(path, "x" * 100_000 + "\ud800")  # a lone surrogate has no UTF-8
        assert path.read_text() == "old"
        assert names(tmp_path) == ["file.json"]

    @posix
    def test_permissions_are_the_users_own(self, tmp_path):
        """The file can be read by whom the umask lets read, not by its writer alone."""
        plain, ours = tmp_path / "plain", tmp_path / "ours"
        plain.write_text("")
        write_text(ours, "")
        assert stat.S_IMODE(ours.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)

    @posix
    def test_a_link_stays_a_link(self, tmp_path):
        """Who links the report to a shared place finds it there."""
        target, link = tmp_path / "target.json", tmp_path / "link.json"
        target.write_text("old")
        link.symlink_to(target)
        write_text(link, "new")
        assert link.is_symlink()
        assert target.read_text() == "new"

    @posix
    def test_a_pipe_is_written_to(self, tmp_path):
        """What is no ordinary file is not replaced by one."""
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        received = []
        reader = threading.Thread(target=lambda: received.append(pipe.read_text()))
        reader.start()
        write_text(pipe, "through")
        reader.join()
        assert received == ["through"]

    def test_a_name_of_the_greatest_length(self, tmp_path):
        """The unfinished file's name is no longer than a name may be."""
        path = tmp_path / ("n" * 255)
        write_text(path, "{}")
        assert path.read_text() == "{}"

    def test_unwritable(self, tmp_path):
        """The message names the path and the reason."""
        (tmp_path / "file").write_text("")
        with pytest.raises(UnwritableFile) as caught:
            write_text(tmp_path / "file" / "report.json", "{}")
        path = str(tmp_path / "file" / "report.json")
        assert str(caught.value).startswith(f"cannot write {path!r}: ")
        assert str(caught.value).endswith("; choose a path in a folder you may write to")

    def test_a_folder_is_no_file(self, tmp_path):
        """A folder of that name is an error, and stays."""
        with pytest.raises(UnwritableFile, match="cannot write"):
            write_text(tmp_path, "{}")
        assert names(tmp_path) == []


class TestReading:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "is not JSON: Expecting value: line 1 column 1 (char 0); was it written by another tool?"),
            (b'{"a": ', "is not JSON: Expecting value: line 1 column 7 (char 6); was it written by another tool?"),
            (b"\xff\xfe", "is not JSON: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
            (b"[1]", ": expected an object, found [1]"),
            (b"[" * 100_000, "is not JSON"),
        ],
    )
    def test_not_json(self, tmp_path, content, message):
        """A file that is cut off, of another kind, or hostile, is an error that names it."""
        path = tmp_path / "file.json"
        path.write_bytes(content)
        with pytest.raises(UnreadableFile) as caught:
            read_json(path)
        assert message in str(caught.value)
        assert str(path) in str(caught.value)

    def test_missing_file(self, tmp_path):
        """A missing file is the same kind of error."""
        with pytest.raises(UnreadableFile, match=r"cannot read '.*nothing\.json': No such file or directory"):
            read_json(tmp_path / "nothing.json")


class TestFields:
    """Each reader takes the type it names, and says where another one stood."""

    document = Fields(
        {"text": "t", "whole": 3, "real": 1.5, "yes": True, "null": None, "list": [{}, 5], "object": {"a": 1}}, "doc"
    )

    @pytest.mark.parametrize(
        ("reader", "key", "message"),
        [
            ("text", "whole", "doc: whole: expected text, found 3"),
            ("text", "gone", "doc: 'gone' is missing; expected text"),
            ("text", "null", "doc: null: expected text, found None"),
            ("optional_text", "whole", "doc: whole: expected text, found 3"),
            ("integer", "real", "doc: real: expected a whole number, found 1.5"),
            ("integer", "yes", "doc: yes: expected a whole number, found True"),
            ("optional_integer", "text", "doc: text: expected a whole number, found 't'"),
            ("number", "yes", "doc: yes: expected a finite number, found True"),
            ("number", "gone", "doc: 'gone' is missing; expected a finite number"),
            ("flag", "whole", "doc: whole: expected true or false, found 3"),
            ("fields", "list", "doc: list: expected an object, found [{}, 5]"),
            ("fields", "gone", "doc: 'gone' is missing; expected an object"),
            ("each", "object", "doc: object: expected a list, found {'a': 1}"),
            ("each", "list", "doc: list[1]: expected an object, found 5"),
            ("texts", "list", "doc: list[0]: expected text, found {}"),
        ],
    )
    def test_wrong(self, reader, key, message):
        with pytest.raises(UnreadableFile) as caught:
            getattr(self.document, reader)(key)
        assert str(caught.value) == message

    def test_right(self):
        """What has the type it should have comes back as it is."""
        assert self.document.text("text") == "t"
        assert self.document.integer("whole") == 3
        assert self.document.number("real") == 1.5
        assert self.document.flag("yes") is True
        assert self.document.fields("object").integer("a") == 1
        assert self.document.word("text", ("s", "t")) == "t"

    def test_missing_where_it_may_be(self):
        """A key may be missing where the reader has a default, or where null is an answer."""
        assert self.document.text("gone", "default") == "default"
        assert self.document.number("gone", 0.5) == 0.5
        assert self.document.flag("gone") is False
        assert self.document.optional_text("null") is None
        assert self.document.optional_integer("gone") is None
        assert self.document.optional_fields("null") is None
        assert self.document.each("gone") == []

    def test_word(self):
        """The words allowed are listed."""
        with pytest.raises(UnreadableFile, match=r"^doc: text: expected one of setup, call, found 't'$"):
            self.document.word("text", ("setup", "call"))

    def test_places_add_up(self):
        """Deep inside a document the message still says where."""
        inner = Fields.of({"tests": [{"phases": {"call": {"seconds": "x"}}}]}, "run.json").each("tests")[0]
        with pytest.raises(UnreadableFile, match=r"^run\.json: tests\[0\]: phases: call: seconds: expected a finite"):
            inner.fields("phases").fields("call").number("seconds")

    def test_a_long_value_is_cut(self):
        """A message stays one line."""
        with pytest.raises(UnreadableFile) as caught:
            Fields({"text": [0] * 1000}, "doc").text("text")
        assert len(str(caught.value)) < 140

    @pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
    def test_numbers_are_finite(self, number):
        """Python's JSON reads NaN and Infinity; no measurement is one."""
        with pytest.raises(UnreadableFile, match="expected a finite number"):
            Fields({"n": number}, "doc").number("n")
