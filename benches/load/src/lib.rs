//! Load for a whole Tradepost server, from outside.
//!
//! It knows nothing of the program but its API, so that it can be pointed at any server. The commands are the thin shells
//! in `src/bin`; tests call the functions.

pub mod book;
pub mod client;
pub mod replay;
