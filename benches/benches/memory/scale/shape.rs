use fastrand::Rng;
use uuid::Uuid;

/// The fewest memories of a user.
const FEWEST: f64 = 50.0;
/// What memories are about, over all users: so many points on the sphere.
const THEMES: usize = 400;
/// How many themes a user has.
const THEMES_OF_USER: usize = 40;
/// How far a memory is from its theme: the length of what is added to a vector of length 1.
const SPREAD: f32 = 0.9;
/// Words there are, and how many of them a memory has.
const VOCABULARY: usize = 4_000;
const WORDS: usize = 9;
/// Of a question.
const ASKED_WORDS: usize = 4;

/// Memories that can be made again from their number.
pub(super) struct Shape {
    seed: u64,
    dimensions: usize,
    /// The most memories of a user.
    most: f64,
    themes: Vec<Vec<f32>>,
}

/// A user and how many memories they have.
#[derive(Debug, Clone)]
pub(super) struct User {
    number: usize,
    pub(super) memories: usize,
}

impl User {
    pub(super) fn name(&self) -> String {
        format!("user-{:05}", self.number)
    }

    /// The id of one of the memories.
    pub(super) fn memory(&self, number: usize) -> Uuid {
        Uuid::from_u128(((self.number as u128 + 1) << 64) | number as u128)
    }
}

impl Shape {
    #[expect(clippy::cast_precision_loss, reason = "a number of memories")]
    pub(super) fn new(seed: u64, dimensions: usize, most: usize) -> Self {
        let mut rng = Rng::with_seed(seed);
        let themes = (0..THEMES).map(|_| unit(noise(&mut rng, dimensions))).collect();
        Self { seed, dimensions, most: most as f64, themes }
    }

    /// Users who have about so many memories together, their numbers spread evenly on a logarithmic scale: as many users
    /// have 50 to 200 as have 5,000 to 20,000.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "numbers of memories"
    )]
    pub(super) fn users(&self, memories: usize, first: usize) -> Vec<User> {
        if memories == 0 {
            return Vec::new();
        }
        let average = (self.most - FEWEST) / (self.most / FEWEST).ln();
        let users = (memories as f64 / average).round().max(1.0) as usize;
        let mut made: Vec<User> = (0..users)
            .map(|number| {
                let place = (number as f64 + 0.5) / users as f64;
                let memories = (FEWEST * (self.most / FEWEST).powf(place)).round() as usize;
                User { number: first + number, memories }
            })
            .collect();
        // What is missing to the round number goes to the largest, without making anybody larger than there are.
        let missing = memories.saturating_sub(made.iter().map(|user| user.memories).sum());
        if let Some(largest) = made.last_mut() {
            largest.memories = (largest.memories + missing).min(self.most as usize);
        }
        made
    }

    /// The vector of one of a user's memories, of length 1.
    pub(super) fn vector(&self, user: &User, number: usize) -> Vec<f32> {
        self.near_a_theme(user, &mut self.rng(user, number))
    }

    /// The words of one of a user's memories.
    pub(super) fn content(&self, user: &User, number: usize) -> String {
        let mut rng = self.rng(user, number);
        rng.u64(..);
        words(&mut rng, WORDS)
    }

    /// A question of a user: near one of their themes, with some words.
    pub(super) fn question(&self, user: &User, rng: &mut Rng) -> (Vec<f32>, String) {
        (self.near_a_theme(user, rng), words(rng, ASKED_WORDS))
    }

    fn rng(&self, user: &User, number: usize) -> Rng {
        let mixed =
            (self.seed ^ ((user.number as u64) << 32) ^ number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Rng::with_seed(mixed)
    }

    fn near_a_theme(&self, user: &User, rng: &mut Rng) -> Vec<f32> {
        let theme = (user.number * 7 + rng.usize(..THEMES_OF_USER) * 11) % THEMES;
        let mut vector = unit(noise(rng, self.dimensions));
        if let Some(theme) = self.themes.get(theme) {
            for (x, centre) in vector.iter_mut().zip(theme) {
                *x = *x * SPREAD + centre;
            }
        }
        unit(vector)
    }
}

/// Numbers of about a normal distribution: sums of three even ones.
fn noise(rng: &mut Rng, dimensions: usize) -> Vec<f32> {
    (0..dimensions).map(|_| rng.f32() + rng.f32() + rng.f32() - 1.5).collect()
}

fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    for x in &mut vector {
        *x /= length;
    }
    vector
}

/// Made-up words, some of them often.
fn words(rng: &mut Rng, count: usize) -> String {
    const BEGINNINGS: [&str; 20] = [
        "ba", "de", "fi", "go", "hu", "ka", "le", "mi", "no", "pu", "ra", "se", "ti", "vo", "wu", "za",
        "che", "sho", "tra", "plo",
    ];
    const ENDINGS: [&str; 10] = ["rk", "lm", "nt", "st", "ck", "mp", "x", "b", "g", "v"];
    let part =
        |list: &'static [&'static str], at: usize| list.get(at % list.len()).copied().unwrap_or_default();
    let words: Vec<String> = (0..count)
        .map(|_| {
            // The product of two even numbers makes the first words common and the last ones rare.
            let number = rng.usize(..VOCABULARY) * rng.usize(..VOCABULARY) / VOCABULARY;
            let (first, rest) = (number % 20, number / 20);
            format!("{}{}{}", part(&BEGINNINGS, first), part(&BEGINNINGS, rest), part(&ENDINGS, rest / 20))
        })
        .collect();
    words.join(" ")
}
