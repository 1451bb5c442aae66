//! The words that values are read by.

/// How a relative is spoken of, and the one word for it.
pub(super) const RELATIONS: [(&str, &str); 47] = [
    ("sister", "sister"),
    ("sis", "sister"),
    ("brother", "brother"),
    ("bro", "brother"),
    ("sibling", "sibling"),
    ("twin", "twin"),
    ("mother", "mother"),
    ("mom", "mother"),
    ("mum", "mother"),
    ("mama", "mother"),
    ("father", "father"),
    ("dad", "father"),
    ("papa", "father"),
    ("son", "son"),
    ("daughter", "daughter"),
    ("child", "child"),
    ("baby", "child"),
    ("wife", "wife"),
    ("husband", "husband"),
    ("hubby", "husband"),
    ("spouse", "spouse"),
    ("partner", "partner"),
    ("girlfriend", "girlfriend"),
    ("gf", "girlfriend"),
    ("boyfriend", "boyfriend"),
    ("bf", "boyfriend"),
    ("fiance", "fiancé"),
    ("fiancé", "fiancé"),
    ("fiancee", "fiancée"),
    ("fiancée", "fiancée"),
    ("cousin", "cousin"),
    ("aunt", "aunt"),
    ("auntie", "aunt"),
    ("uncle", "uncle"),
    ("nephew", "nephew"),
    ("niece", "niece"),
    ("grandmother", "grandmother"),
    ("grandma", "grandmother"),
    ("granny", "grandmother"),
    ("nana", "grandmother"),
    ("grandfather", "grandfather"),
    ("grandpa", "grandfather"),
    ("grandson", "grandson"),
    ("granddaughter", "granddaughter"),
    ("mother-in-law", "mother-in-law"),
    ("father-in-law", "father-in-law"),
    ("stepson", "stepson"),
];

pub(super) const OF_RELATIVES: [&str; 12] = [
    "older", "younger", "little", "big", "elder", "eldest", "oldest", "youngest", "dear", "baby", "twin",
    "only",
];

/// Those whom one counts, and one of them.
pub(super) const RELATIVES: [(&str, &str); 13] = [
    ("sister", "sister"),
    ("sisters", "sister"),
    ("brother", "brother"),
    ("brothers", "brother"),
    ("sibling", "sibling"),
    ("siblings", "sibling"),
    ("son", "son"),
    ("sons", "son"),
    ("daughter", "daughter"),
    ("daughters", "daughter"),
    ("grandson", "grandson"),
    ("granddaughter", "granddaughter"),
    ("grandchildren", "grandchild"),
];

/// How an animal is spoken of, and the one word for it.
pub(super) const PETS: [(&str, &str); 36] = [
    ("dog", "dog"),
    ("dogs", "dogs"),
    ("doggo", "dog"),
    ("puppy", "dog"),
    ("puppies", "dogs"),
    ("pup", "dog"),
    ("pups", "dogs"),
    ("cat", "cat"),
    ("cats", "cats"),
    ("kitten", "cat"),
    ("kittens", "cats"),
    ("kitty", "cat"),
    ("rabbit", "rabbit"),
    ("rabbits", "rabbits"),
    ("bunny", "rabbit"),
    ("hamster", "hamster"),
    ("hamsters", "hamsters"),
    ("parrot", "parrot"),
    ("parrots", "parrots"),
    ("budgie", "budgie"),
    ("canary", "canary"),
    ("horse", "horse"),
    ("horses", "horses"),
    ("pony", "pony"),
    ("goldfish", "goldfish"),
    ("turtle", "turtle"),
    ("turtles", "turtles"),
    ("tortoise", "tortoise"),
    ("gecko", "gecko"),
    ("lizard", "lizard"),
    ("snake", "snake"),
    ("ferret", "ferret"),
    ("labrador", "dog"),
    ("retriever", "dog"),
    ("chickens", "chickens"),
    ("snakes", "snakes"),
];

pub(super) const DIETS: [(&str, &str); 11] = [
    ("vegetarian", "vegetarian"),
    ("veggie", "vegetarian"),
    ("vegan", "vegan"),
    ("pescatarian", "pescatarian"),
    ("pescetarian", "pescatarian"),
    ("keto", "keto"),
    ("gluten-free", "gluten-free"),
    ("flexitarian", "flexitarian"),
    ("kosher", "kosher"),
    ("halal", "halal"),
    ("carnivore", "carnivore"),
];

/// What people say they cannot have.
pub(super) const FOODS: [&str; 16] = [
    "dairy", "gluten", "nuts", "peanuts", "eggs", "milk", "lactose", "sugar", "meat", "caffeine", "alcohol",
    "seafood", "fish", "shellfish", "soy", "wheat",
];

pub(super) const STATUSES: [&str; 6] = ["married", "single", "engaged", "divorced", "widowed", "separated"];

/// Conditions that one is.
pub(super) const QUALITIES: [&str; 14] = [
    "diabetic", "asthmatic", "dyslexic", "autistic", "left-handed", "right-handed", "colour-blind", "deaf",
    "blind", "celiac", "lactose intolerant", "short-sighted", "pregnant", "epileptic",
];

/// Conditions that one has.
pub(super) const CONDITIONS: [&str; 26] = [
    "asthma", "diabetes", "migraines", "migraine", "epilepsy", "arthritis", "adhd", "add", "dyslexia",
    "anxiety", "depression", "insomnia", "eczema", "psoriasis", "ibs", "crohn", "hypertension", "anemia",
    "anaemia", "celiac", "endometriosis", "scoliosis", "tinnitus", "vertigo", "ptsd", "autism",
];

/// Places of work that have no name.
pub(super) const WORKPLACES: [&str; 42] = [
    "bank", "hospital", "school", "clinic", "restaurant", "café", "cafe", "bakery", "startup", "start-up",
    "company", "firm", "university", "college", "store", "shop", "library", "museum", "hotel", "bar", "gym",
    "studio", "office", "factory", "lab", "laboratory", "farm", "nonprofit", "non-profit", "charity",
    "agency", "shelter", "bookstore", "bookshop", "supermarket", "pharmacy", "kindergarten", "nursery",
    "warehouse", "newspaper", "airline", "salon",
];

pub(super) const BELONGINGS: [&str; 26] = [
    "house", "flat", "apartment", "car", "bike", "bicycle", "motorbike", "motorcycle", "boat", "van",
    "truck", "scooter", "piano", "guitar", "violin", "cello", "drone", "telescope", "kayak", "canoe",
    "camper", "caravan", "farm", "cabin", "e-bike", "tesla",
];

/// Where a phrase ends.
pub(super) const ENDS: [&str; 83] = [
    "and", "or", "but", "because", "so", "when", "whenever", "while", "if", "since", "as", "that", "which",
    "who", "where", "what", "how", "why", "i", "we", "you", "he", "she", "they", "it", "is", "are", "was",
    "were", "am", "do", "did", "does", "can", "will", "would", "could", "too", "also", "either", "very",
    "much", "more", "most", "best", "especially", "every", "these", "those", "this", "now", "lately",
    "recently", "any", "again", "here", "there", "lol", "btw", "though", "than", "before", "during", "even",
    "anyway", "like", "already", "ever", "never", "these", "always", "lots", "tho", "haha", "although",
    "not", "'s", "please", "then", "still", "until", "just", "yet",
];

/// A phrase ends here too, unless it says what somebody does: "talking to people".
pub(super) const PREPOSITIONS: [&str; 23] = [
    "at", "for", "with", "from", "on", "to", "over", "after", "by", "in", "into", "onto", "up", "out", "off",
    "around", "without", "near", "along", "outside", "through", "across", "about",
];

/// A phrase does not end in one of these.
pub(super) const ENDINGS: [&str; 15] = [
    "of", "the", "a", "an", "my", "some", "all", "well", "good", "bad", "lot", "bit", "yesterday", "today",
    "lots",
];

/// What such a phrase is never about: it is there before the speakers' eyes, or says nothing.
pub(super) const OF_THE_MOMENT: [&str; 44] = [
    "it", "that", "this", "them", "you", "your", "yours", "him", "her", "his", "their", "these", "those",
    "what", "how", "when", "where", "who", "everything", "anything", "nothing", "something", "each", "both",
    "being", "seeing", "hearing", "having", "knowing", "no", "us", "me", "someone", "everyone", "anyone",
    "another", "such", "'s", "here", "there", "to", "not", "our", "its",
];

/// Words that alone name nothing.
pub(super) const VAGUE: [&str; 60] = [
    "thing", "things", "stuff", "way", "ways", "idea", "ideas", "sound", "look", "looks", "one", "ones",
    "lot", "bit", "time", "times", "part", "parts", "place", "places", "feeling", "vibe", "vibes", "color",
    "colors", "colour", "colours", "photo", "photos", "pic", "pics", "picture", "pictures", "design",
    "designs", "kind", "sort", "type", "fact", "plan", "plans", "attitude", "spirit", "energy", "enthusiasm",
    "name", "story", "question", "suggestion", "view", "thought", "thoughts", "people", "combo", "choice",
    "news", "hearing", "trying", "doing", "getting",
];

/// What is spoken of with an article and still meant in general.
pub(super) const THE_GENERAL: [&str; 20] = [
    "beach", "ocean", "sea", "outdoors", "mountains", "rain", "snow", "sun", "cold", "heat", "winter",
    "summer", "forest", "countryside", "theatre", "theater", "opera", "city", "water", "arts",
];

pub(super) const ADVERBS: [&str; 28] = [
    "still", "now", "currently", "really", "just", "actually", "also", "always", "recently", "absolutely",
    "totally", "already", "even", "quite", "pretty", "very", "truly", "definitely", "both", "finally", "so",
    "especially", "mostly", "mainly", "usually", "personally", "certainly", "super",
];

/// What people do for pleasure; of "I've been …ing for years" only these are hobbies.
pub(super) const ACTIVITIES: [&str; 52] = [
    "painting", "drawing", "sketching", "running", "jogging", "hiking", "climbing", "bouldering", "cycling",
    "biking", "swimming", "surfing", "skiing", "snowboarding", "skating", "skateboarding", "sailing",
    "rowing", "kayaking", "diving", "fishing", "camping", "gardening", "knitting", "crocheting", "sewing",
    "quilting", "weaving", "carving", "woodworking", "baking", "cooking", "brewing", "singing", "dancing",
    "acting", "writing", "blogging", "reading", "journaling", "meditating", "birdwatching", "stargazing",
    "geocaching", "photographing", "boxing", "fencing", "wrestling", "riding", "gaming", "juggling",
    "volunteering",
];

/// What makes a name that of a body.
pub(super) const OF_BODIES: [&str; 30] = [
    "corp", "corporation", "inc", "ltd", "limited", "llc", "gmbh", "ag", "plc", "co", "company", "group",
    "bank", "labs", "university", "college", "school", "institute", "hospital", "clinic", "foundation",
    "airlines", "airways", "industries", "systems", "partners", "studios", "consulting", "&", "brothers",
];

/// Whoever is good or bad at something need not do it for a living: "a slow driver".
pub(super) const OF_SKILL: [&str; 34] = [
    "good", "great", "bad", "better", "best", "worst", "terrible", "big", "huge", "amazing", "former", "ex",
    "slow", "fast", "quick", "safe", "lousy", "decent", "poor", "excellent", "keen", "avid", "lazy", "nice",
    "natural", "born", "horrible", "awesome", "fantastic", "patient", "wannabe", "amateur", "aspiring",
    "future",
];

/// With one of these a partner is spoken of who may be none any more.
pub(super) const PARTINGS: [&str; 22] = [
    "broke", "breaking", "split", "splitting", "dumped", "divorced", "divorcing", "divorce", "separated",
    "separating", "separation", "breakup", "died", "dead", "dying", "death", "passing", "killed", "funeral",
    "widow", "widower", "lost",
];
