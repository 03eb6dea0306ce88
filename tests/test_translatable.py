"""Everything that operators read can be translated: templates, models, and what Python says to them."""

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.apps import apps
from django.db.models import Field
from django.utils import translation
from django.utils.functional import Promise

from tests.conftest import ROOT

OURS = ("chat", "context", "operators")
TEMPLATES = sorted(path for app in OURS for path in ROOT.glob(f"{app}/templates/**/*.html"))
MODULES = sorted(
    path
    for app in OURS
    for path in ROOT.glob(f"{app}/**/*.py")
    # What callers of the API are told is theirs to translate.
    if not {"migrations", "management", "agent", "serializers.py", "openapi.py"} & set(path.parts)
)
# Where a person reads what stands there.
KEYWORDS = {"help_text", "verbose_name", "verbose_name_plural", "label", "description", "empty_label"}
CALLS = {"success", "error", "warning", "info", "message_user", "ValidationError"}
ATTRIBUTES = {"title", "placeholder", "alt", "aria-label"}


class Words(HTMLParser):
    """What a person reads of a page: between the tags, and in the attributes that browsers show."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._silent = 0
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        icon = any(name == "class" and "material-symbols" in (value or "") for name, value in attrs)
        self._silent += tag in ("script", "style", "code") or bool(icon or self._silent)
        self.found += [value or "" for name, value in attrs if name in ATTRIBUTES]

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self._silent = max(0, self._silent - 1)

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.found.append(data)


def untranslated(template: str) -> list[str]:
    for block in ("comment", "blocktranslate", "blocktrans"):
        template = re.sub(rf"{{% {block}\b.*?{{% end{block} %}}", "", template, flags=re.DOTALL)
    template = re.sub(r"{%.*?%}|{{.*?}}|{#.*?#}|&\w+;", "", template, flags=re.DOTALL)
    without_units = [re.sub(r"\bms\b", "", words).strip() for words in Words(template).found]
    return [words for words in without_units if re.search(r"[^\W\d_]{2}", words)]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_template_has_no_words_of_its_own(path: Path) -> None:
    assert untranslated(path.read_text()) == []


@pytest.mark.parametrize(
    "template", ["<p>Hello</p>", '<input placeholder="Name">', "{% if x %}All messages{% endif %}", "<b></b>of"]
)
def test_words_of_a_template_are_found(template: str) -> None:
    assert untranslated(template)


@pytest.mark.parametrize(
    "template",
    ['{% translate "Hello" %}', "{% blocktranslate %}Hello{% endblocktranslate %}", "<script>let a</script> 5 ms"[:24]],
)
def test_nothing_else_is(template: str) -> None:
    assert untranslated(template) == []


def says(node: ast.expr) -> bool:
    """Whether it is plain text with a word in it, made of pieces or not."""
    if isinstance(node, ast.JoinedStr):
        return any(says(value) for value in node.values)
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return False
    return bool(re.search(r"[^\W\d_]{2}", node.value))


def spoken(tree: ast.AST) -> Iterator[ast.expr]:
    """What Python says to operators, where it stands as plain text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            yield from (word.value for word in node.keywords if word.arg in KEYWORDS)
            whose = getattr(getattr(node.func, "value", None), "id", "")
            if name in CALLS and (whose in ("messages", "self", "forms") or name == "ValidationError"):
                yield from node.args


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_nothing_untranslated(path: Path) -> None:
    said = [ast.unparse(node) for node in spoken(ast.parse(path.read_text())) if says(node)]
    assert said == []


@pytest.mark.parametrize("source", ["messages.success(request, f'{a} was added.')", "f(help_text='Empty: all.')"])
def test_what_a_module_says_is_found(source: str) -> None:
    assert [node for node in spoken(ast.parse(source)) if says(node)]


FIELDS = [
    field
    for app in OURS
    for model in apps.get_app_config(app).get_models()
    for field in model._meta.local_fields
    if not field.auto_created
]


@pytest.mark.parametrize("field", FIELDS, ids=str)
def test_a_field_s_name_and_help_are_translated(field: "Field[object, object]") -> None:
    words = [field.verbose_name, *([field.help_text] if field.help_text else [])]
    assert [text for text in words if not isinstance(text, Promise)] == []


def test_another_language_reaches_the_names() -> None:
    shown = apps.get_model("chat", "Message")._meta.get_field("created_at").verbose_name
    with translation.override("de"):
        assert str(shown) == "created at"
