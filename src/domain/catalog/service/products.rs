//! Use cases of products.
