//! Which words after a cue make an action, and which do not.

/// Words between a cue and its verb that change nothing.
pub(crate) const ADVERBS: [&str; 25] = [
    "definitely", "also", "just", "then", "still", "surely", "certainly", "gladly", "happily", "really",
    "quickly", "please", "to", "and", "personally", "immediately", "go", "kindly", "maybe", "first",
    "actually", "now", "again", "remember", "finally",
];

/// Where one goes, after "go".
pub(crate) const WAYS: [&str; 12] =
    ["home", "downtown", "there", "out", "back", "to", "on", "abroad", "upstairs", "away", "with", "for"];

/// Words after which a will is only a guess, a report, or a question.
pub(crate) const HEDGES: [&str; 34] = [
    "think", "thought", "hope", "guess", "suppose", "doubt", "bet", "wonder", "wish", "maybe", "perhaps",
    "probably", "do", "does", "did", "should", "would", "if", "whether", "what", "when", "where", "why",
    "how", "who", "which", "could", "can", "may", "might", "believe", "imagine", "not", "that",
];

/// Words that are no verbs, or that say how unlikely something is.
pub(crate) const NO_VERBS: [&str; 72] = [
    "the", "a", "an", "this", "that", "these", "those", "my", "your", "our", "his", "her", "their", "its",
    "i", "you", "he", "she", "it", "we", "they", "me", "him", "us", "them", "in", "on", "at", "of", "for",
    "from", "with", "by", "about", "into", "not", "never", "always", "probably", "likely", "perhaps",
    "maybe", "possibly", "no", "yes", "be", "been", "is", "are", "was", "were", "have", "has", "had", "and",
    "or", "but", "if", "so", "as", "too", "there", "here", "what", "who", "when", "why", "how", "often",
    "sometimes", "usually", "rather",
];

/// What one says one will do, must do or let be done without there being anything to do.
pub(crate) const NO_ACTIONS: [&str; 74] = [
    "see", "love", "like", "miss", "admit", "say", "bet", "survive", "pass", "die", "cry", "believe",
    "understand", "hate", "agree", "guess", "hope", "enjoy", "know", "feel", "want", "wish", "need",
    "remember", "forget", "become", "get", "stay", "live", "sleep", "rest", "relax", "wait", "go", "come",
    "leave", "confess", "assume", "imagine", "regret", "end", "seem", "look", "sound", "grow", "stand",
    "turn", "happen", "think", "consider", "wonder", "keep", "stop", "breathe", "eat", "laugh", "mention",
    "rephrase", "put", "focus", "try", "accept", "excuse", "forgive", "note", "lose", "cherish",
    "appreciate", "reach", "push", "treasure", "continue", "fight", "matter",
];

/// Of those, what is an action after all when something follows: "get you the keys", "keep the receipts".
pub(crate) const ACTIONS_WITH_OBJECT: [&str; 9] =
    ["reach", "get", "leave", "put", "turn", "look", "keep", "stop", "come"];

/// What "can you …?" asks about rather than for.
pub(crate) const NO_REQUESTS: [&str; 32] = [
    "believe", "imagine", "see", "hear", "feel", "guess", "remember", "like", "rather", "prefer", "want",
    "love", "know", "understand", "swim", "drive", "speak", "sing", "dance", "cook", "marry", "miss",
    "smell", "come", "attend", "join", "make", "go", "stay", "eat", "get", "look",
];

/// What a request for words asks for: the answer is the deed.
pub(crate) const INFORMING: [&str; 20] = [
    "tell", "explain", "describe", "clarify", "elaborate", "recommend", "suggest", "advise", "say", "name",
    "define", "compare", "summarize", "summarise", "show", "teach", "help", "answer", "repeat", "outline",
];

/// What an order begins with, at the start of a sentence.
pub(crate) const ORDERS: [&str; 62] = [
    "book", "send", "call", "email", "mail", "buy", "order", "schedule", "cancel", "pay", "renew", "print",
    "submit", "update", "prepare", "check", "reserve", "arrange", "add", "create", "fix", "finish", "bring",
    "pick", "share", "upload", "confirm", "invite", "post", "ask", "text", "forward", "review", "file",
    "sign", "draft", "write", "set", "clean", "water", "feed", "wash", "return", "remove", "delete", "move",
    "copy", "install", "contact", "translate", "collect", "organise", "organize", "deliver", "repair",
    "charge", "download", "rename", "register", "notify", "empty", "replace",
];

/// Beginnings of what one says one will do that are an encouragement or a turn of phrase.
pub(crate) const PHRASES: [&[&str]; 21] = [
    &["make", "memories"],
    &["have", "a", "safe"],
    &["have", "a", "great"],
    &["have", "a", "good"],
    &["make", "it"],
    &["make", "a", "difference"],
    &["make", "the", "most"],
    &["make", "time"],
    &["give", "it", "a"],
    &["keep", "it", "up"],
    &["keep", "that"],
    &["keep", "on"],
    &["keep", "up"],
    &["keep", "in", "mind"],
    &["reach", "my"],
    &["reach", "our"],
    &["have", "fun"],
    &["start", "thinking"],
    &["tell", "you"],
    &["do", "my", "best"],
    &["take", "it", "easy"],
];

/// Promises that are a way of taking leave, where they say neither of what nor until when.
pub(crate) const FORMULAS: [&[&str]; 8] = [
    &["keep", "you", "updated"],
    &["keep", "you", "posted"],
    &["keep", "ya", "posted"],
    &["keep", "ya", "updated"],
    &["keep", "you", "in", "the", "loop"],
    &["keep", "me", "posted"],
    &["keep", "me", "updated"],
    &["make", "this", "work"],
];
