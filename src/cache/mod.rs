//! What replicas remember and how they tell each other that it changed.

pub mod push;
