//! migrate. fn main
fn main() {}
