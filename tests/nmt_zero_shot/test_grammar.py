"""The offline corpus, read by eye: each rule of the five grammars has its sentence, and no sentence two meanings."""

import random
import re
from collections import Counter

import pytest

from nmt_zero_shot import grammar
from nmt_zero_shot.corpus import check_held_out, divide
from nmt_zero_shot.lexicon import ADJECTIVES, NOUNS, PLACES, TIMES, VERBS
from nmt_zero_shot.realisation import PRONOUNS, Meaning, Phrase, german

SENTENCES = """
the dog > sleep
The dog sleeps.
Der Hund schläft.
Le chien dort.
犬は眠ります。
개는 잡니다.

the small cat > see > the beautiful bird; yesterday; past
The small cat saw the beautiful bird yesterday.
Gestern hat die kleine Katze den schönen Vogel gesehen.
Hier, le petit chat a vu le bel oiseau.
昨日、小さい猫は美しい鳥を見ました。
어제 작은 고양이는 아름다운 새를 보았습니다.

my friend > help > three happy children; in the garden
My friend helps three happy children in the garden.
Mein Freund hilft im Garten drei glücklichen Kindern.
Mon ami aide trois enfants heureux dans le jardin.
私の友達は庭で三人の幸せな子供を手伝います。
제 친구는 정원에서 행복한 아이 세 명을 돕습니다.

two girls > arrive; at the station; past
Two girls arrived at the station.
Zwei Mädchen sind am Bahnhof angekommen.
Deux filles sont arrivées à la gare.
二人の少女が駅に着きました。
소녀 두 명이 역에 도착했습니다.

I > call > the boy; not
I do not call the boy.
Ich rufe den Jungen nicht an.
Je n'appelle pas le garçon.
私は少年に電話しません。
저는 소년에게 전화하지 않습니다.

the doctor > show > our white horse > the kind nurse; today; past
The doctor showed our white horse to the kind nurse today.
Heute hat der Arzt der freundlichen Krankenschwester unser weißes Pferd gezeigt.
Aujourd'hui, le médecin a montré notre cheval blanc à la gentille infirmière.
今日、医者は親切な看護師に私たちの白い馬を見せました。
오늘 의사는 친절한 간호사에게 우리 하얀 말을 보여 주었습니다.

this student > look > this man; at school; past; not
This student did not look for this man at school.
Dieser Student hat diesen Mann nicht in der Schule gesucht.
Cet étudiant n'a pas cherché cet homme à l'école.
この学生は学校でこの男性を探しませんでした。
이 학생은 학교에서 이 남자를 찾지 않았습니다.

this nurse > wait > my friend; in the park; past; not
This nurse did not wait for my friend in the park.
Diese Krankenschwester hat nicht im Park auf meinen Freund gewartet.
Cette infirmière n'a pas attendu mon ami dans le parc.
この看護師は公園で私の友達を待ちませんでした。
이 간호사는 공원에서 제 친구를 기다리지 않았습니다.

we > eat > two red apples; every day
We eat two red apples every day.
Jeden Tag essen wir zwei rote Äpfel.
Tous les jours, nous mangeons deux pommes rouges.
毎日、私たちは二個の赤いりんごを食べます。
매일 우리는 빨간 사과 두 개를 먹습니다.

the car > expensive; past; not
The car was not expensive.
Das Auto war nicht teuer.
La voiture n'était pas chère.
車は高価ではありませんでした。
자동차는 비싸지 않았습니다.

three hats > black
Three hats are black.
Drei Hüte sind schwarz.
Trois chapeaux sont noirs.
三個の帽子が黒いです。
모자 세 개가 까맣습니다.

many famous cooks > buy > two beautiful birds; past
Many famous cooks bought two beautiful birds.
Viele berühmte Köche haben zwei schöne Vögel gekauft.
Beaucoup de cuisiniers célèbres ont acheté deux beaux oiseaux.
たくさんの有名な料理人が二羽の美しい鳥を買いました。
많은 유명한 요리사가 아름다운 새 두 마리를 샀습니다.

she > sell > my expensive watch > the farmer; past
She sold my expensive watch to the farmer.
Sie hat dem Bauern meine teure Uhr verkauft.
Elle a vendu ma montre chère à l'agriculteur.
彼女は農夫に私の高価な時計を売りました。
그녀는 농부에게 제 비싼 시계를 팔았습니다.

he > look > my picture
He looks for my picture.
Er sucht mein Bild.
Il cherche mon image.
彼は私の絵を探します。
그는 제 그림을 찾습니다.

the young woman > send > many letters > three boys; in the park; past
The young woman sent many letters to three boys in the park.
Die junge Frau hat im Park drei Jungen viele Briefe geschickt.
La jeune femme a envoyé beaucoup de lettres à trois garçons dans le parc.
若い女性は公園で三人の少年にたくさんの手紙を送りました。
젊은 여자는 공원에서 소년 세 명에게 많은 편지를 보냈습니다.

our neighbour > show > the egg > two children; in the kitchen
Our neighbour shows the egg to two children in the kitchen.
Unser Nachbar zeigt das Ei in der Küche zwei Kindern.
Notre voisin montre l'œuf à deux enfants dans la cuisine.
私たちの隣人は台所で二人の子供に卵を見せます。
우리 이웃은 부엌에서 아이 두 명에게 달걀을 보여 줍니다.

the letter > beautiful; past
The letter was beautiful.
Der Brief war schön.
La lettre était belle.
手紙は美しかったです。
편지는 아름다웠습니다.

this flower > blue; not
This flower is not blue.
Diese Blume ist nicht blau.
Cette fleur n'est pas bleue.
この花は青くありません。
이 꽃은 파랗지 않습니다.

this umbrella > heavy; past; not
This umbrella was not heavy.
Dieser Regenschirm war nicht schwer.
Ce parapluie n'était pas lourd.
この傘は重くありませんでした。
이 우산은 무겁지 않았습니다.

the book > big
The book is big.
Das Buch ist groß.
Le livre est grand.
本は大きいです。
책은 큽니다.

the child > kind; yesterday; past
The child was kind yesterday.
Gestern war das Kind freundlich.
Hier, l'enfant était gentil.
昨日、子供は親切でした。
어제 아이는 친절했습니다.

she > famous; not
She is not famous.
Sie ist nicht berühmt.
Elle n'est pas célèbre.
彼女は有名ではありません。
그녀는 유명하지 않습니다.

I > draw > my heavy chair; past
I drew my heavy chair.
Ich habe meinen schweren Stuhl gezeichnet.
J'ai dessiné ma chaise lourde.
私は私の重い椅子を描きました。
저는 제 무거운 의자를 그렸습니다.

my young friend > laugh
My young friend laughs.
Mein junger Freund lacht.
Mon jeune ami rit.
私の若い友達は笑います。
제 젊은 친구는 웃습니다.

the girl > cry
The girl cries.
Das Mädchen weint.
La fille pleure.
少女は泣きます。
소녀는 웁니다.

many friends > dance; past
Many friends danced.
Viele Freunde haben getanzt.
Beaucoup d'amis ont dansé.
たくさんの友達が踊りました。
많은 친구가 춤췄습니다.

many children > arrive; today; past
Many children arrived today.
Heute sind viele Kinder angekommen.
Aujourd'hui, beaucoup d'enfants sont arrivés.
今日、たくさんの子供が着きました。
오늘 많은 아이가 도착했습니다.

he > arrive; at school; not
He does not arrive at school.
Er kommt nicht in der Schule an.
Il n'arrive pas à l'école.
彼は学校に着きません。
그는 학교에 도착하지 않습니다.

I > sell > three cups > the cook
I sell three cups to the cook.
Ich verkaufe dem Koch drei Tassen.
Je vends trois tasses au cuisinier.
私は料理人に三個のカップを売ります。
저는 요리사에게 컵 세 개를 팝니다.

this man > write > the book; in the forest
This man writes the book in the forest.
Dieser Mann schreibt das Buch im Wald.
Cet homme écrit le livre dans la forêt.
この男性は森で本を書きます。
이 남자는 숲에서 책을 씁니다.

two dogs > wait > the student; at the station; every day
Two dogs wait for the student at the station every day.
Jeden Tag warten zwei Hunde am Bahnhof auf den Studenten.
Tous les jours, deux chiens attendent l'étudiant à la gare.
毎日、二匹の犬が駅で学生を待ちます。
매일 개 두 마리가 역에서 학생을 기다립니다.

this beautiful cow > swim; past
This beautiful cow swam.
Diese schöne Kuh ist geschwommen.
Cette belle vache a nagé.
この美しい牛は泳ぎました。
이 아름다운 소는 헤엄쳤습니다.

we > sing; today; past
We sang today.
Heute haben wir gesungen.
Aujourd'hui, nous avons chanté.
今日、私たちは歌いました。
오늘 우리는 노래했습니다.

three cars > small; past
Three cars were small.
Drei Autos waren klein.
Trois voitures étaient petites.
三台の車が小さかったです。
자동차 세 대가 작았습니다.

this bicycle > white; past
This bicycle was white.
Dieses Fahrrad war weiß.
Ce vélo était blanc.
この自転車は白かったです。
이 자전거는 하얬습니다.

our kind doctor > work; past
Our kind doctor worked.
Unser freundlicher Arzt hat gearbeitet.
Notre gentil médecin a travaillé.
私たちの親切な医者は働きました。
우리 친절한 의사는 일했습니다.
"""


def meaning(text: str) -> Meaning:
    """`the small dog > see > two cats; in the park; yesterday; past; not`."""
    who, *rest = (part.strip() for part in text.split(";"))
    subject, predicate, *objects = (part.strip() for part in who.split(">"))
    return Meaning(
        subject=subject if subject in PRONOUNS else phrase(subject),
        predicate=(VERBS | ADJECTIVES)[predicate],
        objects=tuple(map(phrase, objects)),
        place=next((PLACES[word] for word in rest if word in PLACES), None),
        time=next((TIMES[word] for word in rest if word in TIMES), None),
        past="past" in rest,
        negative="not" in rest,
    )


def phrase(text: str) -> Phrase:
    determiner, *adjectives, noun = text.split()
    found = next(word for word in NOUNS.values() if noun in word.en)
    return Phrase(determiner, found, ADJECTIVES[adjectives[0]] if adjectives else None)


@pytest.mark.parametrize("block", SENTENCES.strip().split("\n\n"), ids=lambda block: block.split("\n")[0])
def test_a_sentence_checked_by_hand(block: str) -> None:
    what, *lines = block.split("\n")
    assert list(grammar.say(meaning(what)).values()) == lines


GERMAN = """
this big dog: dieser große Hund, diesen großen Hund, diesem großen Hund
my big dog: mein großer Hund, meinen großen Hund, meinem großen Hund
the expensive watch: die teure Uhr, die teure Uhr, der teuren Uhr
our expensive watch: unsere teure Uhr, unsere teure Uhr, unserer teuren Uhr
the blue car: das blaue Auto, das blaue Auto, dem blauen Auto
my blue car: mein blaues Auto, mein blaues Auto, meinem blauen Auto
the kind boy: der freundliche Junge, den freundlichen Jungen, dem freundlichen Jungen
two young doctors: zwei junge Ärzte, zwei junge Ärzte, zwei jungen Ärzten
many white eggs: viele weiße Eier, viele weiße Eier, vielen weißen Eiern
three black cars: drei schwarze Autos, drei schwarze Autos, drei schwarzen Autos
"""


@pytest.mark.parametrize("row", GERMAN.strip().split("\n"))
def test_german_declines(row: str) -> None:
    text, forms = row.split(": ")
    what = phrase(text)
    subject = german(Meaning(what, VERBS["see"], (phrase("the cat"),), time=TIMES["today"]))
    said = [re.sub("^Heute (sieht|sehen) | die Katze.$", "", subject)]
    said += [german(Meaning("he", VERBS[verb], (what,))).split(" ", 2)[2].removesuffix(".") for verb in ("see", "help")]
    assert said == forms.split(", ")


def test_a_sentence_has_one_meaning_and_a_meaning_one_sentence() -> None:
    generator = random.Random(0)
    meanings = {grammar.draw(generator) for _ in range(24000)}
    assert len(meanings) >= 20000
    rows = [grammar.say(meaning) for meaning in meanings]
    for language in rows[0]:
        assert len({row[language] for row in rows}) == len(meanings), language


def test_what_is_tested_is_never_trained() -> None:
    corpus = grammar.generate(sentences=2000)
    assert (len(corpus.train), len(corpus.valid), len(corpus.tests["test"])) == (2000, 200, 300)
    assert sorted(corpus.train[0]) == ["de", "en", "fr", "ja", "ko"]
    for language in corpus.train[0]:
        trained = {row[language] for row in corpus.train}
        assert not trained & {row[language] for row in (*corpus.valid, *corpus.tests["test"])}


def test_the_same_seed_writes_the_same_corpus() -> None:
    assert grammar.generate(sentences=50) == grammar.generate(sentences=50)
    assert grammar.generate(sentences=50).train != grammar.generate(sentences=50, seed=1).train


def test_every_word_is_trained_often_and_the_pairs_share_no_english() -> None:
    corpus = grammar.generate()
    words = Counter(word for row in corpus.train for word in row["en"].lower().rstrip(".").split())
    for noun in NOUNS.values():
        assert sum(words[form] for form in set(noun.en)) >= 200, noun.en
    bitexts = divide(corpus.train)
    assert {pair: len(texts) for pair, texts in bitexts.items()} == {("en", x): 5000 for x in ("de", "fr", "ja", "ko")}
    check_held_out(bitexts, [("ja", "ko"), ("de", "fr"), ("fr", "ja")])


@pytest.mark.parametrize(
    "odd",
    [
        "the dog > see > the dog",
        "my woman > sleep",
        "I > happy",
        "we > arrive; past",
        "he > see > two dogs; not",
        "she > sing; every day; not",
        "she > red",
        "many books > heavy",
        "the book > heavy; today",
        "the child > kind; every day",
    ],
)
def test_what_nobody_would_say_alike_is_not_drawn(odd: str) -> None:
    assert not grammar.sayable(meaning(odd))


def test_what_is_drawn_is_sayable() -> None:
    assert grammar.sayable(meaning("the child > kind; today"))
    generator = random.Random(1)
    assert all(grammar.sayable(grammar.draw(generator)) for _ in range(100))
