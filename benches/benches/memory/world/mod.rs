//! Made-up conversations: agents with a history each, and questions of which it is known what answers them.
//!
//! Every agent's user has talked about the same twelve topics, so that a search which forgets whose memories it looks at
//! finds other users'. To every question there are exactly five turns that answer it, spread over the sessions; around
//! them there are turns with the same words about something else, said by the user, by another person in the same
//! sentences, and by the assistant as a question. The same seed makes the same conversations.

mod chatter;
mod topics;

use fastrand::Rng;

use self::chatter::{ANSWERED, DAYS, NAMES, RELATIVES, SAID, THINGS};
pub(crate) use self::topics::NEAR;
use self::topics::{TOPICS, Topic};

/// Sessions that an agent's history is spread over.
pub(crate) const SESSIONS: usize = 10;
/// How many of a topic's answers another person says too, about something of their own.
const OTHERS_SAY: usize = 1;
/// The least turns that hold all topics with some chatter between.
pub(crate) const FEWEST_TURNS: usize = 300;

/// Agents and what was said to them.
pub(crate) struct World {
    pub(crate) agents: Vec<Agent>,
}

/// One agent: a user with a history.
pub(crate) struct Agent {
    /// The user's id.
    pub(crate) user: String,
    /// The history, oldest first; each session in its order.
    pub(crate) turns: Vec<Turn>,
    /// What is asked about it.
    pub(crate) questions: Vec<Question>,
}

/// Something that was said.
#[derive(Clone)]
pub(crate) struct Turn {
    /// The session, from 0.
    pub(crate) session: usize,
    /// Its position within the session, from 1: the version that the log will give it.
    pub(crate) version: i64,
    /// `user` or `assistant`.
    pub(crate) role: &'static str,
    /// Who said it.
    pub(crate) speaker: &'static str,
    /// The text.
    pub(crate) content: String,
    /// The topic it answers.
    answers: Option<usize>,
}

/// A question and what answers it.
pub(crate) struct Question {
    /// The topic's name.
    pub(crate) topic: &'static str,
    /// The question.
    pub(crate) text: String,
    /// The five turns, by session and version.
    pub(crate) relevant: Vec<(usize, i64)>,
}

/// The name of a session.
pub(crate) fn session_name(session: usize) -> String {
    format!("talk-{session}")
}

impl World {
    /// As many agents with as many turns each, and of every topic as many turns (at most [`NEAR`]) that only look as if
    /// they answered its question.
    pub(crate) fn generate(seed: u64, agents: usize, turns: usize, near: usize) -> Self {
        let mut rng = Rng::with_seed(seed);
        Self { agents: (0..agents).map(|number| agent(&mut rng, number, turns, near)).collect() }
    }

    /// Every question with its agent.
    pub(crate) fn questions(&self) -> impl Iterator<Item = (&Agent, &Question)> {
        self.agents.iter().flat_map(|agent| agent.questions.iter().map(move |question| (agent, question)))
    }
}

/// Names of a topic, as one agent's user and their friend have them.
struct Names {
    me: &'static str,
    it: (&'static str, &'static str),
    other: (&'static str, &'static str),
    relative: &'static str,
}

fn agent(rng: &mut Rng, number: usize, turns: usize, near: usize) -> Agent {
    let mut names = NAMES;
    rng.shuffle(&mut names);
    let [me, friend, ..] = names;
    let mut planted = Vec::new();
    let mut asked = Vec::new();
    for (at, topic) in TOPICS.iter().enumerate() {
        let names = Names { me, ..Names::choose(rng, topic) };
        asked.push((topic.name, names.fill(topic.question)));
        for text in topic.relevant {
            planted.push(turn("user", me, names.fill(text), Some(at)));
        }
        let mut alike = topic.near;
        if near < NEAR {
            rng.shuffle(&mut alike);
        }
        for text in alike.into_iter().take(near) {
            planted.push(turn("user", me, names.fill(text), None));
        }
        let theirs = Names { it: names.other, other: names.it, ..names };
        let mut sentences = topic.relevant;
        rng.shuffle(&mut sentences);
        for text in sentences.into_iter().take(OTHERS_SAY) {
            planted.push(turn("user", friend, theirs.fill(text), None));
        }
        planted.push(turn("assistant", "Assistant", names.fill(topic.asked), None));
    }
    rng.shuffle(&mut planted);
    let turns = laid_out(rng, planted, turns, me, friend);
    let questions = asked
        .into_iter()
        .enumerate()
        .map(|(at, (topic, text))| {
            let relevant = turns
                .iter()
                .filter(|turn| turn.answers == Some(at))
                .map(|turn| (turn.session, turn.version))
                .collect();
            Question { topic, text, relevant }
        })
        .collect();
    Agent { user: format!("agent-{number:03}"), turns, questions }
}

fn turn(role: &'static str, speaker: &'static str, content: String, answers: Option<usize>) -> Turn {
    Turn { session: 0, version: 0, role, speaker, content, answers }
}

/// Puts what was planted into sessions, with chatter between, and numbers it.
fn laid_out(
    rng: &mut Rng,
    planted: Vec<Turn>,
    turns: usize,
    me: &'static str,
    friend: &'static str,
) -> Vec<Turn> {
    let chatter = turns.saturating_sub(planted.len());
    // Where in the history something is planted: any places, all of them different.
    let mut places: Vec<bool> =
        std::iter::repeat_n(true, planted.len()).chain(std::iter::repeat_n(false, chatter)).collect();
    rng.shuffle(&mut places);
    let length = places.len().div_ceil(SESSIONS).max(1);
    let mut planted = planted.into_iter();
    let mut versions = [0_i64; SESSIONS];
    let mut answers_next = false;
    places
        .into_iter()
        .enumerate()
        .map(|(place, is_planted)| {
            let made = if is_planted { planted.next() } else { None };
            let made = made.unwrap_or_else(|| chat(rng, answers_next, me, friend));
            answers_next = made.role == "user";
            let session = (place / length).min(SESSIONS - 1);
            let version = versions.get_mut(session).map_or(0, |version| {
                *version += 1;
                *version
            });
            Turn { session, version, ..made }
        })
        .collect()
}

fn chat(rng: &mut Rng, answers: bool, me: &'static str, friend: &'static str) -> Turn {
    let (role, speaker, texts): (_, _, &[&str]) = match (answers, rng.u8(..4)) {
        (true, _) => ("assistant", "Assistant", &ANSWERED),
        (false, 0) => ("user", friend, &SAID),
        (false, _) => ("user", me, &SAID),
    };
    let content = pick(rng, texts).replace("{day}", pick(rng, &DAYS)).replace("{thing}", pick(rng, &THINGS));
    turn(role, speaker, content, None)
}

fn pick(rng: &mut Rng, texts: &[&'static str]) -> &'static str {
    rng.choice(texts).copied().unwrap_or_default()
}

impl Names {
    /// Two different things of the topic's kind, where it has any.
    fn choose(rng: &mut Rng, topic: &Topic) -> Self {
        let mut things = topic.things.to_vec();
        rng.shuffle(&mut things);
        let it = things.first().copied().unwrap_or_default();
        Self { me: "", it, other: things.get(1).copied().unwrap_or(it), relative: pick(rng, &RELATIVES) }
    }

    fn fill(&self, text: &str) -> String {
        let filled = text
            .replace("{me}", self.me)
            .replace("{it}", self.it.0)
            .replace("{alias}", self.it.1)
            .replace("{other}", self.other.0);
        let filled = if filled.starts_with("{relative}") {
            filled.replace("{relative}", self.relative)
        } else {
            filled.replace("{relative}", &self.relative.replacen("My", "my", 1))
        };
        capitalised(&filled)
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
