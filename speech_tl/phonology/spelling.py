"""How a model of sounds has IPA spelled: in the classes that all languages share, or phone by phone.

The classes of `speech_tl.phonology.sounds` leave out length and much else, and too many Arabic words come to sound
alike; signs for letters and marks apart ([tˤaː] as four) were no better (recipes/LOG.md). So a model of one language's
words has a unit for every phone of its training, and what it lacks is spelled with the nearest.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from speech_tl.errors import InputError
from speech_tl.phonology.lexicon import Lexicon, PrefixTree, prefix_tree
from speech_tl.phonology.phones import TONES, Nearest, articulated, nearest, segments
from speech_tl.phonology.sounds import PHONES, Spell, sound_classes
from speech_tl.phonology.units import BLANK, Units

FEW = 3
"""Words of a language that a phone must be in to be known by itself.

Chosen by clips of held-out words, of draws 0 to 4, that validation speakers say (recipes/LOG.md).
"""


def phones(ipa: str, *, tones: bool = False, where: str = "") -> str:
    """`ˈdʒ ɑː tˤ` -> `d͡ʒɑːtˤ`: IPA without stress, boundaries and spaces, affricates tied.

    Args:
        ipa: broad or narrow.
        tones: tone letters are kept, sounds of their own; else a word is spelled without its tones.
        where: file and row, for messages.

    Raises:
        InputError: a sign that IPA does not have.
    """
    return "".join(segments(ipa, tones=tones, where=where))


def phone_units(spelled: list[str]) -> Units:
    """A unit for every phone, and every tone letter, that occurs; sorted."""
    return Units((BLANK, *sorted({phone for each in spelled for phone in segments(each, tones=True)})))


@dataclass
class Known:
    """Spells with the phones that a model has, and with the nearest of them (`phones.nearest`) where it lacks one.

    Of tones, nearest in level; a model that knows no tone has words spelled without.
    """

    units: Units
    stand_ins: dict[str, Nearest] = field(default_factory=dict)
    """Phone -> what was written for it so far."""

    def __call__(self, ipa: str, *, where: str = "") -> str:
        """As `phones`.

        Raises:
            InputError: a sign that IPA does not have, or a phone without articulation.
        """
        signs = segments(phones(ipa, tones=bool(self._levels), where=where), tones=True)  # tied as in training
        try:
            return "".join(sign if sign in self.units.symbols else self._stand_in(sign) for sign in signs)
        except InputError as error:
            raise InputError(f"{where}: {error}" if where else str(error)) from None

    @property
    def told(self) -> str:
        """What was written for phones that the model lacks, in words; empty where it lacked none."""
        used = [f"[{each.phone}] as [{each.nearest}] ({each.distance:.2f})" for each in self.stand_ins.values()]
        return f"{len(used)} phones were never heard and are read as the nearest: {', '.join(used)}" if used else ""

    @property
    def _levels(self) -> list[str]:
        """The tone letters that the model has."""
        return [sign for sign in TONES if sign in self.units.symbols]

    def _stand_in(self, phone: str) -> str:
        if phone not in self.stand_ins and phone in TONES:
            steps = {level: abs(TONES.index(level) - TONES.index(phone)) for level in self._levels}
            level = min(steps, key=steps.__getitem__)
            self.stand_ins[phone] = Nearest(phone, level, steps[level] / (len(TONES) - 1))
        elif phone not in self.stand_ins:
            known = articulated(sign for sign in self.units.symbols[1:] if sign not in TONES)
            (self.stand_ins[phone],) = nearest([phone], known)
        return self.stand_ins[phone].nearest


def understudies(spelled: Iterable[str], units: Units, *, fewest: int = FEW) -> dict[str, str]:
    """Each phone that fewer than so many different words have -> the nearest of those that more have.

    Of a phone in one word or two a model has learned the words, not the phone.

    Args:
        spelled: a language's words, phone by phone.
        units: all that the model has, other languages' too.
    """
    words = Counter(phone for word in set(spelled) for phone in set(segments(word)))
    known = articulated(phone for phone in units.symbols[1:] if phone not in TONES)
    often = [phone for phone in known if words[phone] >= fewest]
    rare = [phone for phone in known if words[phone] < fewest]
    return {each.phone: each.nearest for each in nearest(rare, often)} if rare and often else {}


def doubted(lexicon: Lexicon, stands_for: Mapping[str, str], units: Units) -> PrefixTree | None:
    """Of the pronunciations with such phones, spelled with those that stand for them; None where no word has any.

    Args:
        lexicon: spelled in these units.
    """
    found: dict[str, tuple[str, ...]] = {}
    for word, ways in lexicon.entries.items():
        others = ("".join(stands_for.get(sign, sign) for sign in units.cut(said)) for said in ways)
        if new := tuple(dict.fromkeys(said for said in others if said not in ways)):
            found[word] = new
    return prefix_tree(Lexicon(found), units=units.encode) if found else None


def spelling(units: Units) -> Spell:
    """What spells IPA for a model with these units for sounds."""
    return sound_classes if units == PHONES else Known(units)
