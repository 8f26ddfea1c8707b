//! The `kmig` program.

fn main() {}
