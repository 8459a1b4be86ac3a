//! Orders.

pub mod graphql;
