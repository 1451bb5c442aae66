//! What looking through a text costs: `cargo run --profile bench -p guard --example cost`.

use std::hint::black_box;
use std::io::{Write, stdout};
use std::time::Instant;

use domain::{GuardAction, GuardPolicy, IdentifierActions};
use guard::look;

const ORDINARY: &str = "I am moving to Lisbon in May, around the 14th. The order number is 114-3941689-8772232 and it cost 1,299.99.";
const ROUNDS: u32 = 2_000;

fn main() -> std::io::Result<()> {
    let redact = GuardAction::Redact;
    let secrets = GuardPolicy { secrets: redact, ..GuardPolicy::default() };
    let identifiers = GuardPolicy { identifiers: IdentifierActions::all(redact), ..GuardPolicy::default() };
    let everything = GuardPolicy { secrets: redact, ..identifiers };
    let long = ORDINARY.repeat(20);
    let found = format!(
        "{ORDINARY} Pay with 4111 1111 1111 1111, call +49 30 901820, password = \"x7Kq2mP9vT4wL8sD\"."
    );
    let mut out = stdout().lock();
    for (name, policy, text) in [
        ("first text, everything", everything, found.as_str()),
        ("ordinary, secrets", secrets, ORDINARY),
        ("ordinary, identifiers", identifiers, ORDINARY),
        ("ordinary, everything", everything, ORDINARY),
        ("ordinary of 2 KB, everything", everything, &long),
        ("three to find, everything", everything, &found),
    ] {
        let begun = Instant::now();
        let findings = look(policy, text).len();
        let first = begun.elapsed();
        let begun = Instant::now();
        for _ in 0..ROUNDS {
            black_box(look(policy, black_box(text)));
        }
        let each = begun.elapsed() / ROUNDS;
        writeln!(out, "{name:30} {findings} found, first {first:9.1?}, then {each:9.1?}")?;
    }
    Ok(())
}
