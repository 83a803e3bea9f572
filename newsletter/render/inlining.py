"""Styles written into the elements of a mail, once for all readers, and what no mail program needs taken out."""

from __future__ import annotations

import logging
import re

from newsletter.errors import ConfigurationError

DOCTYPE = "<!DOCTYPE html>"

#: premailer would otherwise delete every !important, overwrite attributes written by hand, and use the network (T15).
_OPTIONS = {
    "strip_important": False,
    "disable_validation": True,
    "allow_network": False,
    "keep_style_tags": False,
    "remove_classes": False,
    "include_star_selectors": False,
    "disable_basic_attributes": ["width", "height", "align", "valign", "bgcolor"],
    "align_floating_images": False,
    "remove_unset_properties": True,
    "disable_link_rewrites": True,
    "cssutils_logging_level": logging.CRITICAL,
}
_STYLE_BLOCK = re.compile("<style[^>]*>(.*?)</style>", re.DOTALL)
#: Comments, Word's too, and what is for other programs.
_UNSEEN = re.compile(r"<!--.*?(?:-->|\Z)|<\?.*?(?:>|\Z)", re.DOTALL)
_STYLE_TAGS = re.compile("<style([^>]*)>(.*?)</style>", re.DOTALL)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
#: An @ rule that opens before the one around it has closed; between them stand whole rules at most.
_NESTED = re.compile(r"@[^{}]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*@")
#: The address of a link to an IPv6 host. libxml2 escapes the brackets, and then it is no address (RFC 3986, 3.2.2).
_BRACKETS = re.compile(r'((?:href|src)="https?://)%5B([0-9a-f:.]+)%5D')
_CLASS = re.compile(r"\.([A-Za-z][\w-]*)")
#: A tag with its attributes. libxml2 has written them, with double quotes; comments have theirs, too.
_TAG = re.compile(r'<[a-z][a-z0-9]*(?: [\w:-]+(?:="[^"]*")?)*>')
_ATTRIBUTE = re.compile(r' (class|style)="([^"]*)"')


def inline(html: str, name: str = "body.html") -> str:
    """Return the html with its first style block written into style attributes; blocks marked "ignore" stay.

    Classes that no remaining block names are taken out, and blanks in style attributes: a fifth of the mail's bytes
    (R9). Raises ConfigurationError, which names the template by `name`, when the html does not start with the doctype,
    which premailer would drop silently (R1), when it is empty, and when its styles cannot be read.
    """
    source = "\n".join(stripped for line in html.splitlines() if (stripped := line.strip()))
    if not _UNSEEN.sub("", source.removeprefix(DOCTYPE)).strip():
        raise ConfigurationError(
            f"Template {name} makes an empty mail. Write its html, or take the file away for ours."
        )
    import premailer  # noqa: PLC0415 - takes 15 MB, which a process that only sends does without

    premailer.premailer.cssutils.ser.prefs.minimizeColorHash = False  # colours keep their six digits (R28)
    try:
        inlined: str = premailer.transform(source, **_OPTIONS)
    except Exception as error:  # libxml2, cssutils and premailer raise whatever comes
        raise ConfigurationError(f"Template {name}: {_reason(source, error)}") from error
    if not inlined.startswith(DOCTYPE):
        raise ConfigurationError(f"Template {name} must start with exactly {DOCTYPE}, with nothing before it.")
    return _slimmed(_BRACKETS.sub(r"\1[\2]", inlined))


def _reason(source: str, error: Exception) -> str:
    """Return why the styles of a mail could not be written into its elements, as a sentence."""
    blocks = _STYLE_TAGS.finditer(_UNSEEN.sub("", source))
    first = next((block for block in blocks if "data-premailer" not in block[1]), None)
    if first and _NESTED.search(_COMMENT.sub("", first[2])):
        return (
            "its first style block (_styles.html) has an @ rule inside another one. Rules with @ belong into a block "
            'marked data-premailer="ignore", and none into another.'
        )
    return f"its first style block (_styles.html) cannot be written into its elements: {error or type(error).__name__}."


def _slimmed(html: str) -> str:
    head, body, rest = html.partition("<body")
    used = {name for block in _STYLE_BLOCK.findall(head) for name in _CLASS.findall(block)}

    def attribute(found: re.Match[str]) -> str:
        name, value = found[1], found[2]
        if name == "style":
            value = re.sub(r"([;,:]) +", r"\1", value)
        else:
            value = " ".join(word for word in value.split() if word in used)
        return f' {name}="{value}"' if value else ""

    return head + _TAG.sub(lambda tag: _ATTRIBUTE.sub(attribute, tag[0]), body + rest)
