//! entity-extractor. fn main
fn main() {}
