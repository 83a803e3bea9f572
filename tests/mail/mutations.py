"""T16: ways to break the templates on purpose. Each must be noticed, by the lint or in the browser.

A mutation is a pattern that is replaced in every template, whichever file it stands in, so that it keeps its meaning
when templates are rearranged. It is tried on one of `MAILS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from newsletter.errors import ConfigurationError
from newsletter.render import Renderer
from newsletter.resources import templates_folder
from tests.mail.samples import MAILS, view
from tests.mail.view import MailView

Check = Callable[[MailView], list[str]]
#: The rule of a mutation that no mail comes out of: rendering says what is wrong.
STOPPED = "stopped"


@dataclass(frozen=True)
class Mutation:
    """`rule` begins a sentence that must be said of the broken mail and not of the sound one."""

    name: str
    pattern: str
    replacement: str
    rule: str
    #: The mail to try it on.
    sample: str = "full"
    #: The templates it is made in.
    files: str = "*.html"
    #: How often at most, in each file; 0 is everywhere.
    count: int = 0

    def applied(self, folder: Path) -> Renderer:
        """Write the broken templates into `folder` and return what renders with them."""
        ours = templates_folder() / "email"
        for path in ours.rglob(self.files):
            text = path.read_text(encoding="utf-8")
            broken = re.sub(self.pattern, self.replacement, text, count=self.count)
            if broken != text:
                target = folder / path.relative_to(ours)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(broken, encoding="utf-8")
        return Renderer(folder)

    def view(self, folder: Path) -> MailView:
        """Return the broken mail."""
        return MAILS[self.sample].view(self.applied(folder))


@cache
def _said(sample: str, check: Check) -> frozenset[str]:
    return frozenset(check(view(sample)))


def survived(mutation: Mutation, folder: Path, check: Check) -> str:
    """Return why the mutation, written into `folder`, is not caught by `check`, or nothing when it is."""
    sound = view(mutation.sample)
    try:
        broken = mutation.view(folder)
    except ConfigurationError as error:
        return "" if mutation.rule == STOPPED else f"the mail is not made: {error}"
    if (broken.html, broken.text, broken.subject) == (sound.html, sound.text, sound.subject):
        return "it changed nothing: the templates no longer have what it breaks"
    said = set(check(broken)) - _said(mutation.sample, check)
    named = [one for one in said if mutation.rule in one.partition(":")[0].split(", ")]
    return "" if named else f"nothing says {mutation.rule}; said is {sorted(said)[:4]}"


_INK = r"(color:)\{\{ light\.text \}\}"
_BUTTON = r"(\.button\{[^}]*?)"
#: A piece of html at the start of the first cell of every band.
_IN_BAND = r"(\{\{ caller\(\) \}\}\n</td></tr>)"

#: Caught without a browser.
STATIC = (
    # The document.
    Mutation("doctype in small letters", "<!DOCTYPE html>", "<!doctype html>", STOPPED),
    Mutation("no language", r'(<html) lang="[^"]*"', r"\1", "R2"),
    Mutation("language of nobody", r'(<html) lang="[^"]*"', r'\1 lang="und"', "R2"),
    Mutation("no direction", r'(<html[^>]*) dir="[^"]*"', r"\1", "R2"),
    Mutation("direction left to programs", r'(<div[^>]*) dir="[^"]*"', r'\1 dir="auto"', "R3"),
    Mutation("the wrong direction", r'(<html[^>]*) dir="[^"]*"', r'\1 dir="ltr"', "R2", sample="ar"),
    Mutation("no wrapper role", ' role="article"', "", "R3"),
    Mutation("wrapper without a label", r' aria-label="[^"]*"', "", "R3"),
    Mutation("wrapper without its kind", r' aria-roledescription="[^"]*"', "", "R3"),
    Mutation("<main>", r"<div([^>]* role=\"article\")", r"<main\1", "R7"),
    Mutation("no title", r"<title>.*?</title>", "", "R4"),
    Mutation("an empty title", r"<title>.*?</title>", "<title></title>", "R4"),
    Mutation("no viewport", r'<meta name="viewport"[^>]*>\n', "", "R4"),
    Mutation("another charset", "charset=utf-8", "charset=iso-8859-1", "R4"),
    Mutation("no colour schemes", r'<meta name="color-scheme"[^>]*>\n', "", "R4"),
    Mutation("no phone number guard", r'<meta name="format-detection"[^>]*>\n', "", "R4"),
    Mutation("nothing for Word", r"(?s)<!--\[if mso\]><xml>.*?<!\[endif\]-->", "", "R5"),
    Mutation("a section element", _IN_BAND, r"<section>\1</section>", "R7", count=1),
    Mutation("a script", "</head>", "<script>var a = 1</script></head>", "R7"),
    Mutation(
        "a stylesheet from elsewhere",
        "</head>",
        '<link rel="stylesheet" href="https://x.example.org/a.css"></head>',
        "R7",
    ),
    Mutation(
        "styles in the body",
        r"(<body[^>]*>)",
        r'\1<style data-premailer="ignore">.x{color:#112233!important}</style>',
        "R13",
    ),
    Mutation("a form", _IN_BAND, r'<form action="https://x.example.org/"></form>\1', "R7"),
    # Kept blocks.
    Mutation("kept styles in a usual block", ' data-premailer="ignore"', "", "R12"),
    Mutation("wide styles written inline", r' data-premailer="ignore"', "", "R12", count=1),
    Mutation(
        "a nested media query",
        r"(@media \(prefers-color-scheme:dark\)\{)",
        r"\1@media screen{.zz{color:#EEEEEE!important}}",
        "R11",
    ),
    Mutation("colours with spaces", r"(\[data-ogsc\] \.ink\{color:)[^!]+", r"\1rgb(241 238 232)", "R11"),
    Mutation(
        "no !important", r"(@media only screen and \(min-width:481px\)\{\n\.[\w-]+\{[^}]*?)!important", r"\1", "P1"
    ),
    Mutation("a picture in CSS", r"(\.paper\{)", r"\1background-image:url(https://x.example.org/a.png);", "R25"),
    Mutation("a brace too few", r"!important\}\n\.sheet", "!important\n.sheet", "R11"),
    Mutation("no dark block", r"prefers-color-scheme:dark", "prefers-color-scheme:light", "R55"),
    Mutation("dark text on dark", r"(\.text\{color:)\{\{ dark\.text \}\}", r"\1#333333", "R48"),
    Mutation("Outlook forgotten", r"\[data-ogsc\] \.text\{[^\n]*\n", "", "R56"),
    Mutation(
        "desktop first",
        r"@media only screen and \(min-width:481px\)",
        "@media only screen and (max-width:480px)",
        "R12",
    ),
    # Tables and boxes.
    Mutation("tables without a role", r'role="presentation" ', "", "R24"),
    Mutation("padding left to programs", r'cellpadding="0" ', "", "R24"),
    Mutation("a border left to programs", r' border="0"', "", "R24"),
    Mutation("no ghost tables", r"(?s)<!--\[if mso\]><table[^>]*width=\"600\".*?<!\[endif\]-->", "", "T2"),
    Mutation(
        "float without a ghost cell",
        r"<!--\[if mso\]></?t[^\]]*(?:valign=\"top\"|table)><!\[endif\]-->\n(?!\{% endif|<table class=\"col|\{% endmacro)",
        "",
        "R19",
    ),
    Mutation("float by attribute only", r"\.aside\{[^\n]*\n", "", "R19"),
    Mutation("700 pixels", "600px", "700px", "R17"),
    Mutation("700 pixels for Word", 'width="600"', 'width="700"', "R17"),
    Mutation("no limit of width", r"max-width:600px;", "", "R17"),
    Mutation("an unclosed cell in Word", r"</td></tr></table><!\[endif\]", "</tr></table><![endif]", "T2"),
    Mutation("padding on a div", _IN_BAND, r'<div style="padding:8px">\1</div>', "R23"),
    Mutation("padding on a paragraph", r"(\.foot\{)", r"\1padding:4px 0;", "R23"),
    Mutation("margins left to browsers", r"(\.(?:body-text|text)\{)margin:[^;]+;", r"\1", "R23"),
    Mutation("a negative margin", r"(\.foot\{margin:)0", r"\1-4px", "R31"),
    Mutation("a flex box", r"(\.pad\{)", r"\1display:flex;", "R25"),
    Mutation("a position", r"(\.pad\{)", r"\1position:relative;", "R25"),
    Mutation("a shadow", r"(\.sheet\{)", r"\1box-shadow:0 1px 2px #000000;", "R25"),
    Mutation("rem", r"(\.foot\{[^}]*font-size:)14px", r"\g<1>0.9rem", "R25"),
    Mutation("logical properties", r"text-align:\{\{ lang\.start \}\}", "text-align:start", "R51"),
    Mutation("sides the wrong way round", r"text-align:\{\{ lang\.start \}\}", "text-align:left", "R51", sample="ar"),
    # Colours and type.
    Mutation("three digits", _INK, r"\1#333", "R28"),
    Mutation("a colour with spaces", _INK, r"\1rgb(47 51 55)", "R28"),
    Mutation("pale text", _INK, r"\1#9A9A9A", "R48"),
    Mutation("pale button", r"(color:)\{\{ light\.label \}\}", r"\1#7FA0A8", "R48"),
    Mutation("background without bgcolor", r' bgcolor="[^"]*"', "", "R28"),
    Mutation("background shorthand", r"(\.sheet\{)background-color", r"\1background", "R25"),
    Mutation("tiny type", r"(\.foot\{[^}]*font-size:)14px", r"\g<1>11px", "R49"),
    Mutation("a medium weight", "font-weight:600", "font-weight:500", "R27"),
    Mutation("a line height without a unit", r"(\.foot\{[^}]*line-height:)[^;]+", r"\g<1>1.5", "R26"),
    Mutation("fonts in quotes", r"(font-family:)\{\{ font\.sans \}\}", r'\1"Segoe UI", Arial, sans-serif', "R32"),
    Mutation("fonts in escaped quotes", r"(Segoe UI)", r"'\1'", "R30", files="*.txt"),
    Mutation("capitals", r"(\.tag\{)", r"\1text-transform:uppercase;", "R25"),
    # Hidden line, links, headings, pictures.
    Mutation("hidden line in the paper's colour", r"(\.hide\{)", r"\1color:#FFFFFF;", "R33"),
    Mutation("hidden line of one pixel", r"(\.hide\{)", r"\1font-size:1px;", "R33"),
    Mutation("no hidden line", r'<div class="hide">.*?</div>\n', "", "R33"),
    Mutation("a filler that blanks mails", r'(<div class="hide">.*?)(</div>)', r"\1&#8203;&#8203;\2", "R35"),
    Mutation(
        "a block in a link", r"(<a [^>]*>)(\{\{ said\(card\.headline, card\) \}\})</a>", r"\1<div>\2</div></a>", "R29"
    ),
    Mutation(
        "an insecure link",
        r'href="\{\{ hole\.preferences_url',
        'href="http://news.example.org/p{{ hole.preferences_url',
        "R37",
    ),
    Mutation("an anchor", r'href="\{\{ view_url \}\}"', 'href="#top"', "R37"),
    Mutation("an empty link", r'(<a [^>]*href="\{\{ view_url \}\}"[^>]*>)[^\n]*?</a>', r"\1</a>", "R38"),
    Mutation("click here", r'(<a [^>]*href="\{\{ view_url \}\}"[^>]*>)[^\n]*?</a>', r"\1click here</a>", "R38"),
    Mutation("two links alike", r'(<a [^>]*href="\{\{ view_url \}\}"[^>]*>)[^\n]*?</a>', r"\1Unsubscribe</a>", "R38"),
    Mutation("links without a line", "text-decoration:underline}\n", "text-decoration:none}\n", "R39"),
    Mutation("a low button", _BUTTON + "padding:10px 20px", r"\1padding:2px 8px", "R40"),
    Mutation("a button bare in Word", r"<!--\[if mso\]><i hidden.*?<!\[endif\]-->", "", "R40"),
    Mutation("no unsubscribe", r"<p[^>]*><a [^>]*hole\.unsubscribe_url[^\n]*\n", "", "R42"),
    Mutation("no preferences", r"<p[^>]*><a [^>]*hole\.preferences_url[^\n]*\n", "", "R42"),
    Mutation(
        "unsubscribe in small type",
        r"<p class=\"([^\"]*)\">(<a [^>]*hole\.unsubscribe_url[^\n]*)</p>",
        r'<p class="\1" style="font-size:12px">\2</p>',
        "R49",
    ),
    Mutation("no postal address", r"<br>\{\{ postal_address \}\}", "", "R42"),
    Mutation("two h1", r"<(/?)h2", r"<\1h1", "R45"),
    Mutation("a level skipped", r"<(/?)h3", r"<\1h4", "R45"),
    Mutation("headlines as paragraphs", r"<(/?)h3", r"<\1p", "R45"),
    Mutation("no alt", r' alt="[^"]*"', "", "R21"),
    Mutation("the file's name as alt", r' alt="[^"]*"', ' alt="0.jpg"', "R47"),
    Mutation("the headline as alt", r'alt="\{\{ card\.image_alt \}\}"', 'alt="{{ card.headline }}"', "R47"),
    Mutation("a flag that speaks", r'alt="">', 'alt="Flag">', "R47"),
    Mutation("a picture without a width", r'(<img[^>]*) width="[^"]*"', r"\1", "R21"),
    Mutation("a width in percent", r'(<img[^>]*) width="[^"]*"', r'\1 width="100%"', "R21"),
    Mutation("an insecure picture", r'src="\{\{ url \}\}"', 'src="http://pictures.example.org/1.jpg"', "R21"),
    Mutation(
        "a picture in the mail", r'src="\{\{ url \}\}"', 'src="data:image/gif;base64,R0lGODlhAQABAAAAACw="', "R21"
    ),
    Mutation("a webp", r'src="\{\{ url \}\}"', 'src="https://pictures.example.org/1.webp"', "R22"),
    Mutation("pictures in a line", r"(\.pic\{)display:block;", r"\1", "R21"),
    Mutation("squeezed pictures", r"height:auto", "height:80px", "R20"),
    Mutation("an alt nobody can read", r"\.alt\{[^\n]*\n", "", "R47", count=1),
    # Stories.
    Mutation("unescaped stories", r"\{\{ text \}\}", "{{ text | safe }}", "R7", sample="odd"),
    Mutation("stories the wrong way round", r"for card in more", "for card in more | reverse", "R45"),
    Mutation("stories twice", r"for card in more", "for card in more + more", "R45"),
    Mutation("a story less", r"for card in more", "for card in more[1:]", "R45"),
    Mutation("no sources", r"\[turned_name\([^)]*\), ", "[", "R59"),
    Mutation("no days", r"(\[turned_name\([^)]*\),) card\.date,", r"\1", "R59"),
    Mutation("no places", r"\{\{ tag\(\w+\) \}\}", "", "R59"),
    # The text part.
    Mutation("a text part without sources", r"\[apart\([^)]*\), ", "[", "R59", files="*.txt"),
    Mutation("a text part without links", r"\{\{ card\.link \}\}", "", "R59", files="*.txt"),
    Mutation("a text part without summaries", r"\{\{ card\.summary \| wrapped \}\}", "", "R59", files="*.txt"),
    Mutation("a text part without its footer", r"\{% include \"_imprint\.txt\" %\}", "", "R42", files="*.txt"),
    Mutation("a text part that cannot be left", r"\{\{ hole\.unsubscribe_url \}\}", "", "R60", files="*.txt"),
    Mutation("a stub of a text part", r"(?s)\A.*\Z", "Please read the html part.\n", "R59", files="body.txt"),
    Mutation("lines without an end", r"\| wrapped(?!\()", "", "R59", files="*.txt"),
)
#: Shown by a browser alone.
DRAWN = (
    Mutation(
        "a stubborn picture", r"(<img [^>]*)width=\"\{\{ width", r'\1style="min-width:400px" width="{{ width', "R16"
    ),
    Mutation("words that do not break", "word-break:break-word", "word-break:normal", "R16", sample="long"),
    Mutation("headlines on one line", r"(\.head\{)", r"\1white-space:nowrap;", "R16"),
    Mutation("the phone's look needs a style block", "min-width:481px", "min-width:281px", "R15"),
    Mutation("lines over lines", r"(\.head\{[^\n]*line-height:)\{\{[^\n]*?\}\};", r"\g<1>8px;", "T8"),
    Mutation("a tall table", r"(\.story\{)padding:20px 0", r"\1padding:900px 0", "R18"),
    Mutation("text cut off", r"(\.body-text\{)", r"\1max-height:40px;overflow:hidden;", "T18"),
    Mutation("links too close to hit", r"(\.choice\{[^\n]*line-height:)\{\{[^\n]*?\}\};", r"\g<1>16px;", "R44"),
    Mutation("pale text in the dark", r"(\.text\{color:)\{\{ dark\.text \}\}", r"\g<1>#444444", "R44"),
    Mutation(
        "a picture beside nothing in Word",
        r"\{\{ lang\.opposite \}\}\"><tr><td",
        r'{{ lang.opposite }}"><tr><td width="700"><table width="700" role="presentation" cellpadding="0" cellspacing="0" border="0"><tr><td>&nbsp;</td></tr></table></td><td',
        "R17",
    ),
)
