"""Short issues in languages that lay out differently: long words, two directions, no spaces, tall letters (R53).

Every newsroom, place and story here is invented.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """One edition's own words; `stories` are pairs of headline and summary, the lead first."""

    edition: str
    tagline: str
    region: str
    publisher: str
    address: str
    place: str
    source: str
    alt: str
    stories: tuple[tuple[str, str], ...]


LANGUAGES = {
    "de": Words(
        edition="Hochlandwochenblatt",
        tagline="Die Woche zwischen den Pässen, von unserer Redaktion gelesen und geprüft.",
        region="Hochland",
        publisher="Hochlandverlagsgenossenschaft",
        address="Kirchgasse 7, 99999 Oberweidenfeld",
        place="Oberweidenfeld",
        source="Weidenfelder Nachrichten",
        alt="Ein Bagger steht vor dem halb abgetragenen Wehr",
        stories=(
            (
                "Hochwasserschutzgenehmigungsverfahren endet nach elf Jahren mit einem Vergleich",
                "Die Gemeinde darf das Wehr abtragen und muss dafür zwei Auwälder anlegen. Der Fischereiverband zieht "
                "seine Klage zurück. Gebaut wird ab März, wenn das Landeswasserwirtschaftsamt zustimmt.",
            ),
            (
                "Straßenbahnlinie zum Kreiskrankenhaus fährt wieder im Zehnminutentakt",
                "Acht neue Fahrerinnen haben ihre Prüfung bestanden. Damit endet der Notfahrplan, der seit dem Sommer "
                "galt. Die Verkehrsgesellschaft sucht weiter Personal für die Nacht.",
            ),
            (
                "Grundschullehrkräfteweiterbildungsprogramm bekommt eigene Räume",
                "Das Programm zieht in die frühere Sparkasse. Dort ist Platz für vierzig Teilnehmende im Jahr. Die "
                "Miete trägt der Landkreis.",
            ),
            (
                "Imker zählen so viele Völker wie seit zwanzig Jahren nicht",
                "Im Kreis leben wieder 3.140 Bienenvölker. Der milde Herbst half, und die Blühstreifen an den Feldern "
                "auch. Sorgen macht die Asiatische Hornisse.",
            ),
        ),
    ),
    "he": Words(
        edition="שבועון הגליל",
        tagline="חדשות השבוע מן הכפרים ומן הערים, נבחרו ונבדקו בידי העורכים.",
        region="הגליל",
        publisher="אגודת עיתונות הצפון",
        address="רחוב האלון 7, נווה אגוז",
        place="נווה אגוז",
        source="קול העמק",
        alt="אוטובוס כחול עומד בתחנה בגשם",
        stories=(
            (
                "קו האוטובוס הלילי חוזר לפעול אחרי הפסקה של שלוש שנים",
                "האוטובוס הראשון יצא ביום חמישי בשעה 23:40 וכל המושבים בו היו תפוסים. המועצה מתחייבת להפעיל את הקו "
                "עד הקיץ, ואז תחליט אם להוסיף נסיעה. התושבים מבקשים תחנה ליד בית הספר.",
            ),
            (
                "שני כפרים יקימו יחד מפעל לטיהור מים",
                "המפעל ישרת כ־6,000 תושבים ויעלה 14 מיליון. הבנייה תתחיל באביב. חקלאים מן הסביבה יקבלו את המים "
                "המטוהרים במחצית המחיר.",
            ),
            (
                "ספרייה קטנה ניצלה בזכות הקוראים שלה",
                "בתוך תשעה ימים קנו 1,840 אנשים מנוי לשנה. הכסף מספיק לשכר הדירה עד יוני.",
            ),
            (
                "מורה לנגרות מחפש יורש לסדנה בת מאה שנה",
                "הסדנה פתוחה לבני נוער שלושה ימים בשבוע. מי שיבוא יקבל גם את הכלים.",
            ),
        ),
    ),
    "ja": Words(
        edition="みずうみ週報",
        tagline="湖のまわりの一週間を、編集部が読み、確かめてお届けします。",
        region="湖のほとり",
        publisher="みずうみ新聞協会",
        address="〒999-9999 青葉郡水野町一丁目七番地",
        place="水野町",
        source="水野日報",
        alt="夕暮れの石橋を渡る青い列車",
        stories=(
            (
                "峠を越える夜行列車、六年ぶりに運転を再開",
                "最初の列車は金曜日の午後九時四十分に満席で出発した。技術者たちは洪水で壊れた橋二本と線路十一キロメートルを"
                "作り直した。鉄道会社は毎晩一往復を走らせ、夏に満席が続けばもう一往復を加えるという。",
            ),
            (
                "羊飼いと国立公園、狼を追い払う場所で合意",
                "十一の農家に番犬と電気柵が配られ、費用は公園が負担する。農家は春の調査まで駆除の申請を取り下げる。",
            ),
            (
                "川の水で街を暖める施設が完成",
                "約六千戸に熱を送り、冬の料金は二割下がる見込みだ。釣り人からは産卵場所の調査が短いという声もある。",
            ),
            (
                "小さな劇場、観客の力で存続へ",
                "九日間で千八百四十人が来季の席を買った。演目はまだ決まっていない。",
            ),
        ),
    ),
    "hi": Words(
        edition="घाटी साप्ताहिक",
        tagline="पहाड़ के दोनों ओर का सप्ताह, हमारे संपादकों ने पढ़ा और परखा।",
        region="घाटी",
        publisher="घाटी प्रेस संघ",
        address="7 पीपल मार्ग, नवगाँव 999999",
        place="नवगाँव",
        source="नवगाँव समाचार",
        alt="शाम के समय पत्थर के पुल पर नीली रेलगाड़ी",
        stories=(
            (
                "छह साल बाद दर्रे के पार रात की रेलगाड़ी फिर चली",
                "पहली गाड़ी शुक्रवार को रात 9:40 बजे भरी हुई रवाना हुई। इंजीनियरों ने दो पुल और ग्यारह किलोमीटर पटरी फिर से "
                "बनाई। रेलवे का कहना है कि गर्मियों में भीड़ रही तो दूसरी गाड़ी भी चलेगी।",
            ),
            (
                "चरवाहों और उद्यान के बीच भेड़ियों को भगाने पर समझौता",
                "ग्यारह खेतों को रखवाले कुत्ते और बिजली की बाड़ मिलेगी। बदले में वे वसंत की गिनती तक शिकार की अनुमति नहीं माँगेंगे।",
            ),
            (
                "नदी के पानी से घर गर्म करने वाला पहला संयंत्र शुरू",
                "यह संयंत्र लगभग 6,000 घरों को गर्म करेगा। नगरपालिका को उम्मीद है कि बिल पाँचवाँ हिस्सा घटेंगे।",
            ),
            (
                "छोटे नाट्यगृह को उसके दर्शकों ने बचाया",
                "नौ दिनों में 1,840 लोगों ने अगले मौसम की सीट खरीदी। पहला नाटक अभी तय नहीं है।",
            ),
        ),
    ),
    "ru": Words(
        edition="Еженедельник Предгорья",
        tagline="Неделя по обе стороны перевала: прочитано и проверено редакцией.",
        region="Предгорья",
        publisher="Ассоциация газет Предгорья",
        address="ул. Липовая, 7, Верхнеозёрск 999999",
        place="Верхнеозёрск",
        source="Верхнеозёрские вести",
        alt="Синий вагон на каменном мосту в сумерках",
        stories=(
            (
                "Ночной поезд через перевал снова ходит после шестилетнего перерыва",
                "Первые вагоны ушли в пятницу в 21:40, и все места были заняты. Инженеры восстановили два моста и "
                "одиннадцать километров пути. Если летом поезд будет полон, железная дорога добавит второй.",
            ),
            (
                "Достопримечательностям старого города вернут освещение",
                "Работы обойдутся в шесть миллионов и закончатся к маю. Жители просят выключать фонари после полуночи.",
            ),
            (
                "Станция отопления на речной воде согреет шесть тысяч квартир",
                "Город ждёт, что счета уменьшатся на пятую часть. Рыболовы сомневаются в сроках обследования нерестилищ.",
            ),
            (
                "Маленький театр спасли его зрители",
                "За девять дней места на сезон без программы купили 1840 человек. Денег хватит до июня.",
            ),
        ),
    ),
    "el": Words(
        edition="Εβδομάδα του Βουνού",
        tagline="Η εβδομάδα στις δύο πλευρές του περάσματος, διαβασμένη και ελεγμένη από τη σύνταξη.",
        region="το Βουνό",
        publisher="Ένωση Εφημερίδων του Βουνού",
        address="Οδός Πλατάνου 7, 999 99 Άνω Καρυδιά",
        place="Άνω Καρυδιά",
        source="Τα Νέα της Καρυδιάς",
        alt="Μπλε βαγόνι πάνω σε πέτρινη γέφυρα το σούρουπο",
        stories=(
            (
                "Το νυχτερινό τρένο του περάσματος ξαναρχίζει μετά από έξι χρόνια",
                "Τα πρώτα βαγόνια έφυγαν την Παρασκευή στις 21:40 γεμάτα. Οι μηχανικοί ξανάχτισαν δύο γέφυρες και έντεκα "
                "χιλιόμετρα γραμμής. Δεύτερο τρένο θα έρθει αν γεμίσει το καλοκαίρι.",
            ),
            (
                "Βοσκοί και δρυμός συμφωνούν για τους λύκους",
                "Έντεκα κτήματα παίρνουν σκύλους και ηλεκτρικούς φράχτες. Οι αιτήσεις για κυνήγι περιμένουν την ανοιξιάτικη "
                "καταμέτρηση.",
            ),
            (
                "Η πόλη ζεσταίνεται με το νερό του ποταμού",
                "Ο σταθμός θερμαίνει περίπου 6.000 διαμερίσματα. Οι λογαριασμοί θα πέσουν κατά ένα πέμπτο.",
            ),
            (
                "Το μικρό θέατρο σώθηκε από το κοινό του",
                "Σε εννέα ημέρες 1.840 άνθρωποι αγόρασαν θέση. Το πρώτο έργο θα βγει με κλήρο.",
            ),
        ),
    ),
}
