//! Users, sessions and who asks.

pub mod model;
