"""Which sources are translated together, and how long their translations may become."""

from nmt_zero_shot.lengths import batches, twice


def test_the_longest_come_first_and_the_longest_says_how_many_fit() -> None:
    sources = [[1], [1, 2, 3, 4], [1, 2], [1, 2, 3], [2]]
    assert list(batches(sources, rows=lambda length: 8 // length)) == [[1, 3], [2, 0, 4]]
    assert list(batches(sources, rows=lambda length: 2 // length)) == [[1], [3], [2], [0, 4]]
    assert list(batches([], rows=lambda length: 1)) == []


def test_a_translation_may_be_twice_as_long_and_ten() -> None:
    assert [twice(n) for n in (0, 7)] == [10, 24]
