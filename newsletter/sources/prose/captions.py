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


# Credits in running text, where a feed's markup has not kept the picture's words apart

_UPPER = "[^\\W\\d_a-zß-öø-ÿа-яіїєґ]"
_NAMED = rf"(?:{_UPPER}[\w.'’&-]*|[a-z]+\d+)"
_PHRASE = rf"{_NAMED}(?: (?:(?:of|for|the|on|and|de|del|di|la|van|von|der|den|al|bin|el) ){{0,2}}{_NAMED}){{0,6}}"
_AFTER_NAME = r"(?: ?/ ?| via |[—–]{1,2}| - | ?; ?|, )"
_OWNER = (
    r"(?:(?:Getty|GETTY)(?: (?:Images?|IMAGES|Ima?g?|Im?))?|(?:REUTERS|Reuters)(?: Connect)?|AFP|AP(?: Photo)?|"
    r"Associated Press|EPA(?:-EFE)?|EFE|dpa|PA(?: Wire| Media| Images)?|Shutterstock|iStock(?:photo)?|"
    r"Alamy(?: Live News| Stock Photo)?|Bloomberg(?! (?:TV|Tele|News|Radio|Law|Gov|Intel|Business))|"
    r"Anadolu(?: Agency)?|NurPhoto|ZUMA(?: Press)?(?: Wire)?|S(?:IPA|ipa)(?: USA)?|Rex(?: Features)?|"
    r"Imagn(?: Images)?|USA TODAY Sports|picture[ -]alliance|IMAGO|imago|Keystone|ANSA|TASS|ТАСС|Xinhua|UPI|"
    r"LightRocket|Ukrinform|Укрінформ|УНІАН)(?![\w’'-])"
)
_AS_WELL = r"(?:/(?:Instagram|Facebook|X|Twitter|YouTube|TikTok|Handout|Pool|POOL))*"
_MEANS = (
    r"(?:(?:[Pp]hoto[ -][Ii]llustration|[Pp]hoto(?:graph)?s?|[Ii]llustration|[Aa]nimated [Gg][Ii][Ff]|[Cc]omposite|"
    r"[Ii]mages?|[Pp]ictures?|Foto|Bild|Фото|Crédits?(?: photo)?|Credit)(?: by|:| credit:) ?)"
)
#: "Jane Doe/Getty Images", "Photo illustration by Jane Doe/The Post/Getty", "REUTERS/Jane Doe", "—Doe—AFP/Getty".
_GLUED = re.compile(
    rf"(?:^|(?<=[.!?…\"”’)] ))(?P<own>© ?)?(?:[—–|•] ?)?(?:"
    rf"{_MEANS}(?:{_PHRASE}{_AFTER_NAME}){{0,5}}{_OWNER}|"
    rf"—[\w.’'-]{{2,40}}—{_OWNER}|"
    rf"(?:{_PHRASE}{_AFTER_NAME}){{1,5}}{_OWNER}|"
    rf"(?:REUTERS|AP Photo|Reuters)/{_NAMED} {_NAMED}|"
    # A name by itself is taken for a credit only where a sentence begins behind it.
    r"Getty(?: Images)?(?:/\w+)?(?= (?:The|A|An|In|On|At|As|When|After|It|He|She|They|We|I|This|That|New|President) ))"
    rf"(?:(?:{_AFTER_NAME}(?:{_PHRASE}{_AFTER_NAME}){{0,3}}|, ){_OWNER}){{0,4}}{_AS_WELL}"
    rf"(?: for {_NAMED}(?: {_NAMED})?(?= {_UPPER}))?[.)]?(?: |$)(?=[^\W_a-zа-яіїєґ]|[\"“”„«‘'(\[$£€]|$)"
)
#: "(AP Photo/Jane Doe)", "[Photo: Jane Doe]", "(Getty Images)".
_BRACKETED = re.compile(
    rf" ?[(\[](?:{_MEANS}[^()\[\]]{{2,100}}|(?:[^()\[\]]{{2,60}}(?:/| via |, |—))?"
    rf"(?:Getty Images|AP Photo|PA Wire|Alamy|Shutterstock)(?:/[^()\[\]]{{2,60}})?|"
    rf"[^()\[\].]{{2,50}}/ ?{_OWNER}|(?:REUTERS|Reuters|AFP|AP|dpa)/[^()\[\].]{{2,50}})[)\]]"
)
#: "... in the town Foto: dpa": the word for a picture and a colon, behind a sentence without its stop.
_LAST_CREDIT = re.compile(
    r"(?<=[\w”\"»]) (?:Foto|Photo(?: credit)?|Image credit|Фото|Bild|Crédit photo)s?: ?[^.!?:]{2,60}$"
)
#: What tells a credit from names that stand in a row: "In London, Reuters ...".
_SURELY = re.compile(
    r"[/—]| via |^(?:Getty|GETTY|[Pp]hoto|[Ii]ll|[Ii]mage|[Pp]ict|[Aa]nim|[Cc]omp|Foto|Bild|Фото|Cr|©)"
)
_HINTS = re.compile(
    r"Getty|GETTY|REUTERS|AFP|Alamy|Shutterstock|AP Photo|PA Wire|[Pp]hoto|Foto|Фото|Bild:|/ ?[A-ZdТУi]|via "
)
#: Words of a caption at most, and of a text that one is taken away from at least.
_CAPTION_WORDS, _TEXT_WORDS = 60, 12


def uncredited(text: str) -> str:
    """Return a paragraph without the credits of pictures in it, and without a caption before the first of them.

    A caption is taken for one where it stands before a credit and a text of its own follows; otherwise it stays.
    """
    if not _HINTS.search(text):
        return text
    text = _LAST_CREDIT.sub("", _BRACKETED.sub("", text))
    place = 0
    while match := _GLUED.search(text, place):
        if not _SURELY.search(match[0]):
            place = match.end()
            continue
        before, rest = text[: match.start()].rstrip(), text[match.end() :].lstrip()
        is_caption = len(before.split()) <= _CAPTION_WORDS and len(rest.split()) >= _TEXT_WORDS
        is_caption = is_caption and not place and not match["own"]
        text = rest if is_caption else f"{before} {rest}".strip()
        place = 0 if is_caption else len(before) + 1
    return text
