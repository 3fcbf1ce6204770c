"""Sizes, counts and durations: what is accepted, what is rejected and with which words, and how they are shown."""

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_memory import units
from pytest_memory.errors import InvalidSize, PytestMemoryError

LIMIT_UNITS = {
    "B": 1,
    "KB": 1024,
    "KiB": 1024,
    "MB": 1024**2,
    "MiB": 1024**2,
    "GB": 1024**3,
    "GiB": 1024**3,
    "TB": 1024**4,
    "TiB": 1024**4,
    "PB": 1024**5,
    "PiB": 1024**5,
}
HOW_TO_WRITE = "; write a number and a unit, like '24 MB' or '512 KiB'"


class TestSizesOfLimits:
    @pytest.mark.parametrize(
        ("written", "size"),
        [
            ("24 MB", 24 * 1024**2),
            ("24MB", 24 * 1024**2),
            ("24 MiB", 24 * 1024**2),
            ("24 mb", 24 * 1024**2),
            ("24 mIb", 24 * 1024**2),
            ("1.5GiB", 3 * 1024**3 // 2),
            (".5 KB", 512),
            ("0 B", 0),
            ("  7  B  ", 7),
            ("1.0001 B", 1),
            (512, 512),
            (0, 0),
            ("9223372036854775807 B", 2**63 - 1),
        ],
    )
    def test_accepted(self, written, size):
        """A number and a unit, in any case, with or without a space; a bare int is bytes."""
        assert units.parse_limit_size(written) == size

    @pytest.mark.parametrize("unit", LIMIT_UNITS)
    def test_every_unit(self, unit):
        """KB and KiB are both 1024 bytes, as pytest-memray has them."""
        assert units.parse_limit_size(f"3 {unit}") == 3 * LIMIT_UNITS[unit]

    @pytest.mark.parametrize(
        ("written", "problem"),
        [
            ("5 BANANA", "invalid size '5 BANANA': unknown unit 'BANANA'"),
            ("100 MiBs", "invalid size '100 MiBs': unknown unit 'MiBs'"),
            ("100", "invalid size '100': the unit is missing"),
            ("100 M", "invalid size '100 M': unknown unit 'M'"),
            ("MB", "invalid size 'MB'"),
            ("", "invalid size ''"),
            ("-5 MB", "invalid size '-5 MB'"),
            ("1e3 MB", "invalid size '1e3 MB'"),
            ("1,000 MB", "invalid size '1,000 MB'"),
            ("5 MB 3", "invalid size '5 MB 3'"),
            ("5. MB", "invalid size '5. MB'"),
            ("nan MB", "invalid size 'nan MB'"),
            ("inf", "invalid size 'inf'"),
            ("٣ MB", "invalid size '٣ MB'"),
            ("8192 PB", "invalid size '8192 PB': out of range"),
            ("9" * 400 + " B", f"invalid size '{'9' * 400} B': out of range"),
            (-1, "invalid size -1: out of range"),
            (2**63, f"invalid size {2**63}: out of range"),
            (True, "invalid size True: expected text or a whole number of bytes"),
            (1.5, "invalid size 1.5: expected text or a whole number of bytes"),
            (math.nan, "invalid size nan: expected text or a whole number of bytes"),
            (None, "invalid size None: expected text or a whole number of bytes"),
            (b"5 MB", "invalid size b'5 MB': expected text or a whole number of bytes"),
        ],
    )
    def test_rejected(self, written, problem):
        """Anything else is an error that shows the value and says what to write."""
        with pytest.raises(InvalidSize) as caught:
            units.parse_limit_size(written)
        assert str(caught.value) == problem + HOW_TO_WRITE

    def test_subject_is_named(self):
        """The message names what the value was meant to be."""
        with pytest.raises(InvalidSize, match=r"^invalid rss 'x'"):
            units.parse_limit_size("x", subject="rss")

    def test_is_a_value_error_too(self):
        """pytest-memray promises a ValueError; catching ours works as well."""
        assert issubclass(InvalidSize, ValueError)
        assert issubclass(InvalidSize, PytestMemoryError)

    @given(st.integers(0, 2**63 - 1))
    def test_bytes_are_exact(self, size):
        """No size goes through a float: the last byte of a large one counts."""
        assert units.parse_limit_size(f"{size} B") == size
        assert units.parse_limit_size(size) == size

    @given(st.decimals(0, 1000, places=3), st.sampled_from(list(LIMIT_UNITS)), st.sampled_from(["", " "]))
    def test_decimals(self, number, unit, space):
        """A fraction of a unit is rounded down to whole bytes, whatever the case of the unit."""
        expected = int(Decimal(number) * LIMIT_UNITS[unit])
        assert units.parse_limit_size(f"{number}{space}{unit.swapcase()}") == expected

    @given(st.text())
    def test_any_text(self, text):
        """Whatever the text, the answer is a size or an InvalidSize."""
        try:
            assert 0 <= units.parse_limit_size(text) < 2**63
        except InvalidSize as error:
            assert repr(text) in str(error)


class TestSizesOfBenchmarks:
    @pytest.mark.parametrize(
        ("written", "size"),
        [
            ("4 KiB", 4096),
            ("4KiB", 4096),
            ("1.5MiB", 1572864),
            ("2 GiB", 2**31),
            ("7 B", 7),
            ("7", 7),
            (7, 7),
            (0.5, 0.5),
        ],
    )
    def test_accepted(self, written, size):
        """Exactly B, KiB, MiB and GiB; a number without a unit is bytes."""
        assert units.parse_benchmark_size(written) == size

    @pytest.mark.parametrize(
        ("written", "message"),
        [
            ("4 MB", "size: unknown unit 'MB' in '4 MB'; use B, KiB, MiB or GiB"),
            ("4 mib", "size: unknown unit 'mib' in '4 mib'; use B, KiB, MiB or GiB"),
            ("-4 MiB", "size: '-4 MiB' is not a number with an optional unit (B, KiB, MiB, GiB)"),
            ("", "size: '' is not a number with an optional unit (B, KiB, MiB, GiB)"),
            (True, "size: expected a number or a string, not a bool (True)"),
            ([], "size: expected a number or a string, got []"),
            (-1, "size: expected a finite, non-negative number, got -1"),
            (math.nan, "size: expected a finite, non-negative number, got nan"),
            (math.inf, "size: expected a finite, non-negative number, got inf"),
            ("9" * 400, f"size: expected a finite, non-negative number, got '{'9' * 400}'"),
        ],
    )
    def test_rejected(self, written, message):
        """MB is an error here, and so is everything that is no finite size."""
        with pytest.raises(InvalidSize) as caught:
            units.parse_benchmark_size(written)
        assert str(caught.value) == message

    def test_long_int(self):
        """An int longer than any float is still a number."""
        assert units.parse_benchmark_size(10**400) == 10**400

    @given(st.integers(0, 2**40), st.sampled_from(["B", "KiB", "MiB", "GiB"]))
    def test_round_trip(self, number, unit):
        """A whole number of a unit is that many bytes."""
        scale = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}[unit]
        assert units.parse_benchmark_size(f"{number} {unit}") == number * scale


class TestCountsAndDurations:
    @pytest.mark.parametrize(("written", "count"), [("12", 12), (12, 12), ("1.5", 1.5), ("0", 0)])
    def test_count_accepted(self, written, count):
        """A count is a number."""
        assert units.parse_benchmark_count(written) == count

    @pytest.mark.parametrize(
        ("written", "message"),
        [
            ("12 KiB", "count: '12 KiB' has a unit, and a count takes no unit"),
            ("many", "count: 'many' is not a number"),
            (False, "count: expected a number or a string, not a bool (False)"),
            (-3, "count: expected a finite, non-negative number, got -3"),
        ],
    )
    def test_count_rejected(self, written, message):
        """A count takes no unit."""
        with pytest.raises(InvalidSize) as caught:
            units.parse_benchmark_count(written)
        assert str(caught.value) == message

    @pytest.mark.parametrize(
        ("written", "seconds"),
        [("2", 2), ("2 s", 2), ("3ms", 3e-3), ("4 us", 4e-6), ("4 µs", 4e-6), ("4 \u03bcs", 4e-6), ("5ns", 5e-9)],
    )
    def test_duration_accepted(self, written, seconds):
        """Both characters that look like a micro sign are one."""
        assert units.parse_duration(written) == pytest.approx(seconds)

    @pytest.mark.parametrize(
        ("written", "message"),
        [
            ("2 min", "time: unknown unit 'min' in '2 min'; use s, ms, us, µs or ns"),
            ("-1 s", "time: '-1 s' is not a number with an optional unit (s, ms, us, µs, ns)"),
        ],
    )
    def test_duration_rejected(self, written, message):
        """No other unit, no sign."""
        with pytest.raises(InvalidSize) as caught:
            units.parse_duration(written)
        assert str(caught.value) == message


class TestShown:
    @pytest.mark.parametrize(
        ("size", "shown"),
        [
            (0, "0.0B"),
            (512, "512.0B"),
            (1024, "1.0KiB"),
            (25585254, "24.4MiB"),
            (-2048, "-2.0KiB"),
            (3 * 1024**6, "3072.0PiB"),
        ],
    )
    def test_size(self, size, shown):
        """One decimal and a binary unit without a space, as pytest-memray has it."""
        assert units.format_size(size) == shown

    @pytest.mark.parametrize(
        ("size", "shown"),
        [
            (0, "0 B"),
            (932, "932 B"),
            (932.4, "932 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (4299161, "4.1 MiB"),
            (999.4 * 1024, "999 KiB"),
            (999.7 * 1024, "1000 KiB"),
            (1023 * 1024, "1023 KiB"),
            (1023.7 * 1024, "1 MiB"),
            (1023.7, "1 KiB"),
            (-4299161, "-4.1 MiB"),
            (5e18, "4547474 TiB"),
        ],
    )
    def test_human_bytes(self, size, shown):
        """Three digits, no trailing zeros, never an exponent."""
        assert units.human_bytes(size) == shown

    @pytest.mark.parametrize(
        ("seconds", "shown"),
        [
            (0, "0 µs"),
            (12e-6, "12 µs"),
            (0.99999e-3, "1 ms"),
            (3.4e-3, "3.4 ms"),
            (0.99999, "1.00 s"),
            (0.21, "210 ms"),
            (99.994, "99.99 s"),
            (99.999, "100 s"),
            (123.4, "123 s"),
        ],
    )
    def test_seconds(self, seconds, shown):
        """The unit changes where the rounded number does."""
        assert units.format_seconds(seconds) == shown

    @given(st.floats(0, 1e15))
    def test_no_exponent(self, value):
        """Nothing that people read has an exponent in it."""
        assert "e" not in units.human_bytes(value).replace(" ", "").rstrip("KMGTiB")
        assert "e" not in units.format_seconds(max(value, 1e-9) if value else 0)
        assert "e" not in units.format_count(value)

    def test_count(self):
        """Thousands have commas."""
        assert units.format_count(33929) == "33,929"

    def test_counted(self):
        """One thing has no plural."""
        assert [units.format_counted(number, "test") for number in (0, 1, 2, 33929)] == [
            "0 tests",
            "1 test",
            "2 tests",
            "33,929 tests",
        ]

    @given(st.integers(0, 2**60))
    def test_shown_sizes_can_be_read_back(self, size):
        """What a report shows can be pasted into a limit; it is off by the rounding of one decimal at most."""
        shown = units.format_size(size)
        unit = LIMIT_UNITS[shown.lstrip("0123456789.")]
        assert abs(units.parse_limit_size(shown) - size) <= 0.05 * unit + 1
