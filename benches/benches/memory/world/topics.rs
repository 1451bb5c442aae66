//! What the agents' users talk about: twelve topics, each with a question, the five turns that answer it, and turns that
//! only look as if they did.
//!
//! `{me}` is who asks, `{it}` what the question is about, `{alias}` another way to say so, `{other}` another thing of the
//! kind, `{relative}` somebody the user knows.

/// A topic as every agent has it, with names of its own.
pub(crate) struct Topic {
    /// What the report calls it.
    pub(crate) name: &'static str,
    /// The question, in the third person.
    pub(crate) question: &'static str,
    /// Turns of the user that answer it.
    pub(crate) relevant: [&'static str; 5],
    /// Turns of the user with the same words about somebody or something else, and about the same thing something else.
    pub(crate) near: [&'static str; NEAR],
    /// What the assistant asks about it.
    pub(crate) asked: &'static str,
    /// What it may be about: names, each with another way to say it.
    pub(crate) things: &'static [(&'static str, &'static str)],
}

/// How many turns of each topic only look as if they answered its question.
pub(crate) const NEAR: usize = 5;

/// Nothing that has a name.
const NOTHING: &[(&str, &str)] = &[("", "")];

pub(crate) const TOPICS: [Topic; 12] = [
    Topic {
        name: "dog",
        question: "What health problems has {me}'s dog {it} had?",
        relevant: [
            "{it} was limping on the left hind leg again after the walk.",
            "The vet says the dog has an ear infection, so it's drops twice a day now.",
            "{it} threw up half the night, I think it was the new food.",
            "The blood test is back: {it}'s thyroid is a bit low.",
            "They had to pull two of the dog's teeth under anaesthetic.",
        ],
        near: [
            "{other}, the neighbour's dog, was limping as well, poor thing.",
            "{it} has learned to open the fridge, can you believe it?",
            "I signed {it} up for the agility course on Saturday.",
            "My own ear infection is back, drops twice a day.",
            "The vet has moved into the building next to the bakery.",
        ],
        asked: "Has anything else come up with {it}'s health?",
        things: &[("Biscuit", "the dog"), ("Pepper", "the dog"), ("Waffles", "the dog"), ("Juno", "the dog")],
    },
    Topic {
        name: "food",
        question: "Which foods is {me} allergic to or unable to eat?",
        relevant: [
            "I'm allergic to cashews, they make my lips go numb.",
            "I can't eat prawns or mussels since I was in hospital.",
            "Milk makes me ill, I can't have lactose.",
            "The doctor says I must not eat gluten any more.",
            "I'm not allowed to eat grapefruit with these tablets.",
        ],
        near: [
            "{relative} is allergic to cashews, we always check the label.",
            "Tonight I'm cooking prawns and mussels for the guests, they love them.",
            "{relative} can't have gluten, so I bake with rice flour when there is a visit.",
            "The milk in the office fridge has gone off again.",
            "My tablets are small and white now, the old ones were hard to swallow.",
        ],
        asked: "Is there any food you would like me to leave out of the recipes?",
        things: NOTHING,
    },
    Topic {
        name: "house",
        question: "What work has been done on {it} so far?",
        relevant: [
            "The roof of {it} is finally new, slates and all.",
            "They rewired {it} last week, every single socket.",
            "We took out the wall between the kitchen and the hall at {it}.",
            "The bathroom {alias} is tiled now, blue as I wanted.",
            "New windows went in {alias}, triple glazing.",
        ],
        near: [
            "The roof of {other} leaks, somebody should look at it one day.",
            "They rewired {other} last week, every single socket.",
            "We spent the weekend at {it} and did nothing but read.",
            "Guests keep asking whether {it} has parking.",
            "{relative} took out a wall at home, the kitchen looks twice as big.",
        ],
        asked: "What is next on the list for {it}?",
        things: &[
            ("the lake house", "out at the lake"),
            ("the Porto flat", "down in Porto"),
            ("the farm cottage", "over at the farm"),
            ("the mill", "up at the mill"),
        ],
    },
    Topic {
        name: "project",
        question: "What went wrong with the {it} project?",
        relevant: [
            "{it} slipped by three weeks because the supplier went quiet.",
            "We lost a day of data when the {it} import crashed.",
            "The client complained that {it} is too slow on phones.",
            "Half of the {it} budget is gone and we are not halfway.",
            "Two testers quit {it} in the same week.",
        ],
        near: [
            "{other} slipped by a week, nobody minds.",
            "The {it} logo is a bird now, marketing loves it.",
            "We named the big meeting room after {it}.",
            "{other} is too slow on phones, its client says.",
            "{relative} lost a day of data when the laptop crashed.",
        ],
        asked: "Would you like a summary of where {it} stands?",
        things: &[("Halden", ""), ("Marigold", ""), ("Tessera", ""), ("Osprey", "")],
    },
    Topic {
        name: "trip",
        question: "What has {me} arranged for the trip to {it}?",
        relevant: [
            "Flights to {it} are booked, we leave on the ninth.",
            "I found us a small hotel in {it} near the old tram line.",
            "The cat sitter said yes for the {it} week.",
            "The travel insurance is sorted, it covers {it} and the baggage.",
            "We have tickets for the concert in {it} on the second evening.",
        ],
        near: [
            "When I was a student I went to {it} with a tent.",
            "Flights to {other} got so expensive that I gave up looking.",
            "{relative} found a small hotel in {other}.",
            "They say it rains a lot in {it} in spring.",
            "The hotel near the old tram line is being torn down.",
        ],
        asked: "What is still missing for {it}?",
        things: &[("Lisbon", ""), ("Kyoto", ""), ("Oslo", ""), ("Crete", "")],
    },
    Topic {
        name: "running",
        question: "How is {me}'s training for the marathon going?",
        relevant: [
            "I ran twelve kilometres of my marathon training before breakfast.",
            "My longest training run yet was thirty kilometres, slow but done.",
            "I ran intervals on the track for the marathon, eight times four hundred.",
            "My knee held up on the hill run today, the marathon coach is pleased.",
            "I ran ten kilometres a minute faster than ever.",
        ],
        near: [
            "{relative} ran twelve kilometres before breakfast.",
            "I watched the marathon on television with a bag of crisps.",
            "The train was late again, I stood for half an hour.",
            "The training for the new accounting software is on Monday.",
            "The coach to the airport leaves at six.",
        ],
        asked: "How far do you want to run this week?",
        things: NOTHING,
    },
    Topic {
        name: "garden",
        question: "What is {me} growing in the garden?",
        relevant: [
            "The tomatoes in my garden are up, six plants along the fence.",
            "I planted broad beans in the garden where the compost used to be.",
            "Courgettes are growing all over my garden, two plants would have been enough.",
            "The strawberries in the garden have their first flowers.",
            "I sowed carrots in my garden, in the raised bed.",
        ],
        near: [
            "{relative} has tomatoes along the fence too, a whole garden full.",
            "I made a salad of tomatoes and carrots for lunch.",
            "We had coffee in the botanical garden.",
            "The shed is full of old bicycles.",
            "My hair is growing out, I look like a hedge.",
        ],
        asked: "Does the garden need anything before the weekend?",
        things: NOTHING,
    },
    Topic {
        name: "instrument",
        question: "What progress has {me} made with the {it}?",
        relevant: [
            "I can play a whole minuet on the {it} now.",
            "My teacher says the left hand has got much better on the {it}.",
            "I passed the grade three exam on the {it}.",
            "Yesterday I played the {it} in front of people for the first time.",
            "I finally keep time with the metronome when I practise the {it}.",
        ],
        near: [
            "I sold my old {other}, nobody played it.",
            "{relative} passed the grade three exam on the {other}.",
            "The {it} case is too heavy for the stairs.",
            "{relative} keeps time with a metronome in the choir.",
            "There was a {it} on the record we listened to.",
        ],
        asked: "Shall I remind you to practise the {it} tomorrow?",
        things: &[("cello", ""), ("clarinet", ""), ("trumpet", ""), ("banjo", "")],
    },
    Topic {
        name: "car",
        question: "Which repairs did {it} need?",
        relevant: [
            "{it} got new brake pads in March.",
            "The garage changed the clutch of {it}, that hurt.",
            "They welded the exhaust back on, {it} sounds like a car again.",
            "{it} failed the inspection, so the headlights had to be done.",
            "A new battery for {it}, the old one died in the cold.",
        ],
        near: [
            "{other} got new brake pads in March.",
            "{it} smells of wet dog whatever I do.",
            "I lent {it} to {relative} for the move.",
            "My phone needs a new battery.",
            "{relative} had the clutch of a scooter changed, that hurt.",
        ],
        asked: "When is {it} due for its next service?",
        things: &[("the Volvo", ""), ("the blue van", ""), ("the Fiat", ""), ("the pickup", "")],
    },
    Topic {
        name: "school",
        question: "What is {it} good at in school?",
        relevant: [
            "{it} came first in the spelling contest.",
            "The maths teacher gave {it} extra problems because the others were too easy.",
            "{it} reads two books a week, in class and at home.",
            "{it} won the high jump on sports day.",
            "{it}'s drawing hangs in the entrance of the school.",
        ],
        near: [
            "{other} came first in the spelling contest last year.",
            "{it} hates the school bus.",
            "{it} lost the gym bag again.",
            "The school is closed on Friday.",
            "{relative} teaches maths and is tired of it.",
        ],
        asked: "Which subject does {it} need help with?",
        things: &[("Lena", ""), ("Emil", ""), ("Noor", ""), ("Theo", "")],
    },
    Topic {
        name: "present",
        question: "What would {me} like to get as a birthday present?",
        relevant: [
            "For my birthday I'd like a proper bread knife.",
            "I'd love to be given a subscription to that chess magazine.",
            "Those green enamel pots would be a present I'd like.",
            "A day at the pottery would be the best present for me.",
            "I wish somebody would give me a good head torch.",
        ],
        near: [
            "I bought {relative} a bread knife as a birthday present.",
            "The chess club has moved to Thursdays.",
            "{relative} would love a day at the pottery.",
            "I never know what to give people.",
            "The neighbour's head torch shines into our bedroom.",
        ],
        asked: "Should I help you find presents this year?",
        things: NOTHING,
    },
    Topic {
        name: "sleep",
        question: "How has {me} been sleeping?",
        relevant: [
            "I was awake at three again and could not sleep.",
            "I slept right through for the first time in weeks.",
            "I sleep better on the new mattress, my back no longer wakes me.",
            "I slept so badly that I nodded off at my desk.",
            "I can't sleep without the window open.",
        ],
        near: [
            "{relative} cannot sleep, awake at three every night with the baby.",
            "The cat sleeps on the printer.",
            "We bought a mattress for the guest room.",
            "That film put the whole cinema to sleep.",
            "My leg fell asleep in the meeting.",
        ],
        asked: "Did you get some rest?",
        things: NOTHING,
    },
];
