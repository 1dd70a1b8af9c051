"""Pages of a list."""

from __future__ import annotations

from minibroker.console.reading.paging import ROWS, paged


def test_every_item_is_on_one_page() -> None:
    items = list(range(2 * ROWS + 1))
    pages = [paged(items, number) for number in (1, 2, 3)]
    assert [each for found in pages for each in found.items] == items
    assert (pages[2].first, pages[2].last, pages[2].total) == (101, 101, 101)


def test_a_page_that_is_not_there_is_the_last() -> None:
    assert paged([1], 9).page == 1
    assert paged([], 1).items == []
    assert paged([], 1).first == 0
