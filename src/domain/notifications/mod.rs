//! Notifications: mails about orders, once for each event.
//!
//! **Letters** (`model.rs`): what a mail says, made from templates (`templates/`) and from what the database knows when
//! it is written; events carry no personal data.

pub mod model;
