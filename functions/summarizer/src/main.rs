//! summarizer. fn main
fn main() {}
