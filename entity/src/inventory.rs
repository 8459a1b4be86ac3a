//! Warehouses, stock, its movements and its reservations.

use crate::text_enum;

text_enum!(
    /// Whether a warehouse sells.
    WarehouseStatus {
        /// Its stock is sold.
        Active = "ACTIVE",
        /// Its stock is not sold and does not count as available.
        Inactive = "INACTIVE",
    }
);

text_enum!(
    /// Why stock changed.
    MovementReason {
        /// Goods came in.
        Received = "RECEIVED",
        /// A count found another number.
        Counted = "COUNTED",
        /// Goods were damaged or lost.
        Damaged = "DAMAGED",
        /// Goods came back from a customer.
        Returned = "RETURNED",
        /// Another correction by staff.
        Corrected = "CORRECTED",
        /// Goods of a paid order left the stock.
        Sold = "SOLD",
        /// Goods went from one warehouse to another.
        Transferred = "TRANSFERRED",
    }
);

text_enum!(
    /// What became of a reservation.
    ReservationStatus {
        /// It holds stock for an order that is not paid.
        Active = "ACTIVE",
        /// The order was paid and the stock went out.
        Committed = "COMMITTED",
        /// The stock was given back.
        Released = "RELEASED",
    }
);

/// A place where stock is.
pub mod warehouse {
    use super::WarehouseStatus;
    use crate::ids::WarehouseId;
    use sea_orm::entity::prelude::*;

    /// One row of `warehouses`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "warehouses")]
    pub struct Model {
        /// Id.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: WarehouseId,
        /// Short name for people and files, unique, up to 32 characters.
        pub code: String,
        /// Name, 1 to 120 characters.
        pub name: String,
        /// Status.
        pub status: WarehouseStatus,
        /// Smaller numbers are emptied first.
        pub priority: i32,
        /// Raised by each change.
        pub version: i32,
        /// When it was made.
        pub created_at: DateTimeUtc,
        /// When it changed last.
        pub updated_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// How much of a variant a warehouse has.
pub mod stock {
    use crate::ids::{VariantId, WarehouseId};
    use sea_orm::entity::prelude::*;

    /// One row of `stock`; the database refuses `on_hand < 0`, `reserved < 0` and `reserved > on_hand`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "stock")]
    pub struct Model {
        /// The variant.
        #[sea_orm(primary_key, auto_increment = false)]
        pub variant_id: VariantId,
        /// The warehouse.
        #[sea_orm(primary_key, auto_increment = false)]
        pub warehouse_id: WarehouseId,
        /// Units in the warehouse.
        pub on_hand: i64,
        /// Units of these that are held for orders; available is the difference.
        pub reserved: i64,
        /// When it changed last.
        pub updated_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Each change of `on_hand`.
pub mod stock_movement {
    use super::MovementReason;
    use crate::ids::{StockMovementId, UserId, VariantId, WarehouseId};
    use sea_orm::entity::prelude::*;

    /// One row of `stock_movements`, never changed.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "stock_movements")]
    pub struct Model {
        /// Id.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: StockMovementId,
        /// The variant.
        pub variant_id: VariantId,
        /// The warehouse.
        pub warehouse_id: WarehouseId,
        /// Units that came (positive) or went (negative).
        pub delta: i64,
        /// Why.
        pub reason: MovementReason,
        /// What it belongs to, as an order's number or a file's name.
        pub reference: Option<String>,
        /// Who did it, if a person did.
        pub actor_id: Option<UserId>,
        /// Of a transfer: the movement in the other warehouse.
        pub pair_id: Option<StockMovementId>,
        /// When.
        pub created_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Stock that is held for an order line.
pub mod reservation {
    use super::ReservationStatus;
    use crate::ids::{OrderId, OrderLineId, ReservationId, VariantId, WarehouseId};
    use sea_orm::entity::prelude::*;

    /// One row of `reservations`: an order line has one for each warehouse that serves it.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "reservations")]
    pub struct Model {
        /// Id.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: ReservationId,
        /// The order.
        pub order_id: OrderId,
        /// The line of the order.
        pub order_line_id: OrderLineId,
        /// The variant.
        pub variant_id: VariantId,
        /// The warehouse.
        pub warehouse_id: WarehouseId,
        /// Units held, 1 or more.
        pub quantity: i64,
        /// Units of these that left the stock and came back.
        pub returned: i64,
        /// Status.
        pub status: ReservationStatus,
        /// Until when the units are held for an order that is not paid.
        pub expires_at: DateTimeUtc,
        /// When it was made.
        pub created_at: DateTimeUtc,
        /// When it changed last.
        pub updated_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}
