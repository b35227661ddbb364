"""Sounds spelled letter by letter: every letter of IPA and every mark on it is a sign of its own.

The classes of `speech_tl.phonology.sounds`, which all languages share, leave out length and much else: too many Arabic
words come to sound alike (recipes/LOG.md). Here [tˤaː] is four signs, and a phone that no recording holds is spelled
with signs that others have.
"""

from dataclasses import dataclass, field

from speech_tl.errors import InputError
from speech_tl.phonology.phones import TIE, is_phone, nearest, segments
from speech_tl.phonology.sounds import PHONES, Spell, sound_classes
from speech_tl.phonology.units import Units


def letters(ipa: str, *, where: str = "") -> str:
    """`ˈd͡ʒɑːtˤ` -> `dʒɑːtˤ`: letters, marks and length, one sign each; ties, stress and boundaries dropped.

    Args:
        ipa: broad or narrow, spaces between phones, between words or nowhere.
        where: file and row, for messages.

    Raises:
        InputError: a sign that IPA does not have.
    """
    return "".join(segments(ipa, where=where)).replace(TIE, "")


@dataclass
class Known:
    """Spells with the signs that a model has: a letter it lacks as the nearest, a mark it lacks not at all."""

    units: Units
    stand_ins: dict[str, str] = field(default_factory=dict)
    """Letter or mark -> what was written for it so far."""

    def __call__(self, ipa: str, *, where: str = "") -> str:
        """As `letters`.

        Raises:
            InputError: a sign that IPA does not have, or a letter that nothing can stand for.
        """
        return "".join(sign if sign in self._signs else self._stand_in(sign) for sign in letters(ipa, where=where))

    @property
    def _signs(self) -> tuple[str, ...]:
        return self.units.symbols[1:]

    def _stand_in(self, sign: str) -> str:
        if sign not in self.stand_ins:
            candidates = [own for own in self._signs if is_phone(own)]
            if not is_phone(sign):
                self.stand_ins[sign] = ""
            elif candidates:
                self.stand_ins[sign] = nearest([sign], candidates)[0].nearest
            else:
                raise InputError(f"nothing can stand for {sign!r}: the model knows no letter of IPA")
        return self.stand_ins[sign]


def spelling(units: Units) -> Spell:
    """How a model with these units for sounds has IPA spelled."""
    return sound_classes if units == PHONES else Known(units)
