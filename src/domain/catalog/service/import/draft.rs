//! A product while the rows of an import are applied to it.

use super::{Refusal, Row};
use crate::domain::catalog::events::{Change, Repriced};
use crate::domain::catalog::model::{PRODUCT_NAME_MAX, fold};
use entity::catalog::{product, variant};
use entity::ids::{CategoryId, VariantId};
use std::collections::{BTreeSet, HashSet};

/// A product while rows are applied to it.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) product: product::Model,
    /// All its variants, archived ones too.
    pub(super) variants: Vec<variant::Model>,
    pub(super) categories: BTreeSet<CategoryId>,
    pub(super) is_new: bool,
    pub(super) is_changed: bool,
    /// Whether the words it is found by are others.
    pub(super) is_renamed: bool,
    pub(super) variants_new: HashSet<VariantId>,
    pub(super) variants_changed: HashSet<VariantId>,
    /// Variants of which the inventory has to say anew whether they can be bought.
    pub(super) restocked: HashSet<VariantId>,
    pub(super) categories_changed: bool,
    /// The product before any row.
    pub(super) before: product::Model,
    /// Variants that have another price.
    pub(super) repriced: Vec<Repriced>,
    /// Whether something else of a variant is another.
    pub(super) is_varied: bool,
}

impl Draft {
    pub(super) fn of(product: product::Model, variants: Vec<variant::Model>) -> Self {
        Self {
            before: product.clone(),
            repriced: Vec::new(),
            is_varied: false,
            product,
            variants,
            categories: BTreeSet::new(),
            is_new: false,
            is_changed: false,
            is_renamed: false,
            variants_new: HashSet::new(),
            variants_changed: HashSet::new(),
            restocked: HashSet::new(),
            categories_changed: false,
        }
    }

    /// What is published of it.
    pub(super) fn change(&self) -> Change {
        if self.is_new {
            return Change::default();
        }
        let is_varied = self.is_varied || !self.variants_new.is_empty();
        let mut change = Change::of(&self.before, &[]);
        change.parts.extend(is_varied.then_some("variants"));
        change
            .parts
            .extend(self.categories_changed.then_some("categoryIds"));
        change.repriced.clone_from(&self.repriced);
        change
    }

    /// Variants that are not archived.
    pub(super) fn live(&self) -> usize {
        self.variants
            .iter()
            .filter(|variant| variant.archived_at.is_none())
            .count()
    }

    /// What stands against a row whose SKU this product has.
    pub(super) fn check(&self, row: &Row, sku: &str) -> Result<(), Refusal> {
        let slug = || self.product.slug.clone();
        let archived = |v: &variant::Model| v.sku_folded == *sku && v.archived_at.is_some();
        match &row.product {
            Some(named) if *named != self.product.slug => Err(Refusal::OtherProduct(slug())),
            _ if self.variants.iter().any(archived) => Err(Refusal::Archived),
            None if self.live() > 1 => Err(Refusal::SeveralVariants(slug())),
            _ if row.has_stock && !self.is_stocked(row, sku) => Err(Refusal::NotStocked),
            _ => Ok(()),
        }
    }

    /// Whether a variant is kept in stock once the row is written.
    fn is_stocked(&self, row: &Row, sku: &str) -> bool {
        let mut variants = self.variants.iter();
        let known = variants.find(|variant| variant.sku_folded == *sku);
        let known = known.is_none_or(|variant| variant.is_stocked);
        row.is_stocked.unwrap_or(known)
    }

    /// Writes what a row says of the product; tells whether that is something new.
    pub(super) fn apply(&mut self, row: &Row, categories: Option<BTreeSet<CategoryId>>) -> bool {
        let product = &mut self.product;
        let mut changed = set(&mut product.name, Some(&row.name));
        if changed {
            product.name_folded = fold(&row.name, PRODUCT_NAME_MAX);
        }
        changed |= set(&mut product.description, row.description.as_ref());
        self.is_renamed |= changed;
        changed |= set(&mut product.status, row.status.as_ref());
        let reference = row.external_reference.clone().map(Some);
        changed |= set(&mut product.external_reference, reference.as_ref());
        self.is_changed |= changed;
        let moved = set(&mut self.categories, categories.as_ref());
        self.categories_changed |= moved;
        changed || moved
    }

    /// Writes what a row says of its variant; answers its id and whether that is something new.
    pub(super) fn apply_variant(&mut self, row: &Row, sku: &str) -> (VariantId, bool) {
        let Some(variant) = self.variants.iter_mut().find(|v| v.sku_folded == *sku) else {
            // The caller put the variant here before; nothing else would be its id.
            return (self.product.default_variant_id, false);
        };
        let mut changed = set(&mut variant.name, row.variant.as_ref());
        self.is_renamed |= changed;
        let id = variant.id;
        let from_minor = variant.price_minor;
        let repriced = set(&mut variant.price_minor, Some(&row.price_minor));
        if repriced && !self.variants_new.contains(&id) {
            self.repriced.push(Repriced {
                variant_id: id,
                sku: variant.sku.clone(),
                from_minor,
                to_minor: variant.price_minor,
            });
        }
        if set(&mut variant.is_stocked, row.is_stocked.as_ref()) {
            changed = true;
            self.restocked.insert(id);
        }
        self.is_varied |= changed;
        changed |= repriced;
        if changed && !self.variants_new.contains(&id) {
            self.variants_changed.insert(id);
        }
        (id, changed)
    }
}

/// Writes a value that is given and another one; tells whether it did.
fn set<T: Clone + PartialEq>(place: &mut T, value: Option<&T>) -> bool {
    match value {
        Some(value) if value != place => {
            place.clone_from(value);
            true
        }
        _ => false,
    }
}
