//! What the rows of a batch refer to, read and locked before anything is decided.

use super::super::SLUG_WINDOW;
use super::Row;
use super::draft::Draft;
use crate::db::Tx;
use crate::domain::catalog::model::{PRODUCT_NAME_MAX, slug, slug_candidate};
use crate::domain::catalog::store;
use crate::error::Fault;
use entity::catalog::category;
use entity::ids::ProductId;
use std::collections::{HashMap, HashSet};

/// Everything that rows of a batch refer to.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) drafts: Vec<Draft>,
    pub(super) by_sku: HashMap<String, usize>,
    pub(super) by_slug: HashMap<String, usize>,
    pub(super) references: HashMap<String, ProductId>,
    /// By slug, held.
    pub(super) categories: HashMap<String, category::Model>,
    /// Slugs for the rows whose product is new and not named.
    pub(super) slugs: HashMap<usize, String>,
}

/// A name for a category that is known by its slug: `green-tea` becomes `Green tea`.
pub(super) fn category_name(slug: &str) -> String {
    let words = slug.replace('-', " ");
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// Locks products and reads all that rows can change of them.
pub(super) async fn drafts_read(
    tx: &Tx,
    rows: &[Row],
    ids: &[ProductId],
    known: &mut Known,
) -> Result<(), Fault> {
    let products = store::products_lock(&**tx, ids).await?;
    let ids: Vec<ProductId> = products.iter().map(|product| product.id).collect();
    known.drafts = products
        .into_iter()
        .map(|product| Draft::of(product, Vec::new()))
        .collect();
    let places: HashMap<ProductId, usize> = ids
        .iter()
        .enumerate()
        .map(|(place, id)| (*id, place))
        .collect();
    // Read after the lock was had: what was read before it may be older.
    for variant in store::variants_by_products(&**tx, &ids).await? {
        if let Some(&place) = places.get(&variant.product_id) {
            known.by_sku.insert(variant.sku_folded.clone(), place);
            known.drafts[place].variants.push(variant);
        }
    }
    if rows.iter().any(|row| row.categories.is_some()) {
        for (id, category) in store::categories_by_products(&**tx, &ids).await? {
            if let Some(&place) = places.get(&id) {
                known.drafts[place].categories.insert(category.id);
            }
        }
    }
    let slugs = known.drafts.iter().enumerate();
    known.by_slug = slugs
        .map(|(place, draft)| (draft.product.slug.clone(), place))
        .collect();
    Ok(())
}

/// Picks slugs for the rows whose product is new and not named: of the name; else of name and SKU, which is free but
/// for a strange coincidence; else with a number. Usually one statement for all of them.
pub(super) async fn slugs_for_new(
    tx: &Tx,
    rows: &[Row],
    skus: &[String],
    known: &Known,
    named: &[String],
) -> Result<HashMap<usize, String>, Fault> {
    let is_new =
        |index: &usize| rows[*index].product.is_none() && !known.by_sku.contains_key(&skus[*index]);
    let mut open: Vec<usize> = (0..rows.len()).filter(is_new).collect();
    let mut used: HashSet<String> = named.iter().cloned().collect();
    let mut picked = HashMap::new();
    let mut window = 0;
    while !open.is_empty() {
        let candidates = |index: usize| -> Vec<String> {
            let row = &rows[index];
            let with_sku = slug(
                &format!("{} {}", row.name, row.sku),
                "product",
                PRODUCT_NAME_MAX,
            );
            if window == 0 {
                return vec![slug(&row.name, "product", PRODUCT_NAME_MAX), with_sku];
            }
            let numbers = (window - 1) * SLUG_WINDOW + 2..window * SLUG_WINDOW + 2;
            numbers
                .map(|number| slug_candidate(&with_sku, number))
                .collect()
        };
        let asked: Vec<String> = open.iter().flat_map(|index| candidates(*index)).collect();
        let taken = store::product_slugs_find(&**tx, &asked).await?;
        open.retain(|index| {
            let mut free = candidates(*index).into_iter();
            let Some(slug) = free.find(|slug| !taken.contains(slug) && !used.contains(slug)) else {
                return true;
            };
            used.insert(slug.clone());
            picked.insert(*index, slug);
            false
        });
        window += 1;
    }
    Ok(picked)
}
