"""Names and values of the generated seed data. All people and companies are fictional."""

from __future__ import annotations

MAIN_ACCOUNT = ("50810000", "Harbor Outreach")

#: Sub-accounts. The examples use the first one.
ACCOUNTS = (("50810001", "Harbor Outreach Memberships"), ("50810002", "Harbor Outreach Home Services"))

#: Dial groups: account, name, dial mode, whether reserved leads go to their agent only, and campaigns with
#: their weight in the distribution of leads.
DIAL_GROUPS: tuple[tuple[str, str, str, bool, tuple[tuple[str, float], ...]], ...] = (
    (
        "50810001", "Renewals East", "PREDICTIVE", False,
        (("Spring Renewals", 7.0), ("Membership Upgrades", 4.5),
         ("Expiring Cards", 3.0), ("Reactivation", 4.0)),
    ),
    (
        "50810001", "Win-Back", "POWER", False,
        (("Summer Win-Back", 6.0), ("Lapsed Members", 5.0),
         ("Reactivation", 3.5), ("Cancelled Orders", 3.0)),
    ),
    (
        "50810001", "New Business", "PREVIEW", True,
        (("Web Enquiries", 5.0), ("Trade Show Contacts", 3.5),
         ("Referral Program", 3.0), ("Free Trials", 4.5)),
    ),
    (
        "50810001", "Member Service", "TCPA_SAFE_MODE", False,
        (("Customer Survey", 4.5), ("Welcome Calls", 4.0),
         ("Payment Reminders", 3.5), ("Event Invitations", 3.0)),
    ),
    (
        "50810002", "Home Energy", "PREDICTIVE", False,
        (("Solar Consultations", 6.0), ("Heat Pump Interest", 4.5),
         ("Window Quotes", 4.0), ("Roof Checks", 3.0)),
    ),
    (
        "50810002", "Home Care", "PREVIEW", True,
        (("Maintenance Plans", 5.0), ("Warranty Notices", 4.0),
         ("Customer Survey", 4.0), ("Holiday Offer", 3.0)),
    ),
)  # fmt: skip

MAX_PASSES = 8
"""Maximum number of calls per lead in generated campaigns."""

INACTIVE_CAMPAIGNS = frozenset({"Trade Show Contacts", "Holiday Offer"})

LISTS = (
    "CRM export",
    "Web sign-ups",
    "Partner file",
    "Branch visits",
    "Call centre carry-over",
    "Mailing replies",
)

AGENT_GROUPS = ("Day Shift", "Evening Shift")

#: Agent dispositions: name, whether it completes the lead, whether it counts as success.
DISPOSITIONS = (
    ("Sale", True, True),
    ("Appointment Set", True, True),
    ("Call Back Later", False, False),
    ("Left Voicemail", False, False),
    ("Not Interested", True, False),
    ("Wrong Number", True, False),
    ("Do Not Call", True, False),
)

#: Lead states and their share of all leads per mille; typical of a running campaign.
STATES = (
    ("READY", 600), ("COMPLETE", 135), ("CANCELLED", 40), ("CALLBACK", 30), ("AGENT-CALLBACK", 28),
    ("DISCONNECTED", 30), ("DO-NOT-CALL", 28), ("PAUSED", 22), ("MAX-DIAL-LIMIT", 20), ("PENDING", 14),
    ("INTERCEPT", 12), ("PENDING-CALLBACK", 11), ("CALLBACK-CANCELLED", 9), ("TRANSITIONED", 7),
    ("ACTIVE", 5), ("WHITELIST", 4), ("PENDING-HCI", 3), ("PENDING-ERR", 2),
)  # fmt: skip

FIRST_NAMES = (
    "Ada", "Alma", "Amir", "Ana", "Arlo", "Asha", "Basil", "Bea", "Bruno", "Cara", "Cleo", "Cora",
    "Dario", "Della", "Dina", "Eben", "Edda", "Elio", "Elsa", "Emre", "Fay", "Felix", "Finn", "Gail",
    "Gita", "Greta", "Hal", "Hana", "Hugo", "Ida", "Ines", "Ira", "Ivo", "Jana", "Jens", "Joan", "Kai",
    "Kira", "Knut", "Lars", "Leda", "Lena", "Lior", "Luz", "Mara", "Milo", "Mina", "Nell", "Nico",
    "Nora", "Odin", "Olga", "Omar", "Otto", "Paz", "Pia", "Quinn", "Rafe", "Rhea", "Rosa", "Sami",
    "Saul", "Sena", "Tara", "Theo", "Tove", "Uma", "Vera", "Viggo", "Wanda", "Wim", "Yara", "Yuri",
    "Zeno", "Zora",
)  # fmt: skip

LAST_NAMES = (
    "Abram", "Alder", "Ansel", "Ashby", "Barlow", "Beck", "Birch", "Boyle", "Brandt", "Calder",
    "Carver", "Castel", "Corwin", "Dahl", "Dalton", "Darrow", "Eads", "Eller", "Emerson", "Fallon",
    "Farrow", "Fenn", "Finch", "Gable", "Galt", "Garner", "Glover", "Hale", "Harlan", "Hobbs", "Holm",
    "Ingram", "Iverson", "Jarvis", "Jessup", "Keane", "Kemp", "Kessler", "Lark", "Larsen", "Lind",
    "Locke", "Maddox", "Marsh", "Mercer", "Moran", "Nash", "Neville", "Noland", "Oakes", "Ogden", "Orr",
    "Palmer", "Pell", "Pryor", "Quist", "Rand", "Reeve", "Rowan", "Sable", "Sayer", "Stroud", "Tate",
    "Thorne", "Tindall", "Upton", "Vance", "Vernon", "Voss", "Wade", "Weller", "Winslow", "Wyatt",
    "Yates", "York", "Zeller",
)  # fmt: skip

STREETS = (
    "Alder", "Birch", "Canal", "Cedar", "Elm", "Grove", "Hill", "Lake", "Maple", "Mill", "Oak", "Park",
    "Pine", "River", "Union", "Vine",
)  # fmt: skip

#: Places: city, state, first three digits of the zip code, area code, time zone.
PLACES = (
    ("Boston", "MA", "021", "617", "EST"), ("Albany", "NY", "122", "518", "EST"),
    ("Newark", "NJ", "071", "973", "EST"), ("Erie", "PA", "165", "814", "EST"),
    ("Richmond", "VA", "232", "804", "EST"), ("Raleigh", "NC", "276", "919", "EST"),
    ("Savannah", "GA", "314", "912", "EST"), ("Tampa", "FL", "336", "813", "EST"),
    ("Dayton", "OH", "454", "937", "EST"), ("Flint", "MI", "485", "810", "EST"),
    ("Chicago", "IL", "606", "312", "CST"), ("Madison", "WI", "537", "608", "CST"),
    ("Duluth", "MN", "558", "218", "CST"), ("Des Moines", "IA", "503", "515", "CST"),
    ("Topeka", "KS", "666", "785", "CST"), ("Tulsa", "OK", "741", "918", "CST"),
    ("Austin", "TX", "787", "512", "CST"), ("Houston", "TX", "770", "713", "CST"),
    ("Mobile", "AL", "366", "251", "CST"), ("Memphis", "TN", "381", "901", "CST"),
    ("Denver", "CO", "802", "303", "MST"), ("Boise", "ID", "837", "208", "MST"),
    ("Provo", "UT", "846", "801", "MST"), ("Tucson", "AZ", "857", "520", "MST"),
    ("Santa Fe", "NM", "875", "505", "MST"), ("Seattle", "WA", "981", "206", "PST"),
    ("Eugene", "OR", "974", "541", "PST"), ("Reno", "NV", "895", "775", "PST"),
    ("Fresno", "CA", "937", "559", "PST"), ("San Diego", "CA", "921", "619", "PST"),
)  # fmt: skip

PLANS = ("Basic", "Plus", "Premium", "Family", "Business")

SOURCES = ("web form", "store", "partner", "referral", "mailing")

MAIL_DOMAINS = ("example.com", "example.org", "example.net")
