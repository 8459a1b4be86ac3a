//! Notifications: mails about orders, once for each event.
//!
//! **Letters** (`model.rs`): what a mail says, made from templates (`templates/`) and from what the database knows when
//! it is written; events carry no personal data.
//!
//! **Consumer** (`tasks.rs`): the group `notifications` on the stream of orders. Events `created`, `paid`, `fulfilled`,
//! `cancelled` and `refunded` cause a mail, others none. A mail is named by its event: sent again after a crash it
//! has the same `Message-ID`, and a folder holds it once. The group's inbox keeps all other repeats away.
//!
//! **Who gets none**: imported orders have no user, and no events; users that are gone or have no address; events older
//! than `notifications.age_max_hours`, as those that are there when a shop begins to send mails.

pub mod model;
pub mod service;
pub mod tasks;
