//! Every query of the inventory.

mod movements;
mod reservations;
mod stock;
mod verify;
mod warehouses;

pub use movements::*;
pub use reservations::*;
pub use stock::*;
pub use verify::*;
pub use warehouses::*;
