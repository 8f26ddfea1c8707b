//! The judge of safety: the examples of the rules, the corpus of migrations, and variations of what must never pass.

mod corpus;
mod examples;
pub mod files;
mod page;
mod speed;
mod variations;
