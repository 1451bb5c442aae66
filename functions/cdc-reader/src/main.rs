//! cdc-reader. fn main
fn main() {}
