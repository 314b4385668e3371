//! An in-memory mail server for tests.

fn main() {}
