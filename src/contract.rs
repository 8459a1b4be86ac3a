//! Everything that the program publishes, in one place: a domain with events is a line here.

use crate::domain::{accounts, catalog, inventory, orders};
use crate::events::contract::Contract;

/// The contract of all events.
#[must_use]
pub const fn all() -> Contract {
    Contract::new(&[
        orders::events::TYPES,
        inventory::events::TYPES,
        catalog::events::TYPES,
        accounts::events::TYPES,
    ])
}
