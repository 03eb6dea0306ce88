"""context/languages.py: in which language a text is written."""

import pytest

from context.languages import detect_language


@pytest.mark.parametrize(
    ("text", "configuration"),
    [
        ("I like to play baseball and my name is George", "english"),
        ("What are my hobbies?", "english"),
        ("Ich spiele gern Fußball und heiße Georg.", "german"),
        ("Les remboursements prennent cinq jours ouvrés.", "french"),
        ("La tienda abre a las nueve de la mañana.", "spanish"),
        ("Магазин открывается в девять часов утра.", "russian"),
        ("मुझे क्रिकेट खेलना पसंद है", "hindi"),
        ("எனக்கு கால்பந்து விளையாட பிடிக்கும்", "tamil"),
        ("RETURNS ARE ACCEPTED WITHIN THIRTY DAYS", "english"),
    ],
)
def test_a_sentence_is_enough(text: str, configuration: str) -> None:
    assert detect_language(text) == configuration


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12345 67890",
        "ABC-123-XYZ",
        "-----",
        "私はサッカーが好きです。店は九時に開きます。",
        "Ek hou daarvan om rugby te speel en my naam is Jan.",
        "Izingane zigonywa njalo ngoLwesithathu. Letha ikhadi lokugoma lengane yakho.",
    ],
)
def test_what_postgres_has_no_configuration_for_is_simple(text: str) -> None:
    assert detect_language(text) == "simple"


def test_a_long_text_is_judged_by_more_than_its_beginning() -> None:
    text = "# Licence: Apache 2.0, see the file beside this one.\n\n" + "Die Werkstatt öffnet um acht Uhr. " * 500
    assert detect_language(text) == "german"


def test_the_same_text_is_judged_the_same_again() -> None:
    assert len({detect_language("Two words, zwei Wörter, deux mots") for _ in range(20)}) == 1
