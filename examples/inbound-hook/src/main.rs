//! A program that gets each accepted mail as a stream, without any mailbox.

fn main() {}
