//! recall. fn main
fn main() {}
