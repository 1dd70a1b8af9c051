"""What the site does with our Markdown files (mkdocs.yml): the same files, as pages.

README.md is the first page, CHANGELOG.md the last. Links into the code, which the site does not
hold, become the paths they stand for.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
AT_THE_TOP = {"README.md": "index.md", "CHANGELOG.md": "changelog.md"}
DECISIONS = "docs/decisions"
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#:]+)(#[^)]*)?\)")


def on_config(config: Any) -> Any:
    """List the decisions in the navigation, in their order."""
    decisions = sorted((ROOT / DECISIONS).glob("0*.md"))
    pages = [{_title(each): f"decisions/{each.name}"} for each in decisions]
    config.nav.insert(-1, {"Decisions": pages})
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that lie at the top of the repository."""
    for name, page in AT_THE_TOP.items():
        text = (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Keep links to pages; of others, only their words."""
    folder = Path(page.file.src_uri).parent

    def kept(found: re.Match[str]) -> str:
        words, target, anchor = found[1], found[2], found[3] or ""
        if target == "decisions":
            first = min(each.name for each in (ROOT / DECISIONS).glob("0*.md"))
            return f"[{words}]({target}/{first})"
        for top, page_name in AT_THE_TOP.items():
            target = target.replace(f"../{top}", page_name)
        place = (ROOT / "docs" / folder / target).resolve()
        is_page = place.suffix in (".md", ".png") and place.is_relative_to(ROOT / "docs")
        if is_page:
            return f"[{words}]({target}{anchor})"
        return words if words.startswith("`") else f"`{words}`"

    return LINK.sub(kept, markdown)


def _title(decision: Path) -> str:
    first = decision.read_text(encoding="utf-8").splitlines()[0]
    return first.removeprefix("# ")
