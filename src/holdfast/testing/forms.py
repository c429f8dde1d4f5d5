"""The forms and links of an HTML page, as far as a person without a screen needs them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

SINGLE = {"checkbox", "radio"}
NEVER_SENT = {"button", "reset", "image", "file"}


@dataclass(slots=True)
class Button:
    """What ends a form: the text on it, and the pair it adds if it has a name."""

    label: str
    name: str = ""
    value: str = ""

    def called(self, text: str) -> bool:
        """Whether a person or a script would call it so: by its label, its value or its name."""
        return text.lower() in {self.label.strip().lower(), self.value.lower(), self.name.lower()}


@dataclass(slots=True)
class Form:
    """`values` is what is sent as it stands; `names` also has the boxes that are not ticked."""

    action: str
    method: str
    values: dict[str, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    buttons: list[Button] = field(default_factory=list)

    def filled(self, fields: dict[str, str], button: Button | None) -> dict[str, str]:
        """What is sent when `fields` are filled in and `button` is pressed. LookupError for a field it has not."""
        unknown = sorted(set(fields) - self.names)
        if unknown:
            raise LookupError(f"the form has no {', '.join(unknown)}; it has {', '.join(sorted(self.names))}")
        pressed = {button.name: button.value} if button and button.name else {}
        return {**self.values, **fields, **pressed}


class PageReader(HTMLParser):
    """Reads `forms` and `links` (text to address) out of a page.

    >>> reader = PageReader(text)
    >>> reader.forms[0].buttons
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: dict[str, str] = {}
        self._form: Form | None = None
        self._button: Button | None = None
        self._link: tuple[str, list[str]] | None = None
        self._text: tuple[str, list[str]] | None = None
        self._select = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in given:
            self._link = (given["href"], [])
        elif tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get").upper())
            self.forms.append(self._form)
        elif self._form is not None and "disabled" not in given:
            self._control(self._form, tag, given)

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._link is not None:
            href, words = self._link
            self.links[" ".join("".join(words).split())] = href
            self._link = None
        elif tag == "textarea" and self._text is not None and self._form is not None:
            self._form.values[self._text[0]] = "".join(self._text[1])
            self._text = None
        elif tag == "button":
            self._button = None
        elif tag == "form":
            self._form = None

    def handle_data(self, data: str) -> None:
        if self._link is not None:
            self._link[1].append(data)
        if self._button is not None:
            self._button.label += data
        if self._text is not None:
            self._text[1].append(data)

    def _control(self, form: Form, tag: str, given: dict[str, str]) -> None:
        name = given.get("name", "")
        if tag == "button" and given.get("type", "submit") == "submit":
            self._button = Button("", name, given.get("value", ""))
            form.buttons.append(self._button)
        elif tag == "input" and given.get("type", "text").lower() == "submit":
            form.buttons.append(Button(given.get("value", "Submit"), name, given.get("value", "")))
        elif tag == "option":
            self._option(form, given)
        elif name and tag in ("input", "select", "textarea"):
            form.names.add(name)
            self._field(form, tag, name, given)

    def _field(self, form: Form, tag: str, name: str, given: dict[str, str]) -> None:
        kind = given.get("type", "text").lower()
        if tag == "select":
            self._select = name
        elif tag == "textarea":
            self._text = (name, [])
        elif kind in NEVER_SENT or (kind in SINGLE and "checked" not in given):
            return
        else:
            form.values[name] = given.get("value", "on" if kind in SINGLE else "")

    def _option(self, form: Form, given: dict[str, str]) -> None:
        """The chosen option, or the first one, as browsers do for a select that is one line high."""
        if "selected" in given or self._select not in form.values:
            form.values[self._select] = given.get("value", "")
