"""Link texts that do not say where a link leads (R38), in the languages that mails have words in. Lower case."""

from __future__ import annotations

VAGUE_TEXTS = frozenset(
    text.strip()
    for line in """
    click here | here | read more | more | link | this link | learn more | read on | continue | continue reading | go
    hier | hier klicken | klicken sie hier | mehr | mehr lesen | weiterlesen | weiter | mehr erfahren | link
    ici | cliquez ici | cliquer ici | en savoir plus | lire la suite | lire plus | plus | suite | lien
    aquí | haga clic aquí | haz clic aquí | pulse aquí | leer más | más | seguir leyendo | más información | enlace
    тут | натисніть тут | читати далі | читати більше | детальніше | далі | більше | посилання
    здесь | нажмите здесь | кликните здесь | читать далее | читать дальше | подробнее | далее | дальше | ссылка
    tutaj | tu | kliknij tutaj | kliknij | czytaj dalej | czytaj więcej | więcej | dalej
    siin | vajuta siia | kliki siia | klõpsa siin | loe edasi | loe veel | loe lähemalt | veel | edasi
    šeit | spied šeit | spiediet šeit | lasīt vairāk | lasīt tālāk | vairāk | tālāk | saite
    čia | spauskite čia | spausk čia | skaityti daugiau | skaityti toliau | daugiau | plačiau | toliau | nuoroda
    هنا | اضغط هنا | انقر هنا | اقرأ المزيد | المزيد | لقراءة المزيد | رابط
    כאן | לחצו כאן | לחץ כאן | קראו עוד | קרא עוד | עוד | להמשך קריאה | קישור
    こちら | ここ | ここをクリック | こちらをクリック | 続きを読む | もっと見る | もっと読む | 詳しくはこちら
    詳細 | リンク
    यहाँ | यहां | यहाँ क्लिक करें | यहां क्लिक करें | और पढ़ें | आगे पढ़ें | और | अधिक | लिंक
    """.splitlines()
    for text in line.split("|")
    if text.strip()
)
