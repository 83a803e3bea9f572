"""What is said beside a picture: what is on it, and whose it is. Pure."""

from __future__ import annotations

import re

#: Words that stand for a picture rather than say what is on it.
_NO_WORDS = re.compile(
    r"(?:an? )?(?:image|picture|photo(?:graph)?|logo|thumbnail|thumb|img|icon|avatar|banner|placeholder|untitled|"
    r"default|featured? image|main image|lead image|article image|image may contain.*|null|none|undefined|alt|alt text|"
    r"caption|bild|foto|fotografie|grafik|symbolbild|artikelbild|titelbild|imagen|imagem|immagine|afbeelding|"
    r"obraz(?:ek)?|zdjęcie|zdjecie|kuva|kép|obrázek|фото|фотография|фотографія|зображення|изображение|картинка|світлина|"
    r"снимка|slika|billede|صورة|画像|图片|圖片|사진)[\s\d_.:-]*",
    re.IGNORECASE,
)
_FILE_NAME = re.compile(
    r"\S+\.(?:jpe?g|png|gif|webp|svg|tiff?|bmp|heic)|"
    r"(?:img|dsc[fn]?|image|photo|pxl|screenshot)[\s_-]*\d[\w-]*|[\W\d_]*",
    re.IGNORECASE,
)
#: A file's name without its ending, or a key.
_NAME_LIKE = re.compile(r"[^\W_]+(?:[-_]+[^\W_]+){2,}|[0-9a-f]{12,}", re.IGNORECASE)


#: Characters of a description that a reader of a screen would listen to.
_ALT_LIMIT = 1_000


def worded(alt: str) -> str:
    """Return alt text, or nothing where it says nothing: "image", "Logo", a file's name."""
    alt = alt[:_ALT_LIMIT].strip()
    nothing = any(pattern.fullmatch(alt) for pattern in (_NO_WORDS, _FILE_NAME, _NAME_LIKE))
    return "" if nothing or alt.lower().endswith(" logo") else alt


_BY = r"(?:by|von|par|de|di|da|por|av|af|door|autor|credit|crédits?|courtesy(?: of)?|via|©|\(c\))"
_WORDS = (
    r"photo(?:graph)?s?(?: credits?)?|image(?: credits?)?|pictures?|credits?|source image|crédits?(?: photos?)?|"
    r"photographie|fotos?(?:grafie|credit)?|foto(?:graf|kredit|nachweis)?|bild(?:quelle|nachweis|rechte)?|bilder|fot|"
    r"zdjęci[ea]|imagen|imagem|créditos?|crédito de la imagen|immagine|crediti?|beeld|kuva|valokuva|fotó|kép|"
    r"foto autor|snímek|фото(?:граф(?:ія|ия))?|світлина|зображення|снимка|изображение|φωτογραφία|fotoğraf|صورة|תמונה|"
    r"צילום"
)
#: "Photo: Jane Doe/Agency", "Foto von ...", "© ...", and the same in brackets.
_CREDIT = re.compile(
    rf"(?:(?<=\s)|(?<=[(\[|.,;–—-])|^)(?:(?:©|\(c\)|copyright:?)\s*|"
    rf"(?:{_WORDS})(?:\s*[:.|/]\s*(?:{_BY}\s*)?|\s+{_BY}\s+|\s*©\s*))"
    r"(?P<name>[^()\[\]|\n]{2,120}?)\s*(?:[)\]|]|$|(?<=[a-zа-яіїєґ]{2})\.(?=\s|$))",
    re.IGNORECASE,
)
_AGENCIES = (
    r"AFP|AP(?: Photo)?|Associated Press|Reuters|Getty(?: Images)?|EPA(?:-EFE)?|dpa|PA(?: Wire| Media)?|Shutterstock|"
    r"iStock|Unsplash|Pexels|Alamy(?: Stock Photo)?|Ukrinform|Укрінформ|УНІАН|TASS|ТАСС|Xinhua|Anadolu|ANSA|EFE|"
    r"Keystone|APA|picture alliance|IMAGO|Bloomberg|NurPhoto|ZUMA(?: Press)?|Wikimedia(?: Commons)?|CC[ -]BY[\w. -]*"
)
#: "(AP Photo/Jane Doe)", "| Jane Doe/Reuters": agencies name themselves without a word for it.
_AGENCY = re.compile(
    r"\s*(?:[(\[|]|[–—-]\s)\s*"
    rf"(?P<name>[^()\[\]|]{{0,80}}?\b(?:{_AGENCIES})\b[^()\[\]|]{{0,60}})\s*(?:[)\]|]|$)"
)


def credited(caption: str) -> tuple[str, str]:
    """Return what a caption says of the picture, and whom it credits, each empty where it has none."""
    caption = caption[:1000]
    found = [match for match in (_CREDIT.search(caption), _AGENCY.search(caption)) if match]
    if not found:
        return caption.strip(), ""
    match = min(found, key=lambda one: one.start())
    inner = _CREDIT.match(match["name"])
    name = (inner or match)["name"].strip(" .:;,–—-/")
    rest = f"{caption[: match.start()].rstrip(' ([|–—-/,;')} {caption[match.end() :].lstrip(' )]|.,;')}"
    return rest.strip(), re.sub(r"^(?:©|\(c\)|copyright:?)\s*", "", name, flags=re.IGNORECASE)
