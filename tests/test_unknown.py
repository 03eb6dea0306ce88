# ruff: noqa: RUF001
"""What is taken for an "I don't know", and what is not."""

import pytest

from chat.unknown import is_unknown

UNKNOWN = [
    "I don't know.",
    "I’m sorry, but I don’t have any information about that.",
    "I could not find anything about parking in the documents I have.",
    "Unfortunately, there is no information about holidays in the documents.",
    "The provided context does not mention a refund policy. Please ask our team.",
    "I'm not sure about that. You may want to ask a colleague.",
    "I found nothing about this in the documents I have.",
    "I cannot answer this from what I was given.",
    "Das weiß ich leider nicht.",
    "Dazu habe ich keine Informationen gefunden.",
    "Ich kann diese Frage anhand der Unterlagen leider nicht beantworten.",
    "Je ne sais pas.",
    "Je n'ai pas trouvé d'information à ce sujet.",
    "Les documents ne mentionnent pas ce point.",
    "Lo siento, no tengo información sobre eso.",
    "No lo sé.",
    "Não sei.",
    "Infelizmente, não tenho informações sobre isso.",
    "Non lo so.",
    "Non ho trovato informazioni a riguardo.",
    "Dat weet ik helaas niet.",
    "Ek weet nie.",
    "Daar is geen inligting daaroor nie.",
    "Uxolo, angazi.",
    "Samahani, sijui.",
    "Nie wiem.",
    "Niestety nie mam informacji na ten temat.",
    "Jag vet tyvärr inte.",
    "Jeg ved det ikke.",
    "К сожалению, я не знаю.",
    "У меня нет такой информации.",
    "Üzgünüm, bu konuda bilgim yok.",
    "抱歉，我不知道。",
    "文档中没有相关信息。",
    "申し訳ありませんが、わかりません。",
    "죄송하지만 그 정보를 찾을 수 없습니다.",
    "عذراً، لا أعرف.",
    "मुझे नहीं पता।",
    "Maaf, saya tidak tahu.",
    "Xin lỗi, tôi không biết.",
]

ANSWERS = [
    "",
    "Yes. You can return it within 30 days.",
    "There is no fee for this.",
    "No, that costs 10 euros.",
    "I don't know if you have seen it, but the form is on our page.",
    "It does not cost anything.",
    "You cannot pay by cheque.",
    "Nein, das kostet nichts.",
    "Das geht nicht am Sonntag.",
    "Non, ce n'est pas possible le dimanche.",
    "No se puede pagar con cheque.",
    "No, no hay ningún coste.",
    "Non è possibile pagare con assegno.",
    "Dat kan niet op zondag.",
    "Nie, biuro jest zamknięte.",
    "Нет, это бесплатно.",
    "不，这是免费的。",
    "いいえ、無料です。日曜日は営業しておりません。",
    "아니요, 무료입니다.",
    "لا، هذا مجاني.",
    "नहीं, यह मुफ़्त है।",
]


@pytest.mark.parametrize("answer", UNKNOWN)
def test_an_i_dont_know_is_one_in_many_languages(answer: str) -> None:
    assert is_unknown(answer)


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_is_none_even_where_it_says_no(answer: str) -> None:
    assert not is_unknown(answer)


def test_what_stands_late_in_a_long_answer_does_not_count() -> None:
    assert not is_unknown(f"You can return it within 30 days. {'It is easy. ' * 50} Beyond that I don't know.")


def test_marks_of_emphasis_do_not_matter() -> None:
    assert is_unknown("**I don't know** that one.")
