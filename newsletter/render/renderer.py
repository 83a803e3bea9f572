"""The templates of `templates/email`: where they are found, and how a mail is made from them (docs/templates.md)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import astuple, replace
from hashlib import sha256
from pathlib import Path

from jinja2 import StrictUndefined, pass_context, select_autoescape
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from newsletter.errors import ConfigurationError, NewsletterError
from newsletter.mail import Mail, block_tags, check_blocks, header_text, hole_tags, refuse_nonce
from newsletter.render.content import (
    AddressContent,
    ConfirmContent,
    DataContent,
    GoodbyeContent,
    Identity,
    IssueContent,
    MovedContent,
    ReviewContent,
    SourcesContent,
    WelcomeContent,
)
from newsletter.render.inlining import inline
from newsletter.render.language import Language
from newsletter.render.markup import block_mark, hide_public_blocks, public_page
from newsletter.render.mistakes import mistake, template_loader
from newsletter.render.text import attribute_text, tidied, wrapped
from newsletter.render.values import (
    Values,
    address_values,
    confirm_values,
    data_values,
    goodbye_values,
    issue_values,
    mark_values,
    moved_values,
    review_values,
    sources_values,
    welcome_values,
)
from newsletter.render.words import Words, problems
from newsletter.resources import templates_folder

#: Where the body of a mail begins: in the wrapper that every mail of ours has (R3), else in the body itself.
_BEGINNINGS = (re.compile('<div[^>]* role="article"[^>]*>'), re.compile("<body[^>]*>"))


class Renderer:
    """Turns content into mails by the templates of `templates/email`.

    Files in the folder `override` replace ours; files in its `editions/<name>/` replace them for that edition only.
    """

    def __init__(self, override: Path | None = None) -> None:
        self._override = override
        self._environments: dict[str, ImmutableSandboxedEnvironment] = {}
        self._words: dict[tuple[str, str], Words] = {}

    def issue(self, content: IssueContent, nonce: str) -> Mail:
        """Return the issue's mail with holes marked by `nonce`.

        Raises Refused when a text holds the nonce, and ConfigurationError when a template is wrong.
        """
        refuse_nonce(nonce, *_strings(astuple(content)))
        mail = self._mail("issue", nonce, content, issue_values(content, nonce))
        public_page(mail.html, nonce, content.signup_url)  # so that a wrong template shows now, not in the archive
        return mail

    def confirm(self, content: ConfirmContent) -> Mail:
        """Return the mail that asks a reader to confirm. It and those below have no holes, and raise as `issue`."""
        return self._mail("confirm", _nonce(content), content.identity, confirm_values(content))

    def welcome(self, content: WelcomeContent) -> Mail:
        """Return the mail that greets a reader who has joined."""
        return self._mail("welcome", _nonce(content), content.identity, welcome_values(content))

    def goodbye(self, content: GoodbyeContent) -> Mail:
        """Return the mail that a reader gets who has left on the page."""
        return self._mail("goodbye", _nonce(content), content.identity, goodbye_values(content))

    def address(self, content: AddressContent) -> Mail:
        """Return the mail that asks at a new address whether it is the reader's."""
        return self._mail("address", _nonce(content), content.identity, address_values(content))

    def moved(self, content: MovedContent) -> Mail:
        """Return the mail that tells an old address that it is not written to any more."""
        return self._mail("moved", _nonce(content), content.identity, moved_values(content))

    def data(self, content: DataContent) -> Mail:
        """Return the mail that leads a reader to what is known of them."""
        return self._mail("data", _nonce(content), content.identity, data_values(content))

    def review(self, content: ReviewContent) -> Mail:
        """Return the mail that asks the editors to review a draft."""
        return self._mail("review", _nonce(content), content.identity, review_values(content))

    def sources(self, content: SourcesContent) -> Mail:
        """Return the mail that tells the editors of sources in trouble."""
        return self._mail("sources", _nonce(content), content.identity, sources_values(content))

    def test_marked(self, mail: Mail, identity: Identity) -> Mail:
        """Return the mail with a subject that tells it is a test, and with a band on top that says so, in both parts.

        Everything else stays byte for byte as it is. Raises ConfigurationError when the html has no body.
        """
        marked = self._mail("test", mail.nonce, identity, mark_values(identity, mail.subject))
        mark = block_mark(mail.nonce)
        band = re.search(f"<!--{mark} reader-->.*<!--/{mark} reader-->", marked.html, re.DOTALL)
        if band is None:
            raise ConfigurationError("test/body.html: what marks a test copy stands in the macro `for_reader`.")
        beginning = next((found for each in _BEGINNINGS if (found := each.search(mail.html))), None)
        if beginning is None:
            raise ConfigurationError("The mail's body.html has no body element, so a test copy cannot be marked.")
        html = mail.html[: beginning.end()] + band[0] + mail.html[beginning.end() :]
        return replace(mail, subject=marked.subject, html=html, text=f"{marked.text}\n{mail.text}")

    def missing_words(self, language: str, look: str = "") -> tuple[str, ...]:
        """Return the fixed phrases that mails in this language show in English; `look` names an edition's templates."""
        return self._words_of(Language.of(language), look).missing

    def catalogue_problems(self, look: str = "") -> tuple[str, ...]:
        """Return what is wrong with a newsroom's own catalogues, an edition's too when `look` names its templates."""
        ours = templates_folder() / "email" / "words"
        return tuple(sentence for folder in self._folders(look) for sentence in problems(folder / "words", ours))

    def _folders(self, look: str) -> list[Path]:
        own = [self._override / "editions" / look, self._override] if self._override and look else [self._override]
        return [folder for folder in own if folder]

    def _environment(self, look: str) -> ImmutableSandboxedEnvironment:
        """Return the templates as an edition sees them; `newsletter/...` names ours, for those that extend them."""
        if look not in self._environments:
            environment = ImmutableSandboxedEnvironment(
                loader=template_loader(self._folders(look)),
                autoescape=select_autoescape(["html"], default=False),
                undefined=StrictUndefined,
                trim_blocks=True,
                lstrip_blocks=True,
                extensions=["jinja2.ext.i18n"],
            )
            environment.filters["wrapped"] = wrapped
            translate = (_gettext, _ngettext)
            environment.install_gettext_callables(*translate, newstyle=True)  # type: ignore[attr-defined] # the extension's
            self._environments[look] = environment
        return self._environments[look]

    def _words_of(self, language: Language, look: str) -> Words:
        known = (language.tag, look)
        if known not in self._words:
            folders = [folder / "words" for folder in (*self._folders(look), templates_folder() / "email")]
            self._words[known] = Words.of(language, folders)
        return self._words[known]

    def _mail(self, name: str, nonce: str, content: IssueContent | Identity, values: Values) -> Mail:
        look = content.look.templates
        language = Language.of(content.language)
        values |= {"words": self._words_of(language, look).translations, "mark": block_mark(nonce)}
        subject = header_text(self._part(f"{name}/subject.txt", look, values))
        values |= {"subject": subject, "label": attribute_text(subject)}
        html = self._part(f"{name}/body.html", look, values | _tags(nonce, html=True))
        text = self._part(f"{name}/body.txt", look, values | _tags(nonce, html=False))
        mail = Mail(
            subject, hide_public_blocks(inline(html, f"{name}/body.html"), nonce), tidied(text), content.sender, nonce
        )
        check_blocks(mail)
        return mail

    def _part(self, name: str, look: str, values: Mapping[str, object]) -> str:
        try:
            return self._environment(look).get_template(name).render(values)
        except NewsletterError:
            raise
        except Exception as error:  # a template is a program: it can raise anything
            raise ConfigurationError(mistake(error, name, self._override)) from error


@pass_context
def _gettext(context: Context, phrase: str) -> str:
    return str(context["words"].gettext(phrase))


@pass_context
def _ngettext(context: Context, one: str, many: str, number: int) -> str:
    return str(context["words"].ngettext(one, many, number))


def _tags(nonce: str, *, html: bool) -> Values:
    return {"hole": hole_tags(nonce, html=html), "only": block_tags(nonce, html=html)}


def _nonce(content: object) -> str:
    """Return what marks the blocks of a mail without holes. The same content always makes the same mail."""
    return sha256(repr(content).encode()).hexdigest()[:32]


def _strings(values: object) -> Iterator[str]:
    if isinstance(values, str):
        yield values
    elif isinstance(values, tuple):
        for value in values:
            yield from _strings(value)
