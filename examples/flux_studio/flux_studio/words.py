"""Invented words: no real person's, studio's or client's."""

FIRST = ("Ada", "Bruno", "Chika", "Dana", "Elif", "Femi", "Greta", "Hugo", "Ines", "Jonas", "Kira")
LAST = ("Aldan", "Brandt", "Castell", "Dorsey", "Ekwall", "Fontes", "Garrel", "Holm", "Ibarra")
FIRST_UNICODE = (
    "Zoë",
    "Łukasz",
    "Владимир",
    "李雷",
    "שלמה",
    "Åsa",
    "Ne\u0301lia",
    "Nélia",
    "ประภา",
)
LAST_UNICODE = ("Ångström", "Müller", "Петров", "Ó Súilleabháin", "佐藤", "Nuñez 🎨", "Zo\u200dra")
ESCAPED = (
    "Smith &amp; Sons",
    "&lt;b&gt;Bold&lt;/b&gt; Ideas",
    "D&#39;Angelo &quot;Dee&quot;",
    "R&amp;D &#x2F; Lab",
    "&lt;script&gt;alert(1)&lt;&#x2F;script&gt;",
)
VERBS = (
    "Design",
    "Review",
    "Draft",
    "Polish",
    "Export",
    "Sketch",
    "Test",
    "Ship",
    "Rework",
    "Plan",
)
THINGS = (
    "landing page",
    "logo set",
    "brand guide",
    "icon family",
    "packaging",
    "launch film",
    "type specimen",
    "checkout flow",
    "stage backdrop",
    "annual report",
    "onboarding",
    "signage",
)
THINGS_UNICODE = (
    "menú de otoño",
    "ロゴの改訂",
    "фирменный стиль",
    "naïve façade – v2 ✨",
    "شعار جديد",
)
_SENTENCES = (
    "The client wants the second direction, with more room above the fold.",
    "Colours follow the guide from March; the accent may be warmer.",
    "Please keep the source layers, the print shop asks for them.",
    "Waiting for the photographs, expected on Thursday.",
    'They said "make it feel lighter", which we read as fewer borders.',
    "Check contrast on the dark theme before handing over.",
    "First round of comments is in the file, second one by mail.",
    "Paths like C:\\work\\final\\v2 and tabs\tin the copy must survive.",
    "Ligatures in the headline need another look.",
    "Line one\nline two of the brief.",
    "Größe und Gewicht prüfen, danke!",
    "Export at 1×, 2× and 3×.",
    "No stock images, drawings only.",
)


def _texts(count: int) -> tuple[str, ...]:
    """Briefs of three to six sentences, some 270 bytes."""
    picks = ((at * 5 + step * (1 + at % 7) for step in range(3 + at % 4)) for at in range(count))
    return tuple(" ".join(_SENTENCES[pick % len(_SENTENCES)] for pick in line) for line in picks)


TEXTS = _texts(97)
SHORT_TEXTS = _SENTENCES
