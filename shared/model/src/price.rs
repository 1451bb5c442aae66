use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher;
use std::iter::Sum;
use std::ops::Add;

use crate::{Error, Usage};

/// How many decimal places a price may have: a millionth of a dollar per million tokens is a picodollar per token.
const DECIMALS: usize = 6;
const PICODOLLARS_PER_DOLLAR: u64 = 1_000_000_000_000;

/// What a model's tokens cost, as its provider lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// Picodollars per token of a question.
    input: u64,
    /// Picodollars per token of an answer.
    output: u64,
}

impl Price {
    /// Reads `MODEL_INPUT_PRICE` and `MODEL_OUTPUT_PRICE`, US dollars per million tokens with at most six decimal places,
    /// such as `0.15`. `None` when neither is given; one without the other is an error. An empty value counts as none.
    pub fn from_map<S: BuildHasher>(variables: &HashMap<String, String, S>) -> Result<Option<Self>, Error> {
        let value = |name: &'static str| {
            let value = variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
            (name, value)
        };
        Self::read(value("MODEL_INPUT_PRICE"), value("MODEL_OUTPUT_PRICE"))
    }

    /// Reads two prices, each with its name for errors.
    pub(crate) fn read(
        (input_name, input): (&str, Option<&str>),
        (output_name, output): (&str, Option<&str>),
    ) -> Result<Option<Self>, Error> {
        let alone = |given, other| Err(Error::Configuration(format!("{given} is set but {other} is not")));
        match (input, output) {
            (Some(input), Some(output)) => Ok(Some(Self {
                input: per_token(input_name, input)?,
                output: per_token(output_name, output)?,
            })),
            (None, None) => Ok(None),
            (Some(_), None) => alone(input_name, output_name),
            (None, Some(_)) => alone(output_name, input_name),
        }
    }

    /// What these tokens cost. Exact: nothing is rounded. Ends at some 18 million dollars.
    #[must_use]
    pub const fn cost(&self, usage: &Usage) -> Cost {
        let input = usage.input_tokens.saturating_mul(self.input);
        Cost(input.saturating_add(usage.output_tokens.saturating_mul(self.output)))
    }
}

/// "0.15" dollars per million tokens as picodollars per token.
fn per_token(name: &str, value: &str) -> Result<u64, Error> {
    let (whole, decimals) = value.split_once('.').unwrap_or((value, ""));
    let is_number = !whole.is_empty() && [whole, decimals].concat().bytes().all(|byte| byte.is_ascii_digit());
    let digits = format!("{whole}{decimals:0<DECIMALS$}");
    (is_number && decimals.len() <= DECIMALS).then_some(digits).and_then(|digits| digits.parse().ok()).ok_or_else(
        || {
            Error::Configuration(format!(
                "{name} is {value:?}, expected US dollars per million tokens with at most {DECIMALS} decimal places"
            ))
        },
    )
}

/// An amount of money, in whole picodollars (a millionth of a millionth of a US dollar). Sums end at some 18 million
/// dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Cost(u64);

impl Cost {
    /// In picodollars.
    #[must_use]
    pub const fn picodollars(self) -> u64 {
        self.0
    }

    /// In millionths of a US dollar, for metrics: exact to 2^53 picodollars, some 9,000 dollars.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "said in the documentation")]
    pub fn microdollars(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), Add::add)
    }
}

/// US dollars with as many decimal places as there are, two at least: `0.000165`.
impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dollars, rest) = (self.0 / PICODOLLARS_PER_DOLLAR, self.0 % PICODOLLARS_PER_DOLLAR);
        let decimals = format!("{rest:012}");
        write!(f, "{dollars}.{:0<2}", decimals.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn price(input: &str, output: &str) -> Result<Option<Price>, Error> {
        let pairs = [("MODEL_INPUT_PRICE", input), ("MODEL_OUTPUT_PRICE", output)];
        let variables: HashMap<String, String> =
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Price::from_map(&variables)
    }

    fn tokens(input_tokens: u64, output_tokens: u64) -> Usage {
        Usage { model: "m".to_owned(), input_tokens, output_tokens }
    }

    #[test]
    fn a_call_costs_its_tokens_to_the_last_picodollar() {
        let price = price("0.15", " 0.60 ").unwrap().unwrap();
        let cost = price.cost(&tokens(701, 100));
        assert_eq!(cost.picodollars(), 701 * 150_000 + 100 * 600_000);
        assert_eq!(cost.to_string(), "0.00016515");
        assert!((cost.microdollars() - 165.15).abs() < 1e-9);
        let total: Cost = std::iter::repeat_n(cost, 180_000).sum();
        assert_eq!(total.to_string(), "29.727");
        assert_eq!(price.cost(&tokens(0, 0)).to_string(), "0.00");
        assert_eq!(price.cost(&tokens(u64::MAX, u64::MAX)).picodollars(), u64::MAX);
    }

    #[test]
    fn prices_are_given_together_or_not_at_all() {
        assert_eq!(price("", " "), Ok(None));
        let error = price("0.15", "").unwrap_err().to_string();
        assert_eq!(error, "MODEL_INPUT_PRICE is set but MODEL_OUTPUT_PRICE is not");
        assert!(price("", "1").unwrap_err().to_string().contains("MODEL_INPUT_PRICE is not"));
        assert!(price("0", "0").unwrap().is_some(), "a model of one's own costs nothing");
    }

    #[test]
    fn what_is_no_price_is_refused_by_name() {
        for wrong in ["-1", "1e3", ".5", "0,15", "1.1234567", "$1", "1.2.3", "99999999999999999999", "1 000"]
        {
            let error = price("1", wrong).unwrap_err().to_string();
            assert!(error.starts_with("MODEL_OUTPUT_PRICE is "), "{wrong}: {error}");
        }
    }

    proptest! {
        #[test]
        fn costs_add_up_however_tokens_are_cut_into_calls(calls in prop::collection::vec((0_u64..1 << 20, 0_u64..1 << 16), 0..20)) {
            let price = price("2.5", "10").unwrap().unwrap();
            let one_by_one: Cost = calls.iter().map(|(input, output)| price.cost(&tokens(*input, *output))).sum();
            let (input, output) = calls.iter().fold((0, 0), |sum, call| (sum.0 + call.0, sum.1 + call.1));
            prop_assert_eq!(one_by_one, price.cost(&tokens(input, output)));
        }
    }
}
