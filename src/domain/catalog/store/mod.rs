//! Every query of the catalogue, noun first. Functions take a connection and never open a transaction.

mod categories;
mod export;
mod import;
mod products;
mod search;
mod variants;

pub(crate) use categories::*;
pub(crate) use export::*;
pub(crate) use import::*;
pub(crate) use products::*;
pub(crate) use search::*;
pub(crate) use variants::*;

use super::error::Unique;
use crate::db::error::{is_duplicate, is_foreign_key};
use sea_orm::{DbErr, DeleteResult};

/// Rows of one INSERT: a variant has 15 columns and SQLite binds at most 32,766 values.
const INSERT_ROWS: usize = 500;

/// Which unique value a failed statement would have repeated, if that is why it failed.
pub(crate) fn taken(error: &DbErr) -> Option<Unique> {
    [
        (Unique::ProductSlug, "uq_products_slug", "products.slug"),
        (
            Unique::ExternalReference,
            "uq_products_external_reference",
            "products.external_reference",
        ),
        (Unique::Sku, "uq_variants_sku", "variants.sku_folded"),
        (
            Unique::CategorySlug,
            "uq_categories_slug",
            "categories.slug",
        ),
    ]
    .into_iter()
    .find(|(_, index, columns)| is_duplicate(error, index, columns))
    .map(|(unique, _, _)| unique)
}

/// An UPDATE or DELETE by id touched its row.
fn must_hit(rows_affected: u64, what: &str) -> Result<(), DbErr> {
    match rows_affected {
        1 => Ok(()),
        rows => Err(DbErr::Custom(format!("{what} hit {rows} rows, not one"))),
    }
}

/// Whether a DELETE by id removed its row, or a foreign key stopped it. Either way the transaction goes on.
fn deleted(result: Result<DeleteResult, DbErr>, what: &str) -> Result<bool, DbErr> {
    match result {
        Ok(done) => must_hit(done.rows_affected, what).map(|()| true),
        Err(error) if is_foreign_key(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a failed statement lost a race: another request took a unique value, or removed a row that was referred to,
/// between the check and the write.
pub(crate) fn lost_race(error: &DbErr) -> bool {
    taken(error).is_some() || is_foreign_key(error)
}
