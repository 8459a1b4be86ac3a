//! Carts and their lines.

use crate::text_enum;

text_enum!(
    /// What became of a cart.
    CartStatus {
        /// It is being filled.
        Open = "OPEN",
        /// It became an order.
        Converted = "CONVERTED",
        /// Its lines went into its user's own cart after the log-in.
        Merged = "MERGED",
    }
);

/// A cart.
pub mod cart {
    use super::CartStatus;
    use crate::ids::{CartId, OrderId, UserId};
    use sea_orm::entity::prelude::*;

    /// One row of `carts`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "carts")]
    pub struct Model {
        /// Id.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: CartId,
        /// Whose it is; nobody's while it is a guest's.
        pub user_id: Option<UserId>,
        /// The same while it is open: unique, so that a user has one open cart.
        pub open_user_id: Option<UserId>,
        /// SHA-256 of the token of the guest who began it, in hexadecimal; unique.
        pub token_hash: Option<String>,
        /// Status.
        pub status: CartStatus,
        /// The order it became.
        pub order_id: Option<OrderId>,
        /// Raised by each change.
        pub version: i32,
        /// When it was made.
        pub created_at: DateTimeUtc,
        /// When it changed last; a cart that nobody touches for long is removed.
        pub updated_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Something in a cart.
pub mod cart_line {
    use crate::ids::{CartId, CartLineId, VariantId};
    use sea_orm::entity::prelude::*;

    /// One row of `cart_lines`; a cart has one for a variant. Name, SKU and price are what the customer saw: the variant
    /// may be gone and its price another one by now.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "cart_lines")]
    pub struct Model {
        /// Id; ascending in the order in which lines were added.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: CartLineId,
        /// The cart.
        pub cart_id: CartId,
        /// The variant.
        pub variant_id: VariantId,
        /// Units, 1 or more.
        pub quantity: i64,
        /// Its SKU when the line was added.
        pub sku: String,
        /// Its name when the line was added.
        pub name: String,
        /// Price of one unit when the line was added or changed last, in minor units.
        pub seen_price_minor: i64,
        /// Its currency.
        pub currency: String,
        /// When it was added.
        pub created_at: DateTimeUtc,
        /// When it changed last.
        pub updated_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}
