"""Search in many languages and scripts: a document is found by words of its own language, in whatever company."""

import pytest

from context.ingest import store
from context.prepare import Prepared, PreparedChunk
from context.search import search
from context.words import searchable

pytestmark = pytest.mark.django_db

TEXTS = {
    "english": "The kings of the jungle were eating snails, and most of them wore hats.",
    "german": "Die Königspinguine brüten in großen Kolonien an den Küsten der Antarktis.",
    "french": "Les factures sont payables dans les trente jours qui suivent la livraison.",
    "russian": "Ключи лежат под ковриком у самой двери старого дома.",
    "spanish": "Las llaves de los armarios están debajo de las alfombras.",
}
GAPLESS = {
    "japanese": "東京タワーは一九五八年に完成した高さ三百三十三メートルの電波塔である。",
    "chinese": "企鹅主要生活在南极洲沿海地区，以磷虾和鱼类为食。",
    "thai": "ช้างเป็นสัตว์บกที่ใหญ่ที่สุดในโลกและกินหญ้าเป็นอาหาร",
    "korean": "경복궁은 조선 왕조의 법궁으로 서울에 있다.",
}


def add(text: str, language: str, heading: str = "", title: str = "") -> int:
    chunk = PreparedChunk(start=0, text=text, heading=heading)
    return store(Prepared(title=title, text=text, language=language, chunks=(chunk,))).document.pk


@pytest.fixture(autouse=True)
def documents() -> None:
    for language, text in TEXTS.items():
        add(text, language)
    for text in GAPLESS.values():
        add(text, "simple")


def best(question: str) -> str:
    found = search(question)
    return found[0].text if found else ""


@pytest.mark.parametrize(
    ("language", "question"),
    [
        ("english", "What does the king of a jungle eat?"),
        ("german", "Wo brütet der Königspinguin?"),
        ("german", "KÜSTE DER ANTARKTIS"),
        ("french", "Quand la facture est-elle payable ?"),
        ("russian", "Где лежит ключ от двери?"),
        ("spanish", "¿Dónde está la llave del armario?"),
    ],
)
def test_a_question_finds_other_forms_of_its_words(language: str, question: str) -> None:
    assert best(question) == TEXTS[language]


@pytest.mark.parametrize(
    ("language", "question"),
    [
        ("japanese", "東京タワーの高さは？"),
        ("chinese", "企鹅吃什么？"),
        ("thai", "ช้างกินอะไร"),
        ("korean", "경복궁이 어디에 있어요?"),
    ],
)
def test_scripts_without_gaps_are_searched_by_pairs_of_characters(language: str, question: str) -> None:
    assert best(question) == GAPLESS[language]


def test_stop_words_of_the_question_find_nothing_in_other_languages() -> None:
    add("He said: the what is in the who of the which.", "german")
    assert best("What is the king of the jungle, and who is the which?") == TEXTS["english"]
    assert search("Who is the which of what?") == []


@pytest.mark.parametrize("question", ["When was the war?", "war"])
def test_stop_words_of_another_language_are_words(question: str) -> None:
    add("The war was long.", "english")
    assert best(question) == "The war was long."


@pytest.mark.parametrize(
    "language", ["klingon", "", "x'; DROP TABLE context_chunk; --", "ENGLISH", "pg_catalog.english"]
)
def test_a_language_that_postgres_does_not_have_is_simple(language: str) -> None:
    add("Zebras sleep.", language)
    assert best("zebras") == "Zebras sleep."


def test_a_heading_is_searched_with_its_chunk() -> None:
    add("Turn it by a quarter.", "english", heading="Maintenance > Valves")
    assert best("How are valves maintained?") == "Turn it by a quarter."


def test_a_title_is_searched_with_every_chunk_of_its_document() -> None:
    add("They may be sent back within thirty days.", "english", title="Returning unwanted zebras")
    assert best("Can I return a zebra?") == "They may be sent back within thirty days."


# What stands between and inside words.


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("Reads input/output errors.", "output"),
        ("Call context.search() for it.", "search call"),
        ("Set max_running_turns first.", "running turns"),
        ("<div>zebra</div>", "zebra"),
        ("A semicolon-separated file.", "separated by semicolons"),
        ("Since 2025-11-07 at 10:30.", "2025"),
        ("Version 4.2, not 4.3.", "4.2"),
        ("The ﬁnal oﬃce", "final office"),
        ("ＷＩＤＥ", "wide"),
        ("soft\u00adhyphenated", "softhyphenated"),
        ("“quoted”…", "quoted"),
        ("हिन्दी में लिखा", "हिन्दी"),
        ("ABC水素", "abc"),
        ("水", "水"),
    ],
)
def test_a_word_is_found_apart_from_the_signs_around_it(text: str, question: str) -> None:
    add(text, "simple")
    assert best(question) == text


@pytest.mark.parametrize("text", ["", " ", "?!", "....", "\u00ad", "。", "🐌", "\u200d"])
def test_what_is_no_word_is_harmless(text: str) -> None:
    assert search(text) == []


def test_pairs_overlap_and_keep_what_is_around_them() -> None:
    assert searchable("ab東京都cd").split() == ["ab", "東京", "京都", "cd"]
