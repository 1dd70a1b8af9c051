"""The README says what the code says."""

from pathlib import Path

from minibroker.broker.apis.served import SERVED
from minibroker.cli.parsers import COMMANDS

README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- api table: begin -->\n", "<!-- api table: end -->"


def api_table() -> str:
    """The table of what broker/dispatch.py serves."""
    rows = ["| key | API | versions |", "|---|---|---|"]
    for api in SERVED.values():
        first, last = api.versions
        shown = f"{first}-{last}"
        if api.advertised_from is not None:
            shown += f" (advertised from {api.advertised_from})"
        rows.append(f"| {api.key} | {api.name} | {shown} |")
    return "\n".join(rows) + "\n"


def test_the_api_table_is_what_is_served() -> None:
    between = README.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    assert between == api_table(), f"put this between the two comments:\n{api_table()}"


def test_every_command_is_listed() -> None:
    text = README.read_text(encoding="utf-8")
    missing = [name for name in COMMANDS if f"`minibroker {name}" not in text]
    assert not missing
