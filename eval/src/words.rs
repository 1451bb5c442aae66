//! Words for the plainest baseline of tone: how many good ones a text has, less the bad ones.

const GOOD: [&str; 60] = [
    "amazing", "awesome", "beautiful", "best", "better", "brilliant", "calm", "cheerful", "congrats", "cool",
    "cute", "delicious", "delighted", "easy", "enjoy", "enjoyed", "excellent", "excited", "fantastic",
    "fine", "free", "friendly", "fun", "funny", "glad", "good", "grateful", "great", "haha", "happy",
    "helpful", "hope", "hug", "kind", "laugh", "like", "liked", "lol", "love", "loved", "lovely", "lucky",
    "nice", "perfect", "pleasure", "pretty", "proud", "relief", "safe", "smile", "success", "super", "sweet",
    "thank", "thanks", "welcome", "win", "won", "wonderful", "yay",
];
const BAD: [&str; 60] = [
    "afraid", "alone", "angry", "annoying", "ashamed", "awful", "bad", "bored", "boring", "broke", "broken",
    "cry", "damn", "dead", "die", "died", "disappointed", "disgusting", "fail", "failed", "fear", "fired",
    "furious", "guilty", "hate", "hated", "horrible", "hurt", "hurts", "ill", "killed", "lonely", "lose",
    "losing", "lost", "mad", "mean", "miss", "nasty", "pain", "poor", "problem", "sad", "scared", "shame",
    "sick", "sorry", "stolen", "stress", "stupid", "sucks", "terrible", "tired", "ugh", "ugly", "unhappy",
    "upset", "worried", "worse", "worst",
];

/// Good words less bad words.
pub(crate) fn balance(text: &str) -> i32 {
    model::text::words(text)
        .map(str::to_lowercase)
        .map(|word| i32::from(GOOD.contains(&word.as_str())) - i32::from(BAD.contains(&word.as_str())))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_words_count_for_and_bad_ones_against() {
        assert_eq!(balance("Good, GOOD and lovely, but sad."), 2);
        assert_eq!(balance("The train leaves at eight"), 0);
        assert!(GOOD.iter().all(|word| !BAD.contains(word)));
    }
}
