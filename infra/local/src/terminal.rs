//! What the person at the terminal reads.

use std::io::{self, Write};

/// A line of a command's answer, on standard output. A reader who has gone away is no error.
pub fn say(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// A line about what is going on, on standard error.
pub fn note(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// A step of something that takes a while.
pub fn step(what: &str) {
    note(&format!("  · {what}"));
}
