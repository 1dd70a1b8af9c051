"""What a long run prints at its end: figures one a line, then every demand that was not met."""

from __future__ import annotations

from collections.abc import Sequence


def quantile(values: Sequence[float], part: float) -> float:
    """The value that `part` (0 to 1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)]


class Figures:
    """Collects them.

    Args:
        title: the command that gives these figures again.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._lines: list[tuple[str, str]] = []
        self._unmet: list[str] = []

    def note(self, name: str, value: object, unit: str = "") -> None:
        """One figure, or several under one name."""
        parts = value if isinstance(value, tuple) else (value,)
        self._lines.append((name, ", ".join(map(str, parts)) + f" {unit}".rstrip()))

    def demand(self, is_met: object, otherwise: str) -> None:
        """Something that must hold; `otherwise` is printed if it does not."""
        if not is_met:
            self._unmet.append(otherwise)

    def print(self) -> int:
        """The table; returns the exit code."""
        width = max(len(name) for name, _ in self._lines)
        print(f"\n{self._title}")
        for name, value in self._lines:
            print(f"  {name:<{width}}  {value}")
        for text in self._unmet:
            print(f"FAILED: {text}")
        print("FAILED" if self._unmet else "passed", flush=True)
        return 1 if self._unmet else 0
