"""The project that is attacked: one region of every kind, and how each may and must not change.

``broken`` gives a region in a form that its level forbids, ``changed`` one that it allows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

TOML = """# What the crew must not change.
[[contract]]
id = "rounding"
region = "shop/money.py::round_to"
level = "strict"

[[contract]]
region = "shop/money.py::split"
level = "moderate"

[[contract]]
region = "shop/money.py::fee"
level = "flexible"

[[contract]]
region = "shop/table.csv"
level = "strict"

[[contract]]
region = "migrations/**"
level = "strict"

[[contract]]
region = "shop/dos.py::checksum"
level = "strict"

[[contract]]
region = "shop/legacy.py"
level = "moderate"

[[contract]]
region = "shop/cart.py::Cart"
level = "flexible"
"""
ROUND = '''def round_to(value, digits=2):
    """Round half away from zero."""
    scale = 10**digits
    sign = -1 if value < 0 else 1
    return sign * int(abs(value) * scale + 0.5) / scale
'''
SPLIT = '''def split(amount, people):
    """Split an amount into equal parts, the first ones larger."""
    part, rest = divmod(amount, people)
    shares = [part] * people
    for at in range(rest):
        shares[at] += 1
    return shares
'''
FEE = '''def fee(amount, rate=3, *, floor=1):
    """Return the fee of an amount."""
    return max(floor, amount * rate // 100)
'''
CART = '''class Cart:
    """A cart."""

    def __init__(self):
        self.items = []

    def add(self, price, count=1):
        self.items += [price] * count

    def total(self):
        return sum(self.items)
'''
LEGACY = '''"""Kept as it is."""

LIMIT = 12


def legacy(number):
    total = 0
    for step in range(number):
        total += step * LIMIT
    return total
'''
RATES = """RATES = {
    "book": 7,
    "bread": 7,
    "car": 19,
}
"""
CHECK = "def checksum(text):\r\n    return sum(map(ord, text)) % 97\r\n"
OTHER = "def other(number):\n    return number + 1\n"
FILES: dict[str, bytes] = {
    ".mcp-local-llm/preserve.toml": TOML.encode(),
    "shop/__init__.py": b"",
    "shop/money.py": f'"""Money."""\n\n\n{ROUND}\n\n{SPLIT}\n\n{FEE}\n\n{OTHER}'.encode(),
    "shop/cart.py": f"{CART}\n\n{OTHER}".encode(),
    "shop/legacy.py": LEGACY.encode(),
    "shop/rates.py": (f"# preserve: strict id=rates\n{RATES}# preserve: end\n\n\n{OTHER}").encode(),
    "shop/table.csv": "\ufeffname,price\r\nbread,3\r\nmilk,2\r\n".encode(),
    "shop/dos.py": f"{CHECK}\r\n\r\n{OTHER}".replace("\r\n", "\n").replace("\n", "\r\n").encode(),
    "shop/free.py": OTHER.encode(),
    "migrations/0001_start.sql": b"CREATE TABLE item (id INTEGER);\n",
    "migrations/0002_more.sql": b"ALTER TABLE item ADD price INTEGER;\n",
    "README.md": b"# Shop\n",
    "tests/test_shop.py": b"from shop.free import other\n\n\ndef test_it():\n    assert other(1) == 2\n",
}

Change = Callable[[Random], str]


@dataclass(frozen=True)
class Region:
    """A protected place: the file, the text as it stands there, its level, and changes of it."""

    name: str
    path: str
    level: str
    text: str
    breaks: tuple[Change, ...]
    allows: tuple[Change, ...] = ()
    symbol: str = ""
    rebinding: str = ""

    def broken(self, random: Random) -> str:
        """Return the region as its level forbids it."""
        return random.choice(self.breaks)(random)

    def changed(self, random: Random) -> str:
        """Return the region otherwise, as its level allows it."""
        return random.choice(self.allows)(random)


def _replaced(text: str, old: str, new: str) -> Change:
    """Return a change that puts ``new`` for ``old``; N stands for a number of the generator's."""
    assert old in text
    times = -1 if old in {"total", "rest", "shares"} else 1  # a name, everywhere
    return lambda random: text.replace(
        old, new.replace("N", str(random.randrange(100, 99_999))), times
    )


def _strict(text: str, *pairs: tuple[str, str]) -> tuple[Change, ...]:
    return tuple(_replaced(text, old, new) for old, new in pairs)


REGIONS = (
    Region(
        "round", "shop/money.py", "strict", ROUND,
        _strict(
            ROUND, ("10**digits", "N**digits"), ("0.5", "0.N"), ('zero."""', 'zero (N)."""'),
            ("value < 0 else 1", "value < 0 else N"), ("10**digits", "10 ** digits  # N"),
            ("    sign", "    mark = N\n    sign"), ("(value, digits=2)", "(value, digits=N)"),
        ),
        symbol="round_to", rebinding="round_to = lambda value, digits=2: N",
    ),
    Region(
        "split", "shop/money.py", "moderate", SPLIT,
        _strict(
            SPLIT, ("+= 1", "+= N"), ("(rest)", "(rest + N)"), ("[part]", "[part + N]"),
            ("return shares", "return shares[:-1] or N"), ("(amount, people)\n    s", "(N, people)\n    s"),
        ),
        _strict(
            SPLIT, ("equal parts", "N parts"), ("    shares =", "    # N\n    shares ="),
            ('    """Split an amount into equal parts, the first ones larger."""\n', ""),
            ("def split(amount, people):", "def split(amount: int, people: int) -> list[int]:"),
            ("[part] * people", "[part]  *  people"), ("[part] * people\n", "[part] * people\n\n"),
            ("rest", "left_N"), ("shares", "parts_N"),
        ),
        symbol="split", rebinding="split = lambda amount, people: [N]",
    ),
    Region(
        "fee", "shop/money.py", "flexible", FEE,
        _strict(
            FEE, ("(amount, rate=3, *, floor=1)", "(amount, rate, day, *, floor=N)"),
            ("(amount, rate=3, *, floor=1)", "(amount, *, floor=N)"), ("def fee", "def fee_N"),
            ("rate=3, *, floor=1", "rate=3, *, floor"), ("rate=3, *, floor=1", "*, rate=N, floor=1"),
            ("(amount,", "(price_N,"),
        ),
        _strict(
            FEE, ("amount * rate // 100", "int(amount * rate / N)"), ("floor=1)", "floor=1, day=N)"),
            ("    return max", "    extra = N\n    return extra + max"), ("the fee", "fee N"),
            ("(amount, rate=3, *, floor=1)", "(amount: int, rate: int = 3, *, floor: int = 1) -> int"),
        ),
        symbol="fee", rebinding="fee = N",
    ),
    Region(
        "cart", "shop/cart.py", "flexible", CART,
        _strict(
            CART, ("def total(self)", "def total(self, day_N)"), ("def add", "def add_N"),
            ("class Cart:", "class Cart_N:"), ("def total(self)", "def sum_N(self)"),
            ("price, count=1", "price, count"), ("def __init__(self)", "def __init__(self, owner_N)"),
        ),
        _strict(
            CART, ("sum(self.items)", "sum(sorted(self.items)) + 0 * N"), ("A cart.", "Cart N."),
            ("    def total", "    def clear_N(self):\n        self.items = []\n\n    def total"),
            ("[price] * count", "[price for _ in range(count)]"), ("count=1", "count=1, note=N"),
        ),
        symbol="Cart", rebinding="Cart = N",
    ),
    Region(
        "legacy", "shop/legacy.py", "moderate", LEGACY,
        _strict(
            LEGACY, ("LIMIT = 12", "LIMIT = N"), ("step * LIMIT", "step + N"), ("total = 0", "total = N"),
            ("return total", "return total + N"), ("range(number)", "range(number + N)"),
        ),
        _strict(
            LEGACY, ("Kept as it is.", "Kept, N."), ("    total = 0", "    # N\n    total = 0"),
            ("(number):", "(number: int) -> int:"), ("step * LIMIT", "(step * LIMIT)"),
            ("\n\n\ndef", "\n\n\n# N\ndef"), ("total", "sum_N"),
        ),
        rebinding="legacy = lambda number: N",
    ),
    Region(
        "rates", "shop/rates.py", "strict", RATES,
        _strict(RATES, ('"car": 19', '"car": N'), ('"book": 7', '"book": N'),
                ("    \"car\"", "    # N\n    \"car\""), ('    "bread": 7,\n', "")),
    ),
    Region(
        "table", "shop/table.csv", "strict", "name,price\nbread,3\nmilk,2\n",
        _strict("name,price\nbread,3\nmilk,2\n", ("bread,3", "bread,N"), ("milk,2\n", "milk,2\nN,1\n"),
                ("milk,2\n", ""), ("name", "Name N")),
        rebinding="butter,N",
    ),
    Region(
        "migration", "migrations/0001_start.sql", "strict", "CREATE TABLE item (id INTEGER);\n",
        _strict("CREATE TABLE item (id INTEGER);\n", ("INTEGER", "BIGINT"), ("item", "item_N"),
                (";", "; -- N")),
        rebinding="DROP TABLE item; -- N",
    ),
    Region(
        "dos", "shop/dos.py", "strict", CHECK.replace("\r", ""),
        _strict(CHECK.replace("\r", ""), ("97", "N"), ("ord, text", "ord, text * N"),
                ("return", "return N +")),
        symbol="checksum", rebinding="checksum = lambda text: N",
    ),
)  # fmt: skip
