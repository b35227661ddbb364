"""Small grammars that write the sentences of the offline corpus.

Nothing may be downloaded by the default demo, so its texts are made here: four languages that share many
sounds and are spelled much as they are spoken, each a handful of patterns over a lexicon. Endings and
prefixes are slots of their own, so that word forms are many.
"""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass

from speech_tl.errors import InputError, unknown_name


@dataclass(frozen=True)
class Grammar:
    """Patterns with `{slot}` places, and for each slot its fillers, separated by spaces."""

    patterns: tuple[str, ...]
    slots: Mapping[str, str]

    def write(self, generator: random.Random) -> str:
        """One sentence: a pattern, every slot filled independently."""

        def fill(place: re.Match[str]) -> str:
            return generator.choice(self.slots[place[1]].split())

        return re.sub(r"\{(\w+)\}", fill, generator.choice(self.patterns))


ESPERANTO = Grammar(
    patterns=(
        "la {noun}o {verb}{tense} la {noun}on",
        "la {noun}o {verb}{tense} {adjective}an {noun}on",
        "{pronoun} {verb}{tense} {adjective}ajn {noun}ojn",
        "{pronoun} ne {verb}{tense} la {noun}on",
        "la {adjective}a {noun}o dorm{tense}",
        "hieraŭ {pronoun} {verb}is {noun}on",
        "morgaŭ {pronoun} {verb}os {noun}ojn",
        "{pronoun} labor{tense} en la {place}o",
        "{adjective}aj {noun}oj {verb}{tense} la {noun}on",
    ),
    slots={
        "noun": "kat hund bird ĉeval infan knab patr amik najbar instruist kuracist kapr fiŝ libr dom"
        " tabl pom pan flor fenestr leter ŝip mont river ŝton pupil kant monat ĉapel ĝarden"
        " sun",
        "verb": "vid aĉet vend port am serĉ trov pentr lav malferm ŝat manĝ kapt montr uz mezur nutr salut",
        "adjective": "bel bon grand nov jun blank nigr ruĝ verd blu rapid trankvil fort simpl kar",
        "pronoun": "mi vi li ŝi ni ili",
        "tense": "as is os",
        "place": "ĝarden kuirej lernej urb vilaĝ arbar preĝej hospital",
    },
)

FINNISH = Grammar(
    patterns=(
        "{person} {present} {thing}",
        "{person} {past} {quality} {thing}",
        "{quality_nominative} {person} {present} {thing}",
        "minä {first} {thing} {place}",
        "eilen {person} {past} {thing}",
        "{time} {person} {present} {quality} {thing}",
        "{person} istuu {place}",
        "{person} ja {person} nukkuvat {place}",
        "{time} minä {first} {thing}",
    ),
    slots={
        "person": "poika tyttö äiti isä opettaja lääkäri naapuri ystävä lapsi mummo kalastaja sisko veli vieras",
        "present": "katsoo ostaa lukee etsii kantaa rakastaa kuuntelee odottaa maalaa pesee myy tuo vie tarvitsee",
        "past": "katsoi osti luki etsi kantoi rakasti kuunteli odotti maalasi pesi myi toi vei tarvitsi",
        "first": "katson ostan luen etsin kannan rakastan kuuntelen odotan maalaan pesen myyn tuon vien tarvitsen",
        "thing": "kirjaa taloa autoa leipää kalaa kukkaa venettä koiraa kissaa omenaa pöytää ikkunaa"
        " laulua kuvaa lehteä maitoa vettä hevosta kelloa ovea sukkaa puuta kiveä marjaa",
        "quality": "isoa pientä vanhaa uutta punaista sinistä kaunista hyvää vihreää kallista",
        "quality_nominative": "iso pieni vanha uusi kaunis hyvä iloinen väsynyt nuori",
        "time": "tänään aamulla illalla joskus aina",
        "place": "metsässä kaupassa talossa koulussa kaupungissa rannalla pihalla puistossa kotona junassa",
    },
)

ITALIAN = Grammar(
    patterns=(
        "il {man} {verb}{third} il {masculine}o",
        "la {woman} {verb}{third} la {feminine}a",
        "{verb}o un {masculine}o {adjective}o",
        "{verb}o una {feminine}a {adjective}a",
        "oggi {verb}iamo il {masculine}o",
        "il {man} {verb}{third} una {feminine}a",
        "la {adjective}a {woman} canta {place}",
        "il {man} lavora {place}",
        "domani {verb}iamo la {feminine}a {adjective}a",
        "{verb}{third} la {feminine}a {place}",
    ),
    slots={
        "man": "ragazzo gatto cane medico nonno padre contadino pescatore maestro cuoco vicino signore fratello",
        "woman": "ragazza madre nonna sorella maestra vicina signora figlia cugina regina",
        "verb": "compr guard port trov lav us prepar disegn ador mostr riport ascolt",
        "third": "a ava erà",
        "masculine": "libr vin vestit tavol quadr lett cappell sacc bigliett martell tappet formaggi pann",
        "feminine": "cas letter mel finestr barc strad cart pietr port lun ros sedi tort bors",
        "adjective": "ross nuov vecchi piccol bell bianc ner pien car antic",
        "place": "oggi sempre bene spesso domani insieme fuori dentro lontano",
    },
)

SWAHILI = Grammar(
    patterns=(
        "{person} a{tense}{verb} {thing}",
        "{people} wa{tense}{verb} {thing} {place}",
        "{subject}{tense}{verb} {thing}",
        "jana {subject}li{verb} {thing}",
        "kesho {subject}ta{verb} {thing} {place}",
        "{person} a{tense}{verb} {thing} {place}",
        "{people} wa{tense}{verb} {thing}",
        "leo {person} ana{verb} {thing}",
        "{subject}{tense}{verb} {thing} na {thing}",
    ),
    slots={
        "person": "mama baba mwalimu mtoto rafiki daktari mkulima dada kaka bibi jirani mgeni mvuvi",
        "people": "watoto walimu marafiki wakulima wageni wazazi wavuvi",
        "subject": "ni u a tu m wa",
        "tense": "na li ta me",
        "verb": "penda soma ona leta nunua uza pika tafuta andika fungua safisha beba chukua weka tumia pokea",
        "thing": "kitabu maji chakula nyumba mti samaki ndizi barua mlango chai maziwa shamba gari"
        " kikombe meza kuku mkate sukari chumvi picha",
        "place": "sokoni nyumbani shuleni mjini shambani hospitalini jikoni barabarani",
    },
)

GRAMMARS: Mapping[str, Grammar] = {"eo": ESPERANTO, "fi": FINNISH, "it": ITALIAN, "sw": SWAHILI}
"""Language code, as espeak-ng spells it, to its grammar."""


def sentences(language: str, count: int, generator: random.Random) -> tuple[str, ...]:
    """`count` different sentences of 2 to 5 words, in the order they were written."""
    if language not in GRAMMARS:
        raise unknown_name("language", language, GRAMMARS, where="the offline corpus")
    written: dict[str, None] = {}
    for _ in range(20 * count):
        if len(written) == count:
            break
        written[GRAMMARS[language].write(generator)] = None
    if len(written) < count:
        raise InputError(f"the grammar of {language!r} writes fewer than {count} different sentences")
    return tuple(written)
