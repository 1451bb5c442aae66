//! Writes the rules for secrets as a migration: `cargo run -p guard --example postgres_rules > migrations/NNNN_guard_rules.sql`.

use std::io::{Write, stdout};

fn main() -> std::io::Result<()> {
    let sql = guard::postgres::migration().map_err(|untold| std::io::Error::other(untold.0))?;
    stdout().write_all(sql.as_bytes())
}
