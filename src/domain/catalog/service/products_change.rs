//! Changes of products: locks, checks and writes are batches, and one product is a batch of one.

use super::products::{
    categories_known, categories_unknown, expect_version, reference_taken, repeat_variants,
    slug_taken, without_repeats,
};
use super::publish::Told;
use super::search::terms_of;
use super::{Service, settle};
use crate::db::Tx;
use crate::db::idempotency::{self, Request};
use crate::domain::catalog::error::{Error, Kind};
use crate::domain::catalog::events::{Change, Repriced};
use crate::domain::catalog::model::{PRODUCT_NAME_MAX, ProductChanges, category_terms, fold};
use crate::domain::catalog::store;
use crate::error::{Failure, Fault, Problem, Refusal as _};
use entity::catalog::{category, product, variant};
use entity::ids::{CategoryId, ProductId};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// What became of a row: the product as it is now, or what stands against its change.
pub type Outcome<E> = Result<product::Model, Vec<E>>;

/// Products with the changes that are meant for them, each product once.
type Changes<'a> = [(ProductId, &'a ProductChanges)];

/// What changes refer to, read after the products were locked.
#[derive(Default)]
struct Known {
    products: HashMap<ProductId, product::Model>,
    /// Live variants in their order, of those products whose change needs them.
    variants: HashMap<ProductId, Vec<variant::Model>>,
    categories: Vec<category::Model>,
    /// Slugs and references that are taken, those of earlier changes of the batch too.
    slugs: HashSet<String>,
    references: HashSet<String>,
}

/// The rows that changes write.
#[derive(Default)]
struct Written {
    products: Vec<product::Model>,
    variants: Vec<variant::Model>,
    /// Products whose words changed, with their live variants.
    renamed: Vec<(product::Model, Vec<variant::Model>)>,
    relinked: Vec<ProductId>,
    links: Vec<(ProductId, CategoryId)>,
    redrawn: Vec<ProductId>,
    images: Vec<entity::catalog::product_image::Model>,
    told: Vec<Told>,
}

impl Service {
    /// Changes a product.
    ///
    /// # Errors
    /// No such product, changed meanwhile, slug or reference taken, categories or default variant unknown, a price for a
    /// product with several variants.
    #[tracing::instrument(name = "catalog.product_update", skip_all, fields(product.id = %id))]
    pub async fn product_update(
        &self,
        id: ProductId,
        changes: &ProductChanges,
    ) -> Result<product::Model, Failure<Error>> {
        settle(|| {
            self.db.write("catalog.product_update", async |tx| {
                let mut done = self.products_change_in(&tx, &[(id, changes)]).await?;
                match done.pop() {
                    Some(outcome) => outcome.map_err(Failure::Refused),
                    None => Err(Fault::Broken("a batch of one has no outcome".to_owned()).into()),
                }
            })
        })
        .await
    }

    /// Changes many products, once for an idempotency key. A row that cannot be done, or that was refused before, stops
    /// no other; what was refused is told again when the key is. The answer has an outcome for each row, with paths
    /// below `inputs`, and whether an earlier request did it.
    ///
    /// # Errors
    /// What is wrong with the key.
    #[tracing::instrument(name = "catalog.products_update", skip_all, fields(rows = rows.len()))]
    pub async fn products_update(
        &self,
        rows: &[Result<(ProductId, ProductChanges), Vec<Error>>],
        key: Option<Request>,
    ) -> Result<(Vec<Outcome<Problem>>, bool), Failure<Error>> {
        let first: Mutex<Option<Vec<Outcome<Problem>>>> = Mutex::new(None);
        let first = &first;
        let write = |key: Option<Request>| async move {
            let id = self.clock.id();
            let outcomes = settle(|| {
                self.db.write("catalog.products_update", async |tx| {
                    idempotency::record(&tx, &self.clock, key.as_ref(), id).await?;
                    let outcomes = self.rows_change_in(&tx, rows).await?;
                    if outcomes.iter().all(Result::is_err) {
                        // Nothing was done, so nothing is remembered, and the same key may try again.
                        let refused = outcomes.into_iter().filter_map(Result::err).flatten();
                        return Err(Failure::Refused(refused.map(Error::from).collect()));
                    }
                    let refused: Vec<_> = outcomes.iter().map(|row| row.as_ref().err()).collect();
                    let note = serde_json::to_string(&refused)
                        .map_err(Fault::doing("writing what was refused"))?;
                    idempotency::note(&tx, key.as_ref(), note).await?;
                    Ok(outcomes)
                })
            })
            .await?;
            *first.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcomes);
            Ok(id)
        };
        let done = self.idempotency.once(key.clone(), write).await;
        let replayed = match done {
            Ok((_, replayed)) => replayed,
            Err(Failure::Refused(errors)) if errors.iter().all(of_row) => {
                return Ok((refused_rows(rows.len(), errors), false));
            }
            Err(failure) => return Err(failure),
        };
        let first = first.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(outcomes) = first.filter(|_| !replayed) {
            return Ok((outcomes, false));
        }
        Ok((self.rows_replay(rows, key.as_ref()).await?, true))
    }

    /// The outcomes of an earlier request: products as they are now, and what was refused as it was said then.
    async fn rows_replay(
        &self,
        rows: &[Result<(ProductId, ProductChanges), Vec<Error>>],
        key: Option<&Request>,
    ) -> Result<Vec<Outcome<Problem>>, Failure<Error>> {
        let note = match key {
            Some(key) => self.idempotency.note_of(key).await?,
            None => None,
        };
        let refused: Vec<Option<Vec<Problem>>> = serde_json::from_str(&note.unwrap_or_default())
            .map_err(Fault::doing("reading what was refused"))?;
        let ids: Vec<ProductId> = rows.iter().flatten().map(|(id, _)| *id).collect();
        let read = self.db.read("catalog.products_update_replay", async |c| {
            Ok::<_, Fault>(store::products_by_ids(&*c, &ids).await?)
        });
        let products: HashMap<ProductId, product::Model> =
            read.await?.into_iter().map(|row| (row.id, row)).collect();
        Ok((0..)
            .zip(rows)
            .map(|(index, row): (usize, _)| {
                if let Some(problems) = refused.get(index).cloned().flatten() {
                    return Err(problems);
                }
                let product = row.as_ref().ok().and_then(|(id, _)| products.get(id));
                // It was deleted since.
                let gone = || Error::at(Kind::NotFound("product any more"), &["id"]);
                product
                    .cloned()
                    .ok_or_else(|| vec![below_row(index, gone()).problem()])
            })
            .collect())
    }

    /// Changes the rows that can be changed; an outcome for each row.
    async fn rows_change_in(
        &self,
        tx: &Tx,
        rows: &[Result<(ProductId, ProductChanges), Vec<Error>>],
    ) -> Result<Vec<Outcome<Problem>>, Failure<Error>> {
        let mut seen = HashSet::new();
        let mut outcomes: Vec<Option<Vec<Error>>> = Vec::with_capacity(rows.len());
        let mut good = Vec::new();
        for row in rows {
            outcomes.push(match row {
                Err(errors) => Some(errors.clone()),
                Ok((id, _)) if !seen.insert(*id) => {
                    Some(vec![Error::at(Kind::Repeated("product"), &["id"])])
                }
                Ok((id, changes)) => {
                    good.push((*id, changes));
                    None
                }
            });
        }
        let mut done = self.products_change_in(tx, &good).await?.into_iter();
        let broken = || Fault::Broken("a row of a batch has no outcome".to_owned());
        let mut all = Vec::with_capacity(rows.len());
        for (index, refused) in outcomes.into_iter().enumerate() {
            let outcome = match refused {
                Some(errors) => Err(errors),
                None => done.next().ok_or_else(broken)?,
            };
            all.push(outcome.map_err(|errors| {
                let errors = errors.into_iter();
                errors.map(|e| below_row(index, e).problem()).collect()
            }));
        }
        Ok(all)
    }

    /// Changes products that are each named once, in the caller's transaction: the same few statements however many. An
    /// outcome for each; those that are refused change nothing.
    async fn products_change_in(
        &self,
        tx: &Tx,
        changes: &Changes<'_>,
    ) -> Result<Vec<Outcome<Error>>, Failure<Error>> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let mut known = known(tx, changes).await?;
        let mut written = Written::default();
        let outcomes = changes
            .iter()
            .map(|(id, changes)| self.product_change(*id, changes, &mut known, &mut written))
            .collect();
        write(tx, &written, &known.categories).await?;
        let changed = written.products.iter().map(|product| product.id);
        self.products_changed_in(tx, changed).await?;
        self.products_publish_in(tx, written.told).await?;
        Ok(outcomes)
    }

    /// Decides one change, and adds what it writes.
    fn product_change(
        &self,
        id: ProductId,
        changes: &ProductChanges,
        known: &mut Known,
        written: &mut Written,
    ) -> Outcome<Error> {
        let Some(product) = known.products.get(&id) else {
            return Err(vec![Error::at(Kind::NotFound("product"), &["id"])]);
        };
        expect_version(product.version, changes.expected_version).map_err(|error| vec![error])?;
        let live = known
            .variants
            .get(&id)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let wrong = wrong(product, changes, live, known);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let now = self.clock.now();
        let mut change = Change::of(product, &parts(changes));
        let (mut product, mut live) = (product.clone(), live.to_vec());
        apply(&mut product, changes);
        if let (Some(price), [only]) = (changes.price_minor, live.as_mut_slice())
            && only.price_minor != price
        {
            change.repriced.push(Repriced {
                variant_id: only.id,
                sku: only.sku.clone(),
                from_minor: only.price_minor,
                to_minor: price,
            });
            only.price_minor = price;
            only.version += 1;
            only.updated_at = now;
            written.variants.push(only.clone());
        }
        if let Some(default) = changes.default_variant_id {
            product.default_variant_id = default;
        }
        repeat_variants(&mut product, &live);
        product.version += 1;
        product.updated_at = now;
        known.slugs.insert(product.slug.clone());
        known.references.extend(product.external_reference.clone());
        if let Some(images) = &changes.images {
            written.redrawn.push(id);
            written.images.extend(self.image_rows(id, images));
        }
        if let Some(ids) = &changes.category_ids {
            written.relinked.push(id);
            let links = without_repeats(ids)
                .into_iter()
                .map(|category| (id, category));
            written.links.extend(links);
        }
        if changes.name.is_some() || changes.description.is_some() {
            written.renamed.push((product.clone(), live.clone()));
        }
        written.told.push(Told {
            product: product.clone(),
            variants: needs_variants(changes).then_some(live),
            category_ids: changes.category_ids.as_deref().map(without_repeats),
            change,
        });
        written.products.push(product.clone());
        Ok(product)
    }
}

/// Locks the products and reads what their changes refer to: a statement for each kind of thing that is changed.
async fn known(tx: &Tx, changes: &Changes<'_>) -> Result<Known, Failure<Error>> {
    let ids: Vec<ProductId> = changes.iter().map(|(id, _)| *id).collect();
    let locked = store::products_lock(&**tx, &ids).await?;
    let mut known = Known {
        products: locked.into_iter().map(|row| (row.id, row)).collect(),
        ..Known::default()
    };
    let slugs: Vec<String> = changes.iter().filter_map(|(_, c)| c.slug.clone()).collect();
    if !slugs.is_empty() {
        known.slugs = store::product_slugs_find(&**tx, &slugs).await?;
    }
    let references = changes
        .iter()
        .filter_map(|(_, c)| c.external_reference.clone());
    let references: Vec<String> = references.flatten().collect();
    if !references.is_empty() {
        known.references = store::external_references_find(&**tx, &references).await?;
    }
    let categories = changes.iter().filter_map(|(_, c)| c.category_ids.as_ref());
    let categories: Vec<CategoryId> = categories.flatten().copied().collect();
    known.categories = categories_known(tx, &categories).await?;
    let of_variants: Vec<ProductId> = changes
        .iter()
        .filter(|(_, changes)| needs_variants(changes))
        .map(|(id, _)| *id)
        .collect();
    if !of_variants.is_empty() {
        for row in store::variants_by_products(&**tx, &of_variants).await? {
            if row.archived_at.is_none() {
                known.variants.entry(row.product_id).or_default().push(row);
            }
        }
    }
    Ok(known)
}

/// What a change changes beside the product's own columns.
fn parts(changes: &ProductChanges) -> Vec<&'static str> {
    let parts = [
        ("images", changes.images.is_some()),
        ("categoryIds", changes.category_ids.is_some()),
    ];
    let is_given = |(name, is): (&'static str, bool)| is.then_some(name);
    parts.into_iter().filter_map(is_given).collect()
}

/// Whether a change looks at the product's variants.
const fn needs_variants(changes: &ProductChanges) -> bool {
    changes.price_minor.is_some()
        || changes.default_variant_id.is_some()
        || changes.name.is_some()
        || changes.description.is_some()
}

/// Everything that stands against a change.
fn wrong(
    product: &product::Model,
    changes: &ProductChanges,
    live: &[variant::Model],
    known: &Known,
) -> Vec<Error> {
    let mut wrong = Vec::new();
    let slug = changes.slug.as_ref().filter(|slug| **slug != product.slug);
    if slug.is_some_and(|slug| known.slugs.contains(slug)) {
        wrong.push(slug_taken());
    }
    if let Some(Some(reference)) = &changes.external_reference
        && product.external_reference.as_ref() != Some(reference)
        && known.references.contains(reference)
    {
        wrong.push(reference_taken());
    }
    if let Some(ids) = &changes.category_ids {
        wrong.extend(categories_unknown(ids, &known.categories));
    }
    if let Some(default) = changes.default_variant_id
        && !live.iter().any(|variant| variant.id == default)
    {
        let path = ["input", "defaultVariantId"];
        wrong.push(Error::at(Kind::NotFound("variant of this product"), &path));
    }
    if changes.price_minor.is_some() && live.len() > 1 {
        wrong.push(Error::at(Kind::VariantRequired, &["input", "price"]));
    }
    wrong
}

/// Writes the changes that are plain values.
fn apply(product: &mut product::Model, changes: &ProductChanges) {
    if let Some(name) = &changes.name {
        product.name.clone_from(name);
        product.name_folded = fold(name, PRODUCT_NAME_MAX);
    }
    if let Some(slug) = &changes.slug {
        product.slug.clone_from(slug);
    }
    if let Some(description) = &changes.description {
        product.description.clone_from(description);
    }
    if let Some(status) = changes.status {
        product.status = status;
    }
    if let Some(reference) = &changes.external_reference {
        product.external_reference.clone_from(reference);
    }
}

/// Writes what was decided: at most two statements for each kind of row.
async fn write(
    tx: &Tx,
    written: &Written,
    categories: &[category::Model],
) -> Result<(), Failure<Error>> {
    store::products_rewrite(&**tx, &written.products).await?;
    store::variants_rewrite(&**tx, &written.variants).await?;
    if !written.redrawn.is_empty() {
        store::images_delete(&**tx, &written.redrawn).await?;
        store::images_insert(&**tx, &written.images).await?;
    }
    let mut terms = category_terms(categories, &written.links);
    store::products_categories_delete(&**tx, &written.relinked).await?;
    store::product_categories_insert(&**tx, &written.links).await?;
    store::terms_delete_of_categories(&**tx, &written.relinked).await?;
    let (renamed, variants): (Vec<_>, Vec<_>) = written.renamed.iter().cloned().unzip();
    let ids: Vec<ProductId> = renamed.iter().map(|product| product.id).collect();
    store::terms_delete_own(&**tx, &ids).await?;
    terms.extend(terms_of(&renamed, &variants.concat()));
    store::terms_insert(&**tx, &terms).await?;
    Ok(())
}

/// The place of a row's mistake among the arguments of the batch.
fn below_row(index: usize, mut error: Error) -> Error {
    if error.path.first().is_some_and(|part| part == "input") {
        error.path.remove(0);
    }
    let row = ["inputs".to_owned(), index.to_string()];
    error.path.splice(0..0, row);
    error
}

fn of_row(error: &Error) -> bool {
    error.path.first().is_some_and(|part| part == "inputs")
}

/// The outcomes of rows that were all refused, from their mistakes.
fn refused_rows(rows: usize, errors: Vec<Error>) -> Vec<Outcome<Problem>> {
    let mut refused: Vec<Vec<Problem>> = vec![Vec::new(); rows];
    for error in errors {
        let row = error.path.get(1).and_then(|index| index.parse().ok());
        if let Some(row) = row.and_then(|row: usize| refused.get_mut(row)) {
            row.push(error.problem());
        }
    }
    refused.into_iter().map(Err).collect()
}
