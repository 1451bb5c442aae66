//! indexer. fn main
fn main() {}
