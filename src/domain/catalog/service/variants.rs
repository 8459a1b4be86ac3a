//! Use cases of variants.
