"""Styles written into the elements of a mail, once for all readers, and what no mail program needs taken out."""

from __future__ import annotations

import logging
import re

import premailer

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
_CLASS = re.compile(r"\.([A-Za-z][\w-]*)")
#: A tag with its attributes. libxml2 has written them, with double quotes; comments have theirs, too.
_TAG = re.compile(r'<[a-z][a-z0-9]*(?: [\w:-]+(?:="[^"]*")?)*>')
_ATTRIBUTE = re.compile(r' (class|style)="([^"]*)"')


def inline(html: str) -> str:
    """Return the html with its first style block written into style attributes; blocks marked "ignore" stay.

    Classes that no remaining block names are taken out, and blanks in style attributes: a fifth of the mail's bytes
    (R9). Raises ConfigurationError when it does not start with the doctype, which premailer would drop silently (R1).
    """
    lines = (line.strip() for line in html.splitlines())
    premailer.premailer.cssutils.ser.prefs.minimizeColorHash = False  # colours keep their six digits (R28)
    inlined: str = premailer.transform("\n".join(line for line in lines if line), **_OPTIONS)
    if not inlined.startswith(DOCTYPE):
        raise ConfigurationError(f"The mail's body.html must start with exactly {DOCTYPE}, with nothing before it.")
    return _slimmed(inlined)


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
