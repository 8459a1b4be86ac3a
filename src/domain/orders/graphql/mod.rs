//! Orders in the schema.

mod filters;
mod inputs;
mod mutation;
mod parts;
mod query;
mod subscription;
mod types;

pub use filters::*;
pub use inputs::*;
pub use mutation::*;
pub use parts::*;
pub use query::*;
pub use subscription::*;
pub use types::*;
