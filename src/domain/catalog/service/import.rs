//! Imports: a batch of rows is planned under locks and then written, with the same few statements whatever is in it.
//!
//! [`Service::import_plan_in`] reads and decides and writes nothing, so that a dry run is the plan alone;
//! [`Service::import_apply_in`] writes what was planned, in the same transaction.

mod draft;
mod known;
mod told;

use self::draft::Draft;
use self::known::{Known, category_name, drafts_read, slugs_for_new};
use super::Service;
use super::products::repeat_variants;
use super::publish::Told;
use crate::db::Tx;
use crate::domain::catalog::model::{
    NewProduct, NewVariant, VARIANTS_MAX, category_terms, own_terms, sku_fold,
};
use crate::domain::catalog::store;
use crate::error::Fault;
use entity::catalog::{
    Availability, CategoryStatus, ProductStatus, category, product, product_term, variant,
};
use entity::ids::{CategoryId, ProductId, VariantId};
use std::collections::{BTreeSet, HashMap, HashSet};

/// A row of an import. Whoever read it checked lengths and forms; what is `None` was not given and stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// SKU: the variant that the row is about.
    pub sku: String,
    /// Name of the product.
    pub name: String,
    /// Price in minor units of the shop's currency.
    pub price_minor: i64,
    /// Description of the product.
    pub description: Option<String>,
    /// Slugs of all categories the product stands in; those that are missing are made.
    pub categories: Option<Vec<String>>,
    /// Status of the product.
    pub status: Option<ProductStatus>,
    /// Id of the product in the system it comes from.
    pub external_reference: Option<String>,
    /// Slug of the product: rows with the same one are its variants.
    pub product: Option<String>,
    /// Name of the variant.
    pub variant: Option<String>,
    /// Whether the variant is kept in stock; a new one is when nothing is said.
    pub is_stocked: Option<bool>,
    /// Whether the row brings stock, which only what is kept in stock can have.
    pub has_stock: bool,
}

/// What a row does to the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Adds a variant, and its product where that is new.
    Created,
    /// Changes the variant or its product.
    Updated,
    /// Nothing: all is as the row says.
    Unchanged,
}

/// Why a row cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The SKU is another product's.
    #[error("the SKU belongs to the product {0}, not to the one in the column product")]
    OtherProduct(String),
    /// The SKU's product has several variants and the row does not name it.
    #[error(
        "the SKU belongs to the product {0}, which has several variants: say so in the column product"
    )]
    SeveralVariants(String),
    /// The variant was taken out of sale.
    #[error("the variant with this SKU was taken out of sale")]
    Archived,
    /// Another product has the external reference.
    #[error("another product has this external reference")]
    ReferenceTaken,
    /// It is not kept in stock.
    #[error("the variant is not kept in stock, so that stock must be empty")]
    NotStocked,
    /// The product is full.
    #[error("a product has at most {VARIANTS_MAX} variants")]
    TooManyVariants,
}

/// What earlier batches of a dry run would have written: nothing of it is in the database.
#[derive(Clone, Debug, Default)]
pub struct Earlier {
    /// Variants that were added, by the slug of their product.
    added: HashMap<String, u64>,
    /// Whose external references are now; see [`Row::owner`].
    references: HashMap<String, String>,
}

impl Earlier {
    /// Remembers a row that was planned.
    pub fn planned(&mut self, row: &Row, change: Change) {
        if let Some(slug) = row.product.as_ref().filter(|_| change == Change::Created) {
            *self.added.entry(slug.clone()).or_default() += 1;
        }
        if let Some(reference) = &row.external_reference {
            self.references.insert(reference.clone(), row.owner());
        }
    }
}

impl Row {
    /// Tells its product from those of other rows of the same file.
    fn owner(&self) -> String {
        match &self.product {
            Some(slug) => format!("product {slug}"),
            None => format!("sku {}", sku_fold(&self.sku)),
        }
    }
}

/// What becomes of a batch.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// For each row its variant and what happens to it, or why it is refused.
    pub rows: Vec<Result<(VariantId, Change), Refusal>>,
    categories: Vec<category::Model>,
    products_new: Vec<product::Model>,
    products_changed: Vec<product::Model>,
    variants_new: Vec<variant::Model>,
    variants_changed: Vec<variant::Model>,
    /// Products that leave all their categories before they enter those of `links`.
    unlinked: Vec<ProductId>,
    /// Variants that are kept in stock from now on, or are not any more: once the plan is written the inventory has to
    /// say anew whether they can be bought.
    pub restocked: Vec<VariantId>,
    links: Vec<(ProductId, CategoryId)>,
    /// Products that are found by other words of their own from now on.
    renamed: Vec<ProductId>,
    terms: Vec<product_term::Model>,
    /// What is published of products.
    told: Vec<Told>,
}

impl Service {
    /// Decides what a batch of rows, each with another SKU, does; writes nothing. The products it touches stay locked
    /// until the transaction ends. `earlier` is empty but in a dry run.
    ///
    /// # Errors
    /// The database fails; what is wrong with a single row stands in its place.
    #[tracing::instrument(name = "catalog.import_plan", skip_all)]
    pub async fn import_plan_in(
        &self,
        tx: &Tx,
        rows: &[Row],
        earlier: &Earlier,
    ) -> Result<Plan, Fault> {
        let mut plan = Plan::default();
        let mut known = self.import_known(tx, rows, &mut plan.categories).await?;
        for (index, row) in rows.iter().enumerate() {
            let done = self.import_row(index, row, &mut known, earlier);
            plan.rows.push(done);
        }
        for draft in known.drafts {
            self.import_draft(draft, &mut plan);
        }
        let categories: Vec<category::Model> = known.categories.into_values().collect();
        plan.terms.extend(category_terms(&categories, &plan.links));
        // Those that only refused rows named are not made.
        let used: HashSet<CategoryId> = plan.links.iter().map(|(_, category)| *category).collect();
        plan.categories
            .retain(|category| used.contains(&category.id));
        Ok(plan)
    }

    /// Writes what was planned in this transaction.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(name = "catalog.import_apply", skip_all)]
    pub async fn import_apply_in(&self, tx: &Tx, plan: &Plan) -> Result<(), Fault> {
        store::categories_insert(&**tx, &plan.categories).await?;
        store::products_insert(&**tx, &plan.products_new).await?;
        store::variants_insert(&**tx, &plan.variants_new).await?;
        store::variants_rewrite(&**tx, &plan.variants_changed).await?;
        store::products_rewrite(&**tx, &plan.products_changed).await?;
        store::products_categories_delete(&**tx, &plan.unlinked).await?;
        store::product_categories_insert(&**tx, &plan.links).await?;
        store::terms_delete_own(&**tx, &plan.renamed).await?;
        store::terms_delete_of_categories(&**tx, &plan.unlinked).await?;
        store::terms_insert(&**tx, &plan.terms).await?;
        self.import_told_in(tx, plan).await?;
        Ok(())
    }

    /// Reads and locks what the rows refer to.
    async fn import_known(
        &self,
        tx: &Tx,
        rows: &[Row],
        categories: &mut Vec<category::Model>,
    ) -> Result<Known, Fault> {
        let mut known = Known::default();
        let skus: Vec<String> = rows.iter().map(|row| sku_fold(&row.sku)).collect();
        let mut ids = store::products_of_skus(&**tx, &skus).await?;
        let named: Vec<String> = rows.iter().filter_map(|row| row.product.clone()).collect();
        if !named.is_empty() {
            ids.extend(store::products_of_slugs(&**tx, &named).await?);
        }
        if !ids.is_empty() {
            drafts_read(tx, rows, &ids, &mut known).await?;
        }
        let references: Vec<String> = rows
            .iter()
            .filter_map(|row| row.external_reference.clone())
            .collect();
        if !references.is_empty() {
            known.references = store::products_of_references(&**tx, &references).await?;
        }
        known.categories = self.import_categories(tx, rows, categories).await?;
        known.slugs = slugs_for_new(tx, rows, &skus, &known, &named).await?;
        Ok(known)
    }

    /// All categories that rows name, held; those that are missing are made at the top of the tree.
    async fn import_categories(
        &self,
        tx: &Tx,
        rows: &[Row],
        new: &mut Vec<category::Model>,
    ) -> Result<HashMap<String, category::Model>, Fault> {
        let slugs: BTreeSet<String> = rows
            .iter()
            .filter_map(|row| row.categories.clone())
            .flatten()
            .collect();
        if slugs.is_empty() {
            return Ok(HashMap::new());
        }
        let slugs: Vec<String> = slugs.into_iter().collect();
        let found = store::categories_by_slugs(&**tx, &slugs).await?;
        let mut known: HashMap<String, category::Model> = found
            .into_iter()
            .map(|row| (row.slug.clone(), row))
            .collect();
        if known.len() == slugs.len() {
            return Ok(known);
        }
        let (_, last) = store::siblings_count(&**tx, None).await?;
        let missing = slugs.iter().filter(|slug| !known.contains_key(*slug));
        let now = self.clock.now();
        for (slug, position) in missing.zip(last.unwrap_or(-1).saturating_add(1)..) {
            new.push(category::Model {
                id: self.clock.id(),
                parent_id: None,
                name: category_name(slug),
                slug: slug.clone(),
                description: String::new(),
                status: CategoryStatus::Active,
                position,
                version: 1,
                created_at: now,
                updated_at: now,
            });
        }
        known.extend(new.iter().map(|row| (row.slug.clone(), row.clone())));
        Ok(known)
    }

    /// Applies one row to the drafts, or says why not; a refused row leaves no trace.
    fn import_row(
        &self,
        index: usize,
        row: &Row,
        known: &mut Known,
        earlier: &Earlier,
    ) -> Result<(VariantId, Change), Refusal> {
        let sku = sku_fold(&row.sku);
        let of_sku = known.by_sku.get(&sku).copied();
        let named = row
            .product
            .as_ref()
            .and_then(|slug| known.by_slug.get(slug).copied());
        let target = of_sku.or(named);
        match of_sku {
            Some(place) => known.drafts[place].check(row, &sku)?,
            None if row.has_stock && row.is_stocked == Some(false) => {
                return Err(Refusal::NotStocked);
            }
            None => {}
        }
        let id = target.map(|place| known.drafts[place].product.id);
        if let Some(reference) = &row.external_reference
            && (known
                .references
                .get(reference)
                .is_some_and(|holder| Some(*holder) != id)
                || earlier
                    .references
                    .get(reference)
                    .is_some_and(|owner| *owner != row.owner()))
        {
            return Err(Refusal::ReferenceTaken);
        }
        let place = match target {
            Some(place) if of_sku.is_none() => {
                let added = row
                    .product
                    .as_ref()
                    .and_then(|slug| earlier.added.get(slug));
                let live = known.drafts[place].live() as u64;
                if live + added.copied().unwrap_or(0) >= VARIANTS_MAX {
                    return Err(Refusal::TooManyVariants);
                }
                self.import_variant(&mut known.drafts[place], row);
                place
            }
            Some(place) => place,
            None => self.import_product(index, row, known),
        };
        known.by_sku.insert(sku.clone(), place);
        let draft = &mut known.drafts[place];
        if let Some(reference) = &row.external_reference {
            known.references.insert(reference.clone(), draft.product.id);
        }
        let wanted = row.categories.as_ref().map(|slugs| {
            slugs
                .iter()
                .filter_map(|slug| known.categories.get(slug).map(|row| row.id))
                .collect()
        });
        let changed = draft.apply(row, wanted);
        let (id, variant_changed) = draft.apply_variant(row, &sku);
        let change = if of_sku.is_none() {
            Change::Created
        } else if changed || variant_changed {
            Change::Updated
        } else {
            Change::Unchanged
        };
        Ok((id, change))
    }

    /// Adds the variant of a row to a product.
    fn import_variant(&self, draft: &mut Draft, row: &Row) {
        let last = draft.variants.iter().map(|variant| variant.position).max();
        let position = last.unwrap_or(-1).saturating_add(1);
        let new = new_variant(row);
        let mut variant = self.variant_row(draft.product.id, &new, position, self.clock.now());
        if !variant.is_stocked {
            // The product repeats the best of its variants, which the inventory writes for both of them.
            variant.availability = Availability::OutOfStock;
            draft.restocked.insert(variant.id);
        }
        draft.variants_new.insert(variant.id);
        draft.variants.push(variant);
        draft.is_changed = true;
        draft.is_renamed = true;
    }

    /// Makes the product of a row with its variant.
    fn import_product(&self, index: usize, row: &Row, known: &mut Known) -> usize {
        let slug = row.product.clone().or_else(|| known.slugs.remove(&index));
        let rows = self.product_rows(&NewProduct {
            name: row.name.clone(),
            slug: slug.clone(),
            description: String::new(),
            status: ProductStatus::Active,
            external_reference: None,
            category_ids: Vec::new(),
            images: Vec::new(),
            variants: vec![new_variant(row)],
        });
        let place = known.drafts.len();
        known.drafts.push(Draft {
            variants_new: rows.variants.iter().map(|variant| variant.id).collect(),
            is_new: true,
            is_renamed: true,
            ..Draft::of(rows.product, rows.variants)
        });
        known.by_slug.extend(slug.map(|slug| (slug, place)));
        place
    }

    /// Puts what became of a product into the plan.
    fn import_draft(&self, mut draft: Draft, plan: &mut Plan) {
        let now = self.clock.now();
        let live: Vec<variant::Model> = {
            let mut live: Vec<_> = draft.variants.clone();
            live.retain(|variant| variant.archived_at.is_none());
            live.sort_by_key(|variant| (variant.position, variant.id));
            live
        };
        let touched = !draft.variants_new.is_empty() || !draft.variants_changed.is_empty();
        if draft.is_new || touched {
            repeat_variants(&mut draft.product, &live);
        }
        if draft.categories_changed {
            if !draft.is_new {
                plan.unlinked.push(draft.product.id);
            }
            let id = draft.product.id;
            plan.links
                .extend(draft.categories.iter().map(|category| (id, *category)));
        }
        let change = draft.change();
        plan.restocked.extend(draft.restocked);
        if draft.is_renamed {
            plan.terms.extend(own_terms(&draft.product, &live));
            if !draft.is_new {
                plan.renamed.push(draft.product.id);
            }
        }
        let is_touched = draft.is_changed || touched || draft.categories_changed;
        for mut variant in draft.variants {
            if draft.variants_new.contains(&variant.id) {
                plan.variants_new.push(variant);
            } else if draft.variants_changed.contains(&variant.id) {
                variant.version += 1;
                variant.updated_at = now;
                plan.variants_changed.push(variant);
            }
        }
        if draft.is_new {
            plan.products_new.push(draft.product.clone());
        } else if is_touched {
            draft.product.version += 1;
            draft.product.updated_at = now;
            plan.products_changed.push(draft.product.clone());
        } else {
            return;
        }
        plan.told.push(Told {
            product: draft.product,
            variants: Some(live),
            category_ids: draft.is_new.then(|| draft.categories.into_iter().collect()),
            change,
        });
    }
}

fn new_variant(row: &Row) -> NewVariant {
    NewVariant {
        sku: row.sku.clone(),
        name: row.variant.clone().unwrap_or_default(),
        options: Vec::new(),
        price_minor: row.price_minor,
        is_stocked: row.is_stocked.unwrap_or(true),
    }
}
