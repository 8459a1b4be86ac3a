//! Use cases of categories.
