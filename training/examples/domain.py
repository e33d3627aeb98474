"""What made-up tasks are about: places in projects, operations, guards and finished changes."""

from __future__ import annotations

from random import Random
from typing import Final, NamedTuple


class Operation(NamedTuple):
    """A function as a task wants it; ``sample`` and ``expected`` are source text of its test."""

    name: str
    parameter: str
    returns: str
    code: str
    sample: str
    expected: str

    @property
    def signature(self) -> str:
        """Name and parameter, as a wish writes them."""
        return f"{self.name}({self.parameter})"


class Change(NamedTuple):
    """A change that is finished, in a developer's words and as the subject of a commit."""

    kind: str
    told: str
    subject: str


def _rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]


OPERATIONS: Final = tuple(Operation(*row) for row in _rows("""
        total | values | the sum of values | sum(values) | [2, 6] | 2 + 6
        largest | values | the largest of values | max(values) | [2, 9, 4] | 9
        smallest | values | the smallest of values | min(values) | [7, 3, 5] | 3
        size | values | the number of values | len(values) | [4, 5, 6] | 3
        newest | values | the last of values | values[-1] | [4, 8] | 8
        oldest | values | the first of values | values[0] | [4, 8] | 4
        span | values | the difference between the largest and the smallest of values | max(values) - min(values) | [3, 9] | 9 - 3
        ordered | values | values in ascending order | sorted(values) | [5, 2] | [2, 5]
        backwards | values | values in reverse order | values[::-1] | [1, 2] | [2, 1]
        distinct | values | the number of different values | len(set(values)) | [3, 3, 4] | 2
        doubled | number | number times two | number * 2 | 6 | 6 * 2
        halved | number | half of number | number / 2 | 9 | 9 / 2
        squared | number | number times itself | number * number | 7 | 7 * 7
        negated | number | number with the other sign | -number | 5 | -5
        shouted | text | text in upper case | text.upper() | "red" | "RED"
        lowered | text | text in lower case | text.lower() | "Red" | "red"
        trimmed | text | text without surrounding spaces | text.strip() | " red " | "red"
        letters | text | the number of characters in text | len(text) | "red" | 3
        words | text | the words of text | text.split() | "red fox" | ["red", "fox"]
        initial | text | the first character of text | text[0] | "red" | "r"
        """))
# path | what is measured there
PLACES: Final = tuple((path, thing) for path, thing in _rows("""
        shop/cart.py | price
        shop/stock.py | quantity
        bank/account.py | balance
        bank/transfer.py | amount
        library/loan.py | days
        hotel/booking.py | nights
        clinic/visit.py | duration
        school/grade.py | score
        farm/harvest.py | weight
        cinema/seat.py | row
        garage/repair.py | mileage
        bakery/order.py | dozen
        travel/ticket.py | distance
        music/album.py | length
        weather/station.py | humidity
        energy/meter.py | reading
        kitchen/recipe.py | portion
        port/cargo.py | volume
        garden/plant.py | height
        fleet/driver.py | age
        museum/tour.py | visitors
        factory/batch.py | pieces
        office/invoice.py | discount
        league/match.py | goals
        """))
_FINISHED: Final = tuple(Change(*row) for row in _rows("""
        fix | the cart rounded totals twice; now it rounds once | round cart totals once
        feat | customers can pay by invoice now | pay by invoice
        docs | the README says how to install it on Linux | say how to install on Linux
        test | there is a test for empty orders now | test empty orders
        refactor | the tax rates moved out of the cart into their own module | move tax rates into a module
        perf | prices are read once instead of for each row | read prices once
        fix | a login with a trailing space is accepted again | accept logins with a trailing space
        feat | a booking can be cancelled until noon | cancel bookings until noon
        chore | the linter is two versions newer | raise the linter by two versions
        fix | the export no longer drops the last row | keep the last row of an export
        feat | the report shows the humidity of each station | show humidity in the report
        docs | the table of limits is complete | complete the table of limits
        refactor | two copies of the date parser became one | keep one date parser
        test | the loan period of a leap year is tested | test loans in a leap year
        fix | seats in row zero are refused | refuse seats in row zero
        perf | the search reads the index instead of all files | search by the index
        """))
# The same for anything that is measured.
_DONE: Final = tuple(Change(*row) for row in _rows("""
        feat | the {0} is shown in the list now | show the {0} in the list
        feat | one can sort by {0} now | sort by {0}
        feat | the {0} can be left out now | let the {0} be left out
        feat | there is a filter for {0} | filter by {0}
        feat | the {0} of each line can be copied | copy the {0} of a line
        fix | the {0} is no longer counted twice | count the {0} once
        fix | a negative {0} is refused now | refuse a negative {0}
        fix | the {0} stays when the page is left | keep the {0} when the page is left
        fix | an empty {0} does not end the import any more | go on after an empty {0}
        fix | the {0} has two digits again | give the {0} two digits again
        docs | the manual explains {0} | explain {0} in the manual
        docs | the example with {0} can be run | mend the example with {0}
        test | a large {0} is tested too | test a large {0}
        test | the test of {0} has no clock any more | take the clock out of the test of {0}
        refactor | the sum of {0} is made in one place | make the sum of {0} in one place
        refactor | {0} has a class of its own | give {0} a class
        perf | {0} is computed when it is asked for | compute {0} when asked
        perf | the table of {0} is read at once | read the table of {0} at once
        chore | the old column for {0} is gone | drop the old column for {0}
        refactor | {0} is written the same everywhere | write {0} the same everywhere
        """))
CHANGES: Final = _FINISHED + tuple(
    Change(one.kind, one.told.format(thing), one.subject.format(thing))
    for one in _DONE
    for _, thing in PLACES
)
# Words for questions about what nobody taught.
UNKNOWN: Final = (
    "glarvon", "tesk", "ombrel", "quandry", "velotin", "harnix", "pomalu", "drestle", "yorvik",
    "sindle", "brocken", "fennery", "lumpet", "caddow", "mirth-code", "plover-run",
)  # fmt: skip


def draw(rng: Random, count: int) -> list[tuple[str, str]]:
    """Return ``count`` places, each once as long as there are enough."""
    places: list[tuple[str, str]] = []
    while len(places) < count:
        places += rng.sample(PLACES, min(len(PLACES), count - len(places)))
    return places
