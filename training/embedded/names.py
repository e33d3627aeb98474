"""Identifiers for generated tasks: random pieces in training, real words held out for evaluation.

Random pieces make copying the only strategy that works, so that names never seen can be used.
"""

from __future__ import annotations

import builtins
import keyword
import string
from collections.abc import Sequence
from random import Random
from typing import Final, Protocol

_TRAINING_WORDS: Final = """
account active adjust agenda alarm amount anchor animal answer apple archive area arrow article
asset average badge bank barrel basket battery beacon bench bill block board boat book border
bottle box branch brick bridge bucket budget build bundle button cable cache calendar camera card
cargo carry case cell center chain change channel chart check city claim class clean clear client
clock close cloud coach code coin collect color column combine common compare compute copy corner
cost counter course cover create credit crew crop current curve cycle daily data deal deck degree
delay depth desk detail device digit draft draw drive drop early earn edge effect empty energy
engine enter entry equal event exact extra factor family farm feature feed field figure file fill
filter find finish first fixed flag flat flight floor flow focus force form format forward frame
free full game garden gate gather grade grain graph great green grid group grow guard guest guide
half handle harbor head heat height help high history hold home hour house image index inner input
item join keep key kind label large last layer lead level light limit line link list local lock
log long loop lower lunch main make map mark match measure merge metal meter method middle mile
mode model month move name near next night node normal note number object offer office open option
order outer output owner pack page pair panel part path pause peak people phase phone pick picture
piece place plan plant plate play point pool port post power press price print process profile
project queue quick quiet radio rain range rank rate ratio reach read record reduce region repair
report result return ring river road rocket room root round route rule sample scale scan school
score screen sea search season seat second section select series set shape share sheet shelf shift
ship shop short side sign signal single size skip slot small source space speed split spot stack
staff stage stamp star start state station step stock store storm stream street strong sub sum
system table tag target task team temp test text ticket tile time title token tool top total town
track trade train travel tree trip truck type unit update upper usage user value vector view visit
voice volume walk wall watch water wave week weight wheel wide wind window winter word work world
year zone
"""

_HELD_OUT_WORDS: Final = """
absence acorn actor airline album almond amber antenna apron armor atlas auction autumn avenue
bakery balcony bamboo banner beetle bicycle biscuit blanket blossom bonus bracket breeze bronze
bulletin butter cabin cactus camel candle canvas canyon carbon castle cedar cement cereal charter
cheese cherry cinema clinic clover cluster coastal cobalt coffee comet compass concert copper
coral cottage cotton courier cricket crystal cushion customer debit decade deposit desert diesel
dinner distance doctor dolphin donor dragon duration eagle earning eclipse elevator elm emblem
employee expense fabric falcon faucet feather fence ferry festival fiber flavor forest fossil
fountain freight galaxy garage garlic ginger glacier glove grocery guitar hammer harvest hazel
helmet herring hotel humidity income insect invoice island ivory jacket jasmine jersey jungle
kayak kernel kettle kitchen ladder lagoon lantern laptop laundry lavender lemon lesson library
lobster luggage magnet mango mapleleaf marble margin marina meadow medal melon mineral monsoon
mortgage mosaic museum mushroom napkin nectar nickel nurse oatmeal ocean olive opera orchard
orchid oxygen oyster paddle parcel parking parrot passenger patient payroll peanut pebble penalty
pension pepper piano pigeon pillow pilot planet plumber podium pollen premium prison pumpkin
purchase pyramid quarry rabbit railway raven reading rebate receipt refund rehearsal rental
reservoir resident ribbon robin saddle salad salary salmon sandal sapphire satellite sculpture
semester sensor shadow shipment silver sleigh spider spinach squirrel stadium statue student
subway suburb sugar summit sunrise surgeon symphony tariff teacher telescope temple tenant theater
thunder timber tobacco toll tomato traffic tulip tunnel turbine turtle umbrella vaccine valley
vanilla velvet vendor venue victory village vineyard violin visitor volcano voltage voucher wage
walnut warehouse warranty whale willow wizard workshop yogurt zebra
"""

TRAINING_WORDS: Final = tuple(_TRAINING_WORDS.split())
HELD_OUT_WORDS: Final = tuple(_HELD_OUT_WORDS.split())
_RESERVED: Final = frozenset({*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "x", "tests"})
_CONSONANTS: Final = "bcdfghjklmnprstvwz"
_VOWELS: Final = "aeiou"
_LETTERS: Final = string.ascii_lowercase


class Names(Protocol):
    """A source of words for identifiers."""

    def word(self, rng: Random) -> str:
        """Return one lower-case word of ASCII letters."""
        ...


class HeldOutNames:
    """Real words that never name anything in training."""

    def word(self, rng: Random) -> str:
        """Return a held-out word."""
        return rng.choice(HELD_OUT_WORDS)


class TrainingNames:
    """Words for training: mostly random joins of ``pieces``, some invented, some real.

    ``pieces`` are letter tokens of the tokenizer; before there is one, syllables stand in. A word
    that equals a held-out word is never returned.
    """

    def __init__(self, pieces: Sequence[str] = ()) -> None:
        """Use ``pieces`` as the material of random words."""
        self._pieces = pieces

    def word(self, rng: Random) -> str:
        """Return a training word."""
        while (word := self._draw(rng)) in _HELD_OUT_SET:
            pass
        return word

    def _draw(self, rng: Random) -> str:
        kind = rng.random()
        if kind < 0.25:
            return rng.choice(TRAINING_WORDS)
        if kind < 0.35 or not self._pieces:
            syllables = rng.randint(1, 2)
            return "".join(
                rng.choice(_CONSONANTS) + rng.choice(_VOWELS) + rng.choice(["", "", "n", "r", "s"])
                for _ in range(syllables)
            )
        count = rng.choice([1, 2, 2, 2, 3, 3, 3, 4])
        return "".join(self._piece(rng) for _ in range(count))

    def _piece(self, rng: Random) -> str:
        # Real words break into single letters, too: "bicycle" is bi-c-y-cle.
        return rng.choice(_LETTERS if rng.random() < 0.25 else self._pieces)


_HELD_OUT_SET: Final = frozenset(HELD_OUT_WORDS)


class Namer:
    """Draws identifiers that are unique within one task."""

    def __init__(self, names: Names, rng: Random) -> None:
        """Draw words from ``names`` with ``rng``."""
        self._names = names
        self._rng = rng
        self._used: set[str] = set(_RESERVED)

    def identifier(self, words: int) -> str:
        """Return a new snake_case identifier of that many words."""
        while True:
            name = "_".join(self._names.word(self._rng) for _ in range(words))
            if name not in self._used and len(name) > 1 and not name.startswith("test"):
                self._used.add(name)
                return name
