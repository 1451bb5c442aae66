//! The words and phrases that a question is judged by.

/// What a question may begin with before it asks.
pub(super) const LEADS: [&str; 28] = [
    "and", "but", "so", "or", "well", "oh", "ah", "hey", "hi", "hello", "btw", "by", "the", "way", "anyway",
    "ok", "okay", "now", "also", "then", "wow", "just", "yes", "no", "sorry", "thanks", "quick", "question",
];

/// Words about what somebody feels, likes, remembers or dreams of, and of talk for its own sake.
pub(super) const OF_TALK: [&str; 69] = [
    "favorite", "favourite", "feel", "feeling", "feelings", "felt", "inspire", "inspires", "inspired",
    "inspiring", "inspiration", "enjoy", "enjoyed", "enjoying", "motivate", "motivates", "motivated",
    "motivation", "excited", "exciting", "proud", "special", "meaning", "memorable", "memories", "moment",
    "moments", "passion", "passionate", "hobby", "hobbies", "lately", "recently", "cool", "fun", "funny",
    "funniest", "interesting", "interested", "dream", "dreams", "goals", "joy", "happy", "happiness", "love",
    "loved", "vibe", "vibes", "hardest", "craziest", "backstory", "story", "stories", "secret", "gist",
    "rewarding", "challenging", "challenges", "impact", "impactful", "appeal", "drew", "sparked", "journey",
    "photo", "photos", "pic", "pics",
];

/// The same in more than one word.
pub(super) const PHRASES_OF_TALK: [&[&str]; 47] = [
    &["made", "you"],
    &["makes", "you"],
    &["make", "you"],
    &["got", "you"],
    &["gets", "you"],
    &["keeps", "you"],
    &["brings", "you"],
    &["brought", "you"],
    &["drives", "you"],
    &["helps", "you"],
    &["what", "it", "like"],
    &["was", "it", "like"],
    &["is", "it", "like"],
    &["tell", "me", "more"],
    &["say", "more"],
    &["share", "more"],
    &["do", "you", "think"],
    &["did", "you", "think"],
    &["about", "yourself"],
    &["about", "you"],
    &["stands", "out"],
    &["stood", "out"],
    &["stick", "out"],
    &["looking", "forward"],
    &["up", "to"],
    &["the", "best", "part"],
    &["the", "best", "thing"],
    &["like", "best"],
    &["like", "most"],
    &["the", "most"],
    &["you", "ever"],
    &["ever", "thought"],
    &["wanna", "see"],
    &["want", "to", "see"],
    &["wanna", "hear"],
    &["want", "to", "hear"],
    &["want", "to", "tell"],
    &["wanna", "tell"],
    &["want", "to", "share"],
    &["want", "to", "know"],
    &["wanna", "know"],
    &["wanna", "try", "it"],
    &["wanna", "give", "it"],
    &["say", "no", "to"],
    &["the", "deal"],
    &["the", "matter"],
    &["i", "ask"],
];

/// Beginnings of questions about a decision, a permission, an offer, a meeting or help.
pub(super) const DECISIONS: [&[&str]; 50] = [
    &["shall"],
    &["should", "i"],
    &["should", "we"],
    &["do", "you", "want"],
    &["do", "u", "want"],
    &["d'you", "want"],
    &["would", "you", "like", "to"],
    &["would", "you", "like", "me"],
    &["would", "you", "like", "a"],
    &["would", "you", "like", "some"],
    &["would", "you", "rather"],
    &["do", "you", "prefer"],
    &["want", "to"],
    &["want", "me"],
    &["wanna"],
    &["is", "it", "ok"],
    &["is", "it", "okay"],
    &["is", "it", "fine"],
    &["is", "it", "alright"],
    &["is", "it", "possible"],
    &["ok", "if"],
    &["okay", "if"],
    &["mind", "if"],
    &["do", "you", "mind"],
    &["would", "you", "mind"],
    &["are", "we"],
    &["will", "we"],
    &["will", "you"],
    &["are", "you", "coming"],
    &["are", "you", "free"],
    &["are", "you", "available"],
    &["are", "you", "able"],
    &["are", "you", "joining"],
    &["can", "you", "come"],
    &["can", "you", "make"],
    &["could", "you", "come"],
    &["do", "you", "need"],
    &["do", "you", "still", "need"],
    &["need", "any"],
    &["need", "anything"],
    &["need", "help"],
    &["need", "a"],
    &["do", "you", "know", "if"],
    &["do", "you", "know", "whether"],
    &["do", "you", "know", "where"],
    &["do", "you", "know", "when"],
    &["do", "you", "know", "who"],
    &["do", "you", "know", "how"],
    &["do", "you", "know", "which"],
    &["do", "you", "know", "what"],
];

/// Words that ask for a choice wherever they stand.
pub(super) const CHOICES: [&[&str]; 12] = [
    &["should", "i"],
    &["should", "we"],
    &["i", "should"],
    &["we", "should"],
    &["shall", "i"],
    &["shall", "we"],
    &["do", "you", "want", "me"],
    &["do", "you", "prefer"],
    &["would", "you", "prefer"],
    &["do", "you", "agree"],
    &["would", "you", "rather"],
    &["you", "like", "me", "to"],
];

/// Words that ask for a state of affairs or advice wherever they stand.
pub(super) const ANYWHERE: [&[&str]; 29] = [
    &["you", "need"],
    &["are", "you", "done"],
    &["are", "you", "finished"],
    &["is", "there", "a", "way"],
    &["is", "there", "any", "way"],
    &["works", "for", "you"],
    &["work", "for", "you"],
    &["suits", "you"],
    &["suit", "you"],
    &["does", "that", "work"],
    &["how", "does", "that", "sound"],
    &["heard", "back"],
    &["heard", "from"],
    &["hear", "back"],
    &["any", "news"],
    &["any", "update"],
    &["any", "updates"],
    &["any", "word", "from"],
    &["status", "of"],
    &["know", "anyone"],
    &["know", "anybody"],
    &["i", "can", "help"],
    &["need", "help", "with"],
    &["needs", "help", "with"],
    &["tips", "for"],
    &["tips", "on"],
    &["advice", "for"],
    &["advice", "on"],
    &["are", "ready"],
];

/// What one asks for words with: "could you tell me where …", "can you explain …".
pub(super) const TELLING: [&str; 8] =
    ["tell", "explain", "describe", "clarify", "recommend", "suggest", "remind", "show"];

pub(super) const AUXILIARIES: [&str; 23] = [
    "is", "isn't", "are", "aren't", "was", "wasn't", "were", "do", "does", "doesn't", "did", "didn't", "has",
    "hasn't", "have", "haven't", "had", "will", "won't", "would", "can", "could", "should",
];

/// Deeds somebody may be asked about that nobody is ordered to do in these words.
pub(super) const DEEDS: [&str; 11] =
    ["put", "park", "leave", "choose", "decide", "lock", "receive", "reply", "answer", "turn", "hand"];

/// Subjects that name nothing.
pub(super) const NOTHING_NAMED: [&str; 17] = [
    "it", "this", "that", "these", "those", "he", "she", "they", "there", "going", "up", "new", "happening",
    "wrong", "on", "so", "",
];

/// What one has to know of somebody for doing something.
pub(super) const PARTICULARS: [&str; 20] = [
    "address", "phone", "number", "email", "e-mail", "password", "budget", "deadline", "schedule",
    "availability", "eta", "price", "cost", "costs", "fee", "fees", "rent", "invoice", "link", "account",
];
