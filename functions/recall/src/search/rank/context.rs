//! How far a user's conversations stay with their subject, so that what is around a turn says something about it.

/// So many of the best candidates are looked at.
const LOOKED_AT: usize = 100;
/// With so few candidates, what is seen is believed by half; with a third of them, by a tenth.
const FEW: f64 = 30.0;
/// From this slope on, what is around a turn counts in full.
const FULL: f64 = 0.1;

/// What a candidate says by itself, and what its neighbours say, on average.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Beside {
    pub(super) own: f64,
    pub(super) neighbours: f64,
}

/// How much what is around a turn counts, 0 to 1: the slope of the neighbours' scores over the turn's own, among the best
/// candidates. Where people keep to a subject, the neighbours of a turn that is about the question are about it too, and
/// the slope is clearly above 0; where every turn is about something else, it is 0, and neighbours only mislead.
pub(super) fn coherence(mut turns: Vec<Beside>) -> f64 {
    turns.sort_by(|a, b| b.own.total_cmp(&a.own).then(b.neighbours.total_cmp(&a.neighbours)));
    turns.truncate(LOOKED_AT);
    #[expect(clippy::cast_precision_loss, reason = "a hundred at most")]
    let count = turns.len() as f64;
    if turns.is_empty() {
        return 1.0;
    }
    let mean = |of: fn(&Beside) -> f64| turns.iter().map(of).sum::<f64>() / count;
    let (own, neighbours) = (mean(|turn| turn.own), mean(|turn| turn.neighbours));
    let spread: f64 = turns.iter().map(|turn| (turn.own - own).powi(2)).sum();
    let together: f64 = turns.iter().map(|turn| (turn.own - own) * (turn.neighbours - neighbours)).sum();
    let seen = if spread > 0.0 { (together / spread / FULL).clamp(0.0, 1.0) } else { 1.0 };
    let believed = count.powi(2) / (count.powi(2) + FEW.powi(2));
    1.0 - believed * (1.0 - seen)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A hundred turns whose neighbours say this much of what they say, and something else.
    fn turns(share: f64) -> Vec<Beside> {
        (0..100_u32)
            .map(|at| {
                let own = f64::from(at) / 100.0;
                Beside { own, neighbours: share * own + f64::from(at * 37 % 100) / 1000.0 }
            })
            .collect()
    }

    #[test]
    fn what_is_around_counts_where_conversations_stay_with_their_subject() {
        assert!(coherence(turns(0.4)) > 0.99);
        assert!(coherence(turns(0.0)) < 0.2);
        assert!(coherence(turns(-0.4)) < 0.1);
    }

    #[test]
    fn a_few_turns_prove_nothing() {
        assert!(coherence(Vec::new()) > 0.999);
        assert!(coherence(vec![Beside { own: 0.5, neighbours: 0.0 }]) > 0.999);
        let few = vec![Beside { own: 1.0, neighbours: 0.0 }, Beside { own: 0.0, neighbours: 1.0 }];
        assert!(coherence(few) > 0.99);
    }

    proptest! {
        #[test]
        fn it_is_a_share_whatever_the_order(
            turns in prop::collection::vec((0.0_f64..1.0, 0.0_f64..1.0), 0..200)
                .prop_flat_map(|turns| (Just(turns.clone()), Just(turns).prop_shuffle())),
        ) {
            let of = |turns: Vec<(f64, f64)>| {
                coherence(turns.into_iter().map(|(own, neighbours)| Beside { own, neighbours }).collect())
            };
            let (one, other) = (of(turns.0), of(turns.1));
            prop_assert!((0.0..=1.0).contains(&one));
            prop_assert!((one - other).abs() < 1e-12);
        }
    }
}
