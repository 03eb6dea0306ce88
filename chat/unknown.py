# ruff: noqa: RUF001
"""Tells an "I don't know" by its words, in the languages that are listed here.

It reads the beginning of an answer only, because there models say it. So it misses what is said later, in other words
or in another language, and takes an answer for one that says it first and then goes on to something useful.
"""

import re

_BEGINNING = 400
"""Characters that are read."""

# For each language signs without which none of its patterns fits (they cost a microsecond, the patterns fifty), and the
# patterns.
_LANGUAGES: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        (" not ", "n't", "cannot", " no ", "nothing", "unable", "unsure"),
        r"\bi (?:do not|don't) (?:know\b(?! (?:if|whether|about) you)|currently have|have (?:\w+ ){0,4}"
        r"(?:information|info|details|data|documentation|answer|access|knowledge)\b)"
        r"|\bi(?:'m| am) (?:not (?:sure|aware|certain|able to)|unsure|unable to)\b"
        r"|\b(?:i|we)(?:'ve| have)? (?:(?:could|can|did|do|was|were)(?: not|n't)|cannot|(?:was |were )?unable to|not) "
        r"(?:been able to )?(?:find|found|locate|answer|determine|see any|tell)\b"
        r"|\b(?:i|we) (?:have|found|find|see) (?:nothing|no (?:\w+ )?(?:information|details|mention|data|answer))\b"
        r"|\bno (?:\w+ )?(?:information|details|mention|documentation) (?:about|on|regarding|of|is|was|in|available)\b"
        r"|\b(?:is|are|was|were)(?: not|n't) (?:mentioned|covered|included|contained|specified|addressed|given)\b"
        r"|\b(?:documents?|documentation|passages?|context|texts?|sources?|information|material)\b.{0,40}"
        r"\b(?:do|does|did)(?: not|n't) (?:contain|mention|include|say|cover|specify|provide|tell)\b",
    ),
    (
        ("nicht", "kein"),
        r"\bwei(?:ß|ss) (?:ich )?(?:(?:es|das|dies|leider) )*nicht\b|\bweder\b.{0,30}\bkeine\b"
        r"|\b(?:keine?|nichts)\b.{0,60}\b(?:information(?:en)?|angaben?|auskunft|daten|hinweise?|antwort|gefunden|finden)\b"
        r"|\b(?:kann|konnte|können|konnten)\b.{0,80}\bnicht (?:\w+ )?(?:finden|beantworten|sagen)\b"
        r"|\bnicht (?:erwähnt|enthalten|beschrieben|aufgeführt|bekannt)\b|\bbin (?:mir )?(?:leider )?nicht sicher\b",
    ),
    (
        (" pas", "aucun", "rien"),
        r"\bje ne (?:le )?sais pas\b|\bje ne (?:peux|suis) pas (?:en mesure|répondre|trouver|sûre?)\b"
        r"|\bje n'ai (?:malheureusement )?(?:pas|rien|aucune?) ?(?:trouvé|l'|d'|de |assez|accès|info|réponse|donnée)"
        r"|\b(?:aucune|pas d')\s?(?:info|mention|réponse|donnée)|\bn(?:e |')\w+(?:\s\w+)? pas (?:mentionné|précisé)"
        r"|\bne (?:contient|contiennent|mentionne|mentionnent|précise|précisent|disent|dit) (?:pas|rien)\b",
    ),
    (
        ("no ", "ningun"),
        r"\bno lo sé\b|\b(?:yo )?no sé\b"
        r"|\bno (?:tengo|dispongo|cuento|hay|encuentro|encontré|he encontrado|existe|puedo)\b.{0,30}"
        r"\b(?:informaci[oó]n|datos|detalles|respuesta|documentos?|encontrar|responder|nada)\b"
        r"|\bno (?:se )?(?:mencionan?|especifican?|contienen?|incluyen?)\b|\bno estoy segur[oa]\b|\bninguna informaci",
    ),
    (
        ("não ", "nao ", "nenhum"),
        r"\bn[ãa]o (?:o )?sei\b|\bn[ãa]o (?:tenho certeza|encontrei|consegui (?:encontrar|localizar))\b"
        r"|\bn[ãa]o (?:tenho|há|existem?|disponho|posso|consigo)\b.{0,30}"
        r"\b(?:informaç|informac|dados|detalhes|resposta|responder|encontrar|acesso)"
        r"|\bn[ãa]o (?:é |são )?(?:menciona|especifica|cont[éê]m|inclu)|\bnenhuma informa",
    ),
    (
        ("non ", "nessun"),
        r"\bnon (?:lo )?so\b|\bnon (?:sono sicur[oa]|ho trovato|sono riuscit[oa] a trovare)\b"
        r"|\bnon (?:ho|dispongo|trovo|ci sono|c'è|posso|riesco)\b.{0,30}"
        r"\b(?:informazion[ie]|dati|dettagli|risposta|rispondere|trovare)\b"
        r"|\bnon (?:è |sono )?(?:menzionat|contien|contengon|specific)|\bnessuna informazione\b",
    ),
    (
        ("niet", "geen", "nie"),
        r"\bweet (?:ik )?(?:(?:het|dat|dit|helaas) )*niet\b|\bweet (?:ek )?(?:(?:dit|ongelukkig) )*nie\b"
        r"|\bgeen\b.{0,30}\b(?:informatie|gegevens|antwoord|inligting|besonderhede)\b"
        r"|\b(?:kan|kon)\b.{0,80}\b(?:niet|niets|nie|niks) (?:\w+ )?(?:vinden|beantwoorden|vind|beantwoord)\b"
        r"|\bniet (?:vermeld|genoemd|gevonden)\b|\bnie (?:genoem|gevind|vermeld)\b|\bniet zeker\b",
    ),
    (("angazi", "andazi", "ulwazi"), r"\b(?:angazi|andazi|anginalo ulwazi|anginalwazi|andinalo ulwazi)\b"),
    (("sijui", "sina "), r"\bsijui\b|\bsina (?:taarifa|habari|uhakika)\b"),
    (
        ("nie ", "brak"),
        r"\bnie (?:wiem|znalaz|znaleziono|jestem pew|potrafię odpowiedzieć)|\bbrak (?:\w+ )?informacji\b"
        r"|\bnie (?:mam|ma|posiadam|mogę)\b.{0,30}\b(?:informacji|danych|odpowiedzi|znaleźć|odpowiedzieć)\b",
    ),
    (
        ("inte", "ikke", "ing"),
        r"\b(?:vet|ved)(?: jag| jeg)?(?: det| dessv[eæ]rre| desværre| tyvärr)* (?:inte|ikke)\b"
        r"|\b(?:hitta\w*|finn\w*|fant|fandt|finde)\b.{0,20}\b(?:inte|inget|ingen|ikke|ingenting)\b"
        r"|\b(?:ingen|inga|inte|ikke)\b.{0,20}\b(?:information|informasjon|uppgifter|oplysninger|opplysninger)\b",
    ),
    (
        ("не ", "нет ", "немає"),
        r"\bне (?:знаю|наш[её]л|нашла|удалось найти|могу (?:найти|ответить)|располагаю|уверен|знайш)"
        r"|\b(?:нет|немає)\b.{0,20}\b(?:информации|данных|сведений|інформації|даних)|\bне (?:упомина|содерж|указан)",
    ),
    (
        ("bilm", "bilg", "bulam"),
        r"\bbilmiyorum\b|\bbilgim yok\b|\bbulamad[ıi]\w*|\bbilgi(?:ye|ler)? (?:bulun\w*|yok|sahip değil)",
    ),
    (
        ("不", "没", "沒", "未", "无法", "無法"),
        r"不知道|不清楚|不[确確]定|不了解|(?:无法|無法|不能)(?:回答|找到|确定|確定|提供)|[没沒]有?(?:找到|提[到及供])|找不到"
        r"|未(?:找到|提及|提到)|[没沒]有.{0,12}(?:信息|資訊|资料|資料)",
    ),
    (
        ("ません", "わからない", "分からない"),
        r"[わ分]か(?:りません|らない)|存じません|見つか(?:りません|らな)|見つけられません|お答えできません"
        r"|(?:情報|記載|記述)(?:が|は|も)?.{0,8}(?:ありません|ございません|含まれていません|見当たりません)",
    ),
    (
        ("없", "못", "모르"),
        r"모르겠|알 수 없|찾을 수 없|찾지 못|답변(?:을|해)? ?드릴 수 없|정보(?:가|는|를)? ?없|확인할 수 없",
    ),
    (("لا ", "لم ", "ليس"), r"لا (?:أعرف|أعلم|أدري)|لم أجد|ليس(?:ت)? لدي|لا (?:توجد|يوجد|تتوفر|أملك)\b.{0,20}معلومات"),
    (("नहीं",), r"(?:मुझे |पता |मालूम )(?:पता |मालूम )?नहीं|नहीं (?:पता|मालूम|जानता|जानती|मिल)|जानकारी.{0,20}नहीं"),
    (
        ("tidak", "tiada"),
        r"\btidak (?:tahu|menemukan|yakin|dapat (?:menemukan|menjawab))|\b(?:tidak|tiada)\b.{0,20}\binformasi\b",
    ),
    (("không",), r"\bkhông (?:biết|tìm thấy|chắc|thể (?:tìm|trả lời))|\bkhông có\b.{0,20}\bthông tin\b"),
)
_PATTERNS = tuple((signs, re.compile(pattern)) for signs, pattern in _LANGUAGES)
_TYPED = str.maketrans({"’": "'", "*": None, "_": None, "\n": " "})


def is_unknown(answer: str) -> bool:
    """Whether an answer begins by saying that the agent does not know."""
    beginning = answer[:_BEGINNING].translate(_TYPED).lower()
    return any(
        any(sign in beginning for sign in signs) and pattern.search(beginning) is not None
        for signs, pattern in _PATTERNS
    )
