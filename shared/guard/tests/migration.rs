//! That Postgres has the rules that the functions have.

#![cfg(test)]

use std::fs;
use std::path::Path;

#[test]
fn the_newest_migration_with_rules_has_those_of_this_code() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.to_string_lossy().ends_with("_guard_rules.sql"));
    let newest = fs::read_to_string(files.iter().max().unwrap()).unwrap();
    assert!(newest == guard::postgres::migration().unwrap(), "see shared/guard/rules/README.md");
}
