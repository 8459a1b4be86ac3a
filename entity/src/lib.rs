//! The tables of Tradepost as sea-orm entities, grouped by domain, and the value types of their columns.
//!
//! Nothing here knows GraphQL, HTTP or any rule of a domain: a table's rules live in `src/domain/<name>/model.rs`.
//! A new table is a module here and a migration in the crate `migration`.
#![expect(
    clippy::disallowed_methods,
    reason = "sea-orm's entities bring nested writes that begin transactions; nothing here calls them"
)]

pub mod accounts;
pub mod carts;
pub mod catalog;
pub mod events;
pub mod ids;
pub mod inventory;
pub mod orders;
pub mod payments;
pub mod platform;
pub mod wallet;

/// A value of a fixed set that is text on every way out: in the database, in events and in GraphQL.
pub trait TextEnum: Copy + Send + Sync + 'static {
    /// Every value, in the order of the declaration.
    const VALUES: &'static [Self];

    /// The text.
    fn text(self) -> &'static str;
}

/// A column of text that is one of a fixed set, written in capitals as GraphQL writes it.
macro_rules! text_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord,
            sea_orm::EnumIter, sea_orm::DeriveActiveEnum, serde::Serialize, serde::Deserialize,
        )]
        #[sea_orm(rs_type = "String", db_type = "String(sea_orm::sea_query::StringLen::N(24))", rename_all = "SCREAMING_SNAKE_CASE")]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        pub enum $name {
            $($(#[$vmeta])* $variant,)+
        }

        impl $name {
            /// Every value, in the order of the declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The text that stands in the database, in events and in GraphQL.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl crate::TextEnum for $name {
            const VALUES: &'static [Self] = Self::ALL;

            fn text(self) -> &'static str {
                self.as_str()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use text_enum;
