"""Fills the pages whose content is the code's own: options and markers come from the table in declaration.py."""

from __future__ import annotations

from typing import Any

from pytest_memory.declaration import MARKERS, OPTIONS, Option

HEADINGS = {
    "memory": "Measuring, limits and reports",
    "memlog": "The flight recorder (pytest-memlog's names)",
    "memray": "pytest-memray's names",
    "benchmark-memory": "Benchmarks",
}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the placeholders in a page, with what stands in them for readers of the repository."""
    for name, fill in (("options", _options), ("markers", _markers)):
        before, begin, rest = markdown.partition(f"<!-- {name} -->")
        if begin:
            markdown = before + fill() + rest.partition("<!-- end -->")[2]
    return markdown


def _options() -> str:
    """Every option by group: its flag, its ini keys, and what ``--help`` says of it."""
    groups = dict.fromkeys(option.group for option in OPTIONS)
    return "\n\n".join(f"## {HEADINGS.get(group, group)}\n\n{_table(group)}" for group in groups)


def _table(group: str) -> str:
    rows = [
        f"| `{_flag(option)}` | {', '.join(f'`{key}`' for key in option.ini)} | {_meaning(option)} |"
        for option in OPTIONS
        if option.group == group
    ]
    return "\n".join(["| flag | ini key | what it does |", "| --- | --- | --- |", *rows])


def _flag(option: Option) -> str:
    if option.kind == "flag":
        return option.flag
    return f"{option.flag}[={option.metavar}]" if option.kind == "optional" else f"{option.flag}={option.metavar}"


def _meaning(option: Option) -> str:
    text = option.help.replace("%%", "%")
    if option.ini_help:
        text += f". In the ini file: {option.ini_help.replace('%%', '%')}"
    return text.replace("|", "\\|")


def _markers() -> str:
    """Every marker with its signature."""
    parts = [text.partition("): ") for text in MARKERS.values()]
    return "\n\n".join(f"`@pytest.mark.{signature})`\n:   {text[0].upper()}{text[1:]}." for signature, _, text in parts)
