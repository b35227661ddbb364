"""The words of the offline corpus: one row a word, with the forms of each language that no rule of it gives.

Rows follow what grammars call a lexical entry (Ranta, "Grammatical Framework", 2011): the rules of inflection and word
order are in `nmt_zero_shot.realisation`, what is irregular is here, and words are so chosen that a sentence has one
translation: no word with two meanings, no kinship that Japanese and Korean split, nobody Korean must honour.
"""

# ruff: noqa: E501  a row of a table is a line

from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class Word:
    """One meaning's forms in every language; there is one object of each."""

    kind: str
    """Nouns: what it is. Adjectives: the kinds it describes. Verbs: the kinds of its subject, object and recipient,
    with ` > ` between. Times: the tense it goes with.
    """
    en: tuple[str, ...]
    de: tuple[str, ...]
    fr: tuple[str, ...]
    ja: tuple[str, ...]
    ko: tuple[str, ...]


def _table(text: str) -> dict[str, Word]:
    """Rows of `kind | en | de | fr | ja | ko`, forms between commas; a word is found under its first English form."""
    words = {}
    for line in text.strip().splitlines():
        kind, *languages = (cell.strip() for cell in line.split("|"))
        forms = [tuple(form.strip() for form in cell.split(",")) for cell in languages]
        words[forms[0][0]] = Word(kind, *forms)
    return words


KINDS = {
    "adult": {"adult"},
    "person": {"adult", "child"},
    "animate": {"adult", "child", "animal"},
    "text": {"text"},
    "food": {"food"},
    "thing": {"text", "food", "thing"},
    "ware": {"text", "food", "thing", "animal"},
    "any": {"adult", "child", "animal", "text", "food", "thing"},
}
"""What a verb or an adjective asks for -> the nouns that are it."""

NOBODYS = ("man", "woman", "boy", "girl")
"""Nouns without my and our: meine Frau is a wife and ma fille a daughter."""

# en: singular, plural. de: gender (w: masculine with -n in every case but one), singular, plural. fr: gender, singular,
# plural. ja, ko: the noun, its counter.
NOUNS = _table("""
adult  | doctor, doctors       | m, Arzt, Ärzte                             | m, médecin, médecins         | 医者, 人   | 의사, 명
adult  | student, students     | w, Student, Studenten                      | m, étudiant, étudiants       | 学生, 人   | 학생, 명
adult  | farmer, farmers       | w, Bauer, Bauern                           | m, agriculteur, agriculteurs | 農夫, 人   | 농부, 명
adult  | cook, cooks           | m, Koch, Köche                             | m, cuisinier, cuisiniers     | 料理人, 人 | 요리사, 명
adult  | nurse, nurses         | f, Krankenschwester, Krankenschwestern     | f, infirmière, infirmières   | 看護師, 人 | 간호사, 명
adult  | neighbour, neighbours | w, Nachbar, Nachbarn                       | m, voisin, voisins           | 隣人, 人   | 이웃, 명
adult  | friend, friends       | m, Freund, Freunde                         | m, ami, amis                 | 友達, 人   | 친구, 명
adult  | man, men              | m, Mann, Männer                            | m, homme, hommes             | 男性, 人   | 남자, 명
adult  | woman, women          | f, Frau, Frauen                            | f, femme, femmes             | 女性, 人   | 여자, 명
child  | child, children       | n, Kind, Kinder                            | m, enfant, enfants           | 子供, 人   | 아이, 명
child  | boy, boys             | w, Junge, Jungen                           | m, garçon, garçons           | 少年, 人   | 소년, 명
child  | girl, girls           | n, Mädchen, Mädchen                        | f, fille, filles             | 少女, 人   | 소녀, 명
animal | dog, dogs             | m, Hund, Hunde                             | m, chien, chiens             | 犬, 匹     | 개, 마리
animal | cat, cats             | f, Katze, Katzen                           | m, chat, chats               | 猫, 匹     | 고양이, 마리
animal | bird, birds           | m, Vogel, Vögel                            | m, oiseau, oiseaux           | 鳥, 羽     | 새, 마리
animal | horse, horses         | n, Pferd, Pferde                           | m, cheval, chevaux           | 馬, 頭     | 말, 마리
animal | cow, cows             | f, Kuh, Kühe                               | f, vache, vaches             | 牛, 頭     | 소, 마리
text   | book, books           | n, Buch, Bücher                            | m, livre, livres             | 本, 冊     | 책, 권
text   | letter, letters       | m, Brief, Briefe                           | f, lettre, lettres           | 手紙, 通   | 편지, 통
food   | apple, apples         | m, Apfel, Äpfel                            | f, pomme, pommes             | りんご, 個 | 사과, 개
food   | egg, eggs             | n, Ei, Eier                                | m, œuf, œufs                 | 卵, 個     | 달걀, 개
thing  | picture, pictures     | n, Bild, Bilder                            | f, image, images             | 絵, 枚     | 그림, 장
thing  | car, cars             | n, Auto, Autos                             | f, voiture, voitures         | 車, 台     | 자동차, 대
thing  | bicycle, bicycles     | n, Fahrrad, Fahrräder                      | m, vélo, vélos               | 自転車, 台 | 자전거, 대
thing  | flower, flowers       | f, Blume, Blumen                           | f, fleur, fleurs             | 花, 本     | 꽃, 송이
thing  | hat, hats             | m, Hut, Hüte                               | m, chapeau, chapeaux         | 帽子, 個   | 모자, 개
thing  | umbrella, umbrellas   | m, Regenschirm, Regenschirme               | m, parapluie, parapluies     | 傘, 本     | 우산, 개
thing  | chair, chairs         | m, Stuhl, Stühle                           | f, chaise, chaises           | 椅子, 脚   | 의자, 개
thing  | watch, watches        | f, Uhr, Uhren                              | f, montre, montres           | 時計, 個   | 시계, 개
thing  | cup, cups             | f, Tasse, Tassen                           | f, tasse, tasses             | カップ, 個 | 컵, 개
""")

# de: as predicate, before an ending. fr: before or after the noun, masculine, feminine, their plurals, and the
# masculine before a vowel where it differs. ja: stem, い or な. ko: stem, before a noun, past stem.
ADJECTIVES = _table("""
ware   | big       | groß, groß             | before, grand, grande, grands, grandes        | 大き, い | 크, 큰, 컸
ware   | small     | klein, klein           | before, petit, petite, petits, petites        | 小さ, い | 작, 작은, 작았
ware   | beautiful | schön, schön           | before, beau, belle, beaux, belles, bel       | 美し, い | 아름답, 아름다운, 아름다웠
ware   | white     | weiß, weiß             | after, blanc, blanche, blancs, blanches       | 白, い   | 하얗, 하얀, 하얬
ware   | black     | schwarz, schwarz       | after, noir, noire, noirs, noires             | 黒, い   | 까맣, 까만, 까맸
thing  | red       | rot, rot               | after, rouge, rouge, rouges, rouges           | 赤, い   | 빨갛, 빨간, 빨갰
thing  | blue      | blau, blau             | after, bleu, bleue, bleus, bleues             | 青, い   | 파랗, 파란, 파랬
ware   | expensive | teuer, teur            | after, cher, chère, chers, chères             | 高価, な | 비싸, 비싼, 비쌌
ware   | heavy     | schwer, schwer         | after, lourd, lourde, lourds, lourdes         | 重, い   | 무겁, 무거운, 무거웠
adult  | young     | jung, jung             | before, jeune, jeune, jeunes, jeunes          | 若, い   | 젊, 젊은, 젊었
adult  | famous    | berühmt, berühmt       | after, célèbre, célèbre, célèbres, célèbres   | 有名, な | 유명하, 유명한, 유명했
person | kind      | freundlich, freundlich | before, gentil, gentille, gentils, gentilles  | 親切, な | 친절하, 친절한, 친절했
person | happy     | glücklich, glücklich   | after, heureux, heureuse, heureux, heureuses  | 幸せ, な | 행복하, 행복한, 행복했
""")

# en: base, third person, past, preposition. de: infinitive (a separable prefix before -), third person, participle,
# auxiliary, case or preposition of the object. fr: je, il, nous, ils, participle, auxiliary. ja: stem before -masu,
# particle of the object, of the place. ko: stem, past stem, particle of the object, of the place.
VERBS = _table("""
animate                | sleep, sleeps, slept       | schlafen, schläft, geschlafen, haben        | dors, dort, dormons, dorment, dormi, avoir              | 眠り           | 자, 잤
animate                | swim, swims, swam          | schwimmen, schwimmt, geschwommen, sein      | nage, nage, nageons, nagent, nagé, avoir                | 泳ぎ           | 헤엄치, 헤엄쳤
person                 | sing, sings, sang          | singen, singt, gesungen, haben              | chante, chante, chantons, chantent, chanté, avoir       | 歌い           | 노래하, 노래했
person                 | laugh, laughs, laughed     | lachen, lacht, gelacht, haben               | ris, rit, rions, rient, ri, avoir                       | 笑い           | 웃, 웃었
person                 | cry, cries, cried          | weinen, weint, geweint, haben               | pleure, pleure, pleurons, pleurent, pleuré, avoir       | 泣き           | 울, 울었
person                 | dance, dances, danced      | tanzen, tanzt, getanzt, haben               | danse, danse, dansons, dansent, dansé, avoir            | 踊り           | 춤추, 춤췄
adult                  | work, works, worked        | arbeiten, arbeitet, gearbeitet, haben       | travaille, travaille, travaillons, travaillent, travaillé, avoir | 働き  | 일하, 일했
animate                | arrive, arrives, arrived   | an-kommen, kommt, angekommen, sein          | arrive, arrive, arrivons, arrivent, arrivé, être        | 着き, を, に   | 도착하, 도착했, 을를, 에
animate > any          | see, sees, saw             | sehen, sieht, gesehen, haben                | vois, voit, voyons, voient, vu, avoir                   | 見             | 보, 보았
animate > any          | look, looks, looked, for   | suchen, sucht, gesucht, haben               | cherche, cherche, cherchons, cherchent, cherché, avoir  | 探し           | 찾, 찾았
adult > ware           | buy, buys, bought          | kaufen, kauft, gekauft, haben               | achète, achète, achetons, achètent, acheté, avoir       | 買い           | 사, 샀
person > any           | draw, draws, drew          | zeichnen, zeichnet, gezeichnet, haben       | dessine, dessine, dessinons, dessinent, dessiné, avoir  | 描き           | 그리, 그렸
person > text          | write, writes, wrote       | schreiben, schreibt, geschrieben, haben     | écris, écrit, écrivons, écrivent, écrit, avoir          | 書き           | 쓰, 썼
animate > food         | eat, eats, ate             | essen, isst, gegessen, haben                | mange, mange, mangeons, mangent, mangé, avoir           | 食べ           | 먹, 먹었
person > person        | help, helps, helped        | helfen, hilft, geholfen, haben, dat         | aide, aide, aidons, aident, aidé, avoir                 | 手伝い         | 돕, 도왔
animate > person       | wait, waits, waited, for   | warten, wartet, gewartet, haben, auf        | attends, attend, attendons, attendent, attendu, avoir   | 待ち           | 기다리, 기다렸
person > person        | call, calls, called        | an-rufen, ruft, angerufen, haben            | appelle, appelle, appelons, appellent, appelé, avoir    | 電話し, に     | 전화하, 전화했, 에게
adult > ware > person  | sell, sells, sold          | verkaufen, verkauft, verkauft, haben        | vends, vend, vendons, vendent, vendu, avoir             | 売り           | 팔, 팔았
person > ware > person | show, shows, showed        | zeigen, zeigt, gezeigt, haben               | montre, montre, montrons, montrent, montré, avoir       | 見せ           | 보여 주, 보여 주었
person > thing > person | send, sends, sent         | schicken, schickt, geschickt, haben         | envoie, envoie, envoyons, envoient, envoyé, avoir       | 送り           | 보내, 보냈
""")

# Whole phrases, but for the bare Japanese and Korean nouns: their particle is the verb's choice.
PLACES = _table("""
place | in the garden  | im Garten       | dans le jardin   | 庭   | 정원
place | in the kitchen | in der Küche    | dans la cuisine  | 台所 | 부엌
place | in the park    | im Park         | dans le parc     | 公園 | 공원
place | in the forest  | im Wald         | dans la forêt    | 森   | 숲
place | at school      | in der Schule   | à l'école        | 学校 | 학교
place | at the station | am Bahnhof      | à la gare        | 駅   | 역
""")
TIMES = _table("""
past    | yesterday | gestern     | hier            | 昨日 | 어제
any     | today     | heute       | aujourd'hui     | 今日 | 오늘
present | every day | jeden Tag   | tous les jours  | 毎日 | 매일
""")
