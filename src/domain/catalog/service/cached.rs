//! Reads of the catalogue through the cache, and what a change of it drops.
//!
//! Products and categories are kept whole, each under its id; lists are kept as ids under all their arguments, so that
//! nothing that is shown of a product is older than the product.

use super::Service;
use super::values::{Ids, ProductDetail};
use crate::cache::{Key, Tag, Value};
use crate::db::{Tx, page};
use crate::domain::catalog::model::{CategoryBy, ProductBy, ProductFilter, ProductOrder};
use crate::domain::catalog::store;
use crate::error::Fault;
use crate::page::{BadCursor, Page, PageRequest};
use entity::catalog::{category, product};
use entity::ids::{CategoryId, ProductId};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use uuid::Uuid;

/// Names of products whose ids are remembered.
const NAMES_MAX: u64 = 100_000;

/// Ids of products by their names. A hint is good only if the product still has the name, so it is never dropped.
pub(super) type Names = moka::sync::Cache<ProductBy, ProductId>;

pub(super) fn names() -> Names {
    Names::new(NAMES_MAX)
}

/// What a list may answer: a cursor that is not of it is the client's mistake, and remembered as "there is none".
fn of_list(found: Option<Arc<Ids>>) -> Result<Arc<Ids>, page::Error> {
    found.ok_or_else(|| BadCursor.into())
}

fn listed<T>(
    read: Result<Page<T>, page::Error>,
    id: impl Fn(&T) -> Uuid,
) -> Result<Option<Ids>, Fault> {
    match read {
        Ok(page) => Ok(Some(Ids::of(page, id))),
        Err(page::Error::Cursor(_)) => Ok(None),
        Err(page::Error::Fault(fault)) => Err(fault),
    }
}

impl Service {
    /// Products with all that belongs to them, in the order of the ids.
    ///
    /// # Errors
    /// The database fails.
    pub async fn products_by_ids(
        &self,
        ids: &[ProductId],
    ) -> Result<Vec<Option<Arc<ProductDetail>>>, Fault> {
        let loader = || {
            let service = self.clone();
            move |ids: Vec<ProductId>| {
                let service = service.clone();
                async move { service.products_load(&ids).await }
            }
        };
        self.cache
            .get_many(ids, |id| Key::of(Tag::Product(*id)), loader)
            .await
    }

    async fn products_load(
        &self,
        ids: &[ProductId],
    ) -> Result<HashMap<ProductId, ProductDetail>, Fault> {
        self.db
            .read("catalog.products_load", async |c| {
                let products = store::products_by_ids(&*c, ids).await?;
                let mut found: HashMap<ProductId, ProductDetail> = products
                    .into_iter()
                    .map(|product| {
                        let detail = ProductDetail {
                            product,
                            variants: Vec::new(),
                            images: Vec::new(),
                            category_ids: Vec::new(),
                        };
                        (detail.product.id, detail)
                    })
                    .collect();
                if found.is_empty() {
                    return Ok(found);
                }
                for row in store::variants_by_products(&*c, ids).await? {
                    if let Some(detail) = found.get_mut(&row.product_id) {
                        detail.variants.push(row);
                    }
                }
                for row in store::images_by_products(&*c, ids).await? {
                    if let Some(detail) = found.get_mut(&row.product_id) {
                        detail.images.push(row);
                    }
                }
                for (product_id, category_id) in store::category_ids_by_products(&*c, ids).await? {
                    if let Some(detail) = found.get_mut(&product_id) {
                        detail.category_ids.push(category_id);
                    }
                }
                Ok(found)
            })
            .await
    }

    /// One product with all that belongs to it, whatever its status; whoever shows it decides who may see it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn product_detail(
        &self,
        by: &ProductBy,
    ) -> Result<Option<Arc<ProductDetail>>, Fault> {
        if let ProductBy::Id(id) = by {
            return Ok(self.products_by_ids(&[*id]).await?.pop().flatten());
        }
        if let Some(id) = self.names.get(by) {
            let found = self.products_by_ids(&[id]).await?.pop().flatten();
            if found.as_ref().is_some_and(|detail| is_named(detail, by)) {
                return Ok(found);
            }
        }
        let loader = || {
            let (service, name) = (self.clone(), by.clone());
            move || {
                let (service, name) = (service.clone(), name.clone());
                async move { service.product_find(&name).await }
            }
        };
        let arguments = ("product_by", by);
        let found = self.cache.list(Tag::Products, &arguments, loader).await?;
        let Some(id) = found.map(|id: Arc<ProductId>| *id) else {
            return Ok(None);
        };
        self.names.insert(by.clone(), id);
        Ok(self.products_by_ids(&[id]).await?.pop().flatten())
    }

    async fn product_find(&self, by: &ProductBy) -> Result<Option<ProductId>, Fault> {
        let read = self.db.read("catalog.product_find", async |c| {
            Ok::<_, Fault>(store::product_find(&*c, by).await?)
        });
        Ok(read.await?.map(|row| row.id))
    }

    /// The list `arguments` of products as ids, and then the products.
    pub(super) async fn products_listed<F, Fut>(
        &self,
        filter: &ProductFilter,
        arguments: &impl Hash,
        reader: impl FnOnce() -> F,
    ) -> Result<Page<Arc<ProductDetail>>, page::Error>
    where
        F: Fn(Service) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Page<product::Model>, page::Error>> + Send + 'static,
    {
        let loader = || {
            let (service, read) = (self.clone(), reader());
            move || {
                let read = read(service.clone());
                async move { listed(read.await, |row: &product::Model| row.id.0) }
            }
        };
        let ids = of_list(self.cache.list(Tag::Products, arguments, loader).await?)?;
        let mut pages = self.products_of(&[ids], filter).await?;
        Ok(pages.pop().unwrap_or_else(|| Page::empty(false)))
    }

    /// The products of several lists, read together.
    async fn products_of(
        &self,
        lists: &[Arc<Ids>],
        filter: &ProductFilter,
    ) -> Result<Vec<Page<Arc<ProductDetail>>>, page::Error> {
        let ids: Vec<ProductId> = lists.iter().flat_map(|list| list.ids()).collect();
        let mut found = self.products_by_ids(&ids).await?.into_iter();
        let shown = |detail: Option<Arc<ProductDetail>>| {
            detail.filter(|found| filter.statuses.contains(&found.product.status))
        };
        let page = |list: &Arc<Ids>| {
            let rows = found.by_ref().take(list.items.len()).map(shown);
            list.page(rows.collect())
        };
        Ok(lists.iter().map(page).collect())
    }

    /// The same page of the products of several categories with all below them, in the order of the categories.
    ///
    /// # Errors
    /// A cursor of another list, or the database fails.
    #[tracing::instrument(name = "catalog.products_pages_by_categories", skip_all)]
    pub async fn products_pages_by_categories(
        &self,
        categories: &[CategoryId],
        filter: &ProductFilter,
        order: ProductOrder,
        request: &PageRequest,
    ) -> Result<Vec<Page<Arc<ProductDetail>>>, page::Error> {
        let generation = self.cache.generation(Tag::Products).await?;
        let key = |id: &CategoryId| {
            let arguments = ("category_products", id, filter, order, request);
            Key::list(Tag::Products, generation, &arguments)
        };
        let (service, filter_, request_) = (self.clone(), filter.clone(), request.clone());
        let load = move |ids: Vec<CategoryId>| {
            let (service, filter) = (service.clone(), filter_.clone());
            let request = request_.clone();
            async move {
                let read = service.products_pages_read(&ids, &filter, order, &request);
                match read.await {
                    Ok(pages) => {
                        let lists = pages.into_iter().map(|page| Ids::of(page, |row| row.id.0));
                        Ok(ids.into_iter().zip(lists).collect())
                    }
                    Err(page::Error::Cursor(_)) => Ok(HashMap::new()),
                    Err(page::Error::Fault(fault)) => Err(fault),
                }
            }
        };
        let lists = self.cache.get_many(categories, key, || load).await?;
        let lists: Vec<Arc<Ids>> = lists.into_iter().map(of_list).collect::<Result<_, _>>()?;
        self.products_of(&lists, filter).await
    }

    /// Categories in the order of the ids.
    ///
    /// # Errors
    /// The database fails.
    pub async fn categories_by_ids(
        &self,
        ids: &[CategoryId],
    ) -> Result<Vec<Option<Arc<category::Model>>>, Fault> {
        let loader = || {
            let service = self.clone();
            move |ids: Vec<CategoryId>| {
                let service = service.clone();
                async move {
                    let read = service.db.read("catalog.categories_load", async |c| {
                        Ok::<_, Fault>(store::categories_by_ids(&*c, &ids).await?)
                    });
                    Ok(read.await?.into_iter().map(|row| (row.id, row)).collect())
                }
            }
        };
        self.cache
            .get_many(ids, |id| Key::of(Tag::Category(*id)), loader)
            .await
    }

    /// The categories directly below others, archived ones too, in their order.
    ///
    /// # Errors
    /// The database fails.
    pub async fn categories_below(
        &self,
        parents: &[CategoryId],
    ) -> Result<HashMap<CategoryId, Vec<category::Model>>, Fault> {
        let generation = self.cache.generation(Tag::Categories).await?;
        let key = |id: &CategoryId| Key::list(Tag::Categories, generation, &("children", id));
        let service = self.clone();
        let load = move |parents: Vec<CategoryId>| {
            let service = service.clone();
            async move { service.children_load(parents).await }
        };
        let lists = self.cache.get_many(parents, key, || load).await?;
        let lists = lists.into_iter();
        let lists: Vec<Vec<CategoryId>> = lists
            .map(|ids| ids.map(|ids| ids.ids()).unwrap_or_default())
            .collect();
        let rows = self.categories_by_ids(&lists.concat()).await?;
        let mut rows = rows.into_iter();
        let of_list = |ids: &Vec<CategoryId>| {
            let rows = rows.by_ref().take(ids.len()).flatten();
            rows.map(|row| (*row).clone()).collect()
        };
        let below: Vec<Vec<category::Model>> = lists.iter().map(of_list).collect();
        Ok(parents.iter().copied().zip(below).collect())
    }

    async fn children_load(
        &self,
        parents: Vec<CategoryId>,
    ) -> Result<HashMap<CategoryId, Ids>, Fault> {
        let read = self.db.read("catalog.children_load", async |c| {
            Ok::<_, Fault>(store::categories_by_parents(&*c, &parents).await?)
        });
        let rows = read.await?;
        let of = |parent: CategoryId| Ids {
            items: rows
                .iter()
                .filter(|row| row.parent_id == Some(parent))
                .map(|row| (row.id.0, String::new()))
                .collect(),
            has_next: false,
            has_previous: false,
            total: None,
        };
        Ok(parents
            .iter()
            .map(|parent| (*parent, of(*parent)))
            .collect())
    }

    /// The list `arguments` of categories as ids, and then the categories.
    pub(super) async fn categories_listed<F, Fut>(
        &self,
        arguments: &impl Hash,
        read: F,
    ) -> Result<Page<category::Model>, page::Error>
    where
        F: Fn(Service) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Page<category::Model>, page::Error>> + Send + 'static,
    {
        let service = self.clone();
        let load = move || {
            let read = read(service.clone());
            async move { listed(read.await, |row: &category::Model| row.id.0) }
        };
        let ids = of_list(self.cache.list(Tag::Categories, arguments, || load).await?)?;
        let found = self.categories_by_ids(&ids.ids()).await?;
        let rows = found.into_iter().map(|row| row.map(|row| (*row).clone()));
        Ok(ids.page(rows.collect()))
    }

    pub(super) async fn category_find(
        &self,
        by: &CategoryBy,
    ) -> Result<Option<category::Model>, Fault> {
        let id = match by {
            CategoryBy::Id(id) => Some(*id),
            CategoryBy::Slug(_) => {
                let (service, name) = (self.clone(), by.clone());
                let load = move || {
                    let (service, name) = (service.clone(), name.clone());
                    async move { service.category_id(&name).await }
                };
                let arguments = ("category_by", by);
                let found = self
                    .cache
                    .list(Tag::Categories, &arguments, || load)
                    .await?;
                found.map(|id: Arc<CategoryId>| *id)
            }
        };
        let Some(id) = id else { return Ok(None) };
        let found = self.categories_by_ids(&[id]).await?.pop().flatten();
        Ok(found.map(|row| (*row).clone()))
    }

    async fn category_id(&self, by: &CategoryBy) -> Result<Option<CategoryId>, Fault> {
        let read = self.db.read("catalog.category_id", async |c| {
            Ok::<_, Fault>(store::category_find(&*c, by).await?)
        });
        Ok(read.await?.map(|row| row.id))
    }

    /// A transaction changes these products, and with them the lists they are or come to be in.
    pub(super) async fn products_changed_in(
        &self,
        tx: &Tx,
        ids: impl IntoIterator<Item = ProductId>,
    ) -> Result<(), Fault> {
        let mut tags: Vec<Tag> = ids.into_iter().map(Tag::Product).collect();
        if !tags.is_empty() {
            tags.push(Tag::Products);
        }
        self.cache.changed_in(tx, &tags).await
    }

    /// A transaction changes these categories, and with them the lists of categories; those of products too, which are
    /// asked for by category.
    pub(super) async fn categories_changed_in(
        &self,
        tx: &Tx,
        ids: impl IntoIterator<Item = CategoryId>,
    ) -> Result<(), Fault> {
        let mut tags: Vec<Tag> = ids.into_iter().map(Tag::Category).collect();
        if !tags.is_empty() {
            tags.extend([Tag::Categories, Tag::Products]);
        }
        self.cache.changed_in(tx, &tags).await
    }
}

impl Value for ProductId {
    const VERSION: u8 = 1;

    fn bytes(&self) -> usize {
        size_of::<Self>()
    }
}

impl Value for CategoryId {
    const VERSION: u8 = 1;

    fn bytes(&self) -> usize {
        size_of::<Self>()
    }
}

/// Whether a product has this name.
fn is_named(detail: &ProductDetail, by: &ProductBy) -> bool {
    let product = &detail.product;
    match by {
        ProductBy::Id(id) => product.id == *id,
        ProductBy::Slug(slug) => product.slug == *slug,
        ProductBy::ExternalReference(reference) => {
            product.external_reference.as_ref() == Some(reference)
        }
        ProductBy::Sku(sku_folded) => detail.variants.iter().any(|v| v.sku_folded == *sku_folded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Generation;
    use crate::domain::catalog::model::{
        CategoryFilter, CategoryOrder, CategorySort, ProductSort, Search,
    };
    use crate::page::Window;
    use entity::catalog::{Availability, CategoryStatus, ProductStatus};
    use std::collections::HashSet;

    fn requests() -> Vec<PageRequest> {
        let first = PageRequest::first(20);
        let window = |window| PageRequest {
            window,
            ..first.clone()
        };
        // A new field must be varied below.
        let PageRequest {
            window: _,
            limit: _,
            with_total: _,
        } = &first;
        let text = |text: &str| Some(text.to_owned());
        vec![
            first.clone(),
            PageRequest::first(21),
            PageRequest {
                with_total: true,
                ..first.clone()
            },
            window(Window::First { after: text("a") }),
            window(Window::First { after: text("b") }),
            window(Window::Last { before: None }),
            window(Window::Last { before: text("a") }),
            window(Window::Number { page: 1 }),
            window(Window::Number { page: 2 }),
        ]
    }

    fn keys_differ(keys: Vec<Key>) {
        let distinct: HashSet<&Key> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }

    #[test]
    fn every_argument_of_the_lists_of_products_is_part_of_their_keys() {
        let plain = ProductFilter::default();
        let with = |change: &dyn Fn(&mut ProductFilter)| {
            let mut filter = plain.clone();
            change(&mut filter);
            filter
        };
        // A new field must be varied below.
        let ProductFilter {
            categories: _,
            statuses: _,
            availability: _,
            price_min_minor: _,
            price_max_minor: _,
            name_contains: _,
            name_prefix: _,
            with_subcategories: _,
            search: _,
        } = &plain;
        let id = |n| CategoryId(Uuid::from_u128(n));
        let text = |text: &str| Some(text.to_owned());
        let searched = |text: &str| Search::of(text, 10).unwrap();
        let filters = [
            plain.clone(),
            with(&|filter| filter.categories = Some(vec![])),
            with(&|filter| filter.categories = Some(vec![id(1)])),
            with(&|filter| filter.categories = Some(vec![id(1), id(2)])),
            with(&|filter| filter.statuses = vec![]),
            with(&|filter| filter.statuses = vec![ProductStatus::Draft]),
            with(&|filter| filter.availability = Some(vec![])),
            with(&|filter| filter.availability = Some(vec![Availability::InStock])),
            with(&|filter| filter.price_min_minor = Some(1)),
            with(&|filter| filter.price_max_minor = Some(1)),
            with(&|filter| filter.name_contains = text("a")),
            with(&|filter| filter.name_contains = text("b")),
            with(&|filter| filter.name_prefix = text("a")),
            with(&|filter| filter.with_subcategories = false),
            with(&|filter| filter.search = searched("a")),
            with(&|filter| filter.search = searched("b")),
            with(&|filter| filter.search = searched("a b")),
        ];
        let order = |by, descending| ProductOrder { by, descending };
        let mut orders = Vec::new();
        for by in [
            ProductSort::CreatedAt,
            ProductSort::Name,
            ProductSort::Price,
            ProductSort::Relevance,
        ] {
            orders.extend([order(by, true), order(by, false)]);
        }
        let generation = Generation(Uuid::nil());
        let mut keys = Vec::new();
        for filter in &filters {
            for order in &orders {
                for request in &requests() {
                    let list = ("products", filter, *order, request);
                    keys.push(Key::list(Tag::Products, generation, &list));
                    let below = ("category_products", &id(1), filter, *order, request);
                    keys.push(Key::list(Tag::Products, generation, &below));
                }
            }
        }
        let other = (
            "category_products",
            &id(2),
            &plain,
            orders[0],
            &requests()[0],
        );
        keys.push(Key::list(Tag::Products, generation, &other));
        keys_differ(keys);
    }

    #[test]
    fn every_argument_of_the_lists_of_categories_is_part_of_their_keys() {
        let plain = CategoryFilter::default();
        let with = |change: &dyn Fn(&mut CategoryFilter)| {
            let mut filter = plain.clone();
            change(&mut filter);
            filter
        };
        // A new field must be varied below.
        let CategoryFilter {
            parents: _,
            is_root: _,
            statuses: _,
        } = &plain;
        let id = |n| CategoryId(Uuid::from_u128(n));
        let filters = [
            plain.clone(),
            with(&|filter| filter.parents = Some(vec![])),
            with(&|filter| filter.parents = Some(vec![id(1)])),
            with(&|filter| filter.is_root = Some(true)),
            with(&|filter| filter.is_root = Some(false)),
            with(&|filter| filter.statuses = vec![CategoryStatus::Archived]),
        ];
        let generation = Generation(Uuid::nil());
        let mut keys = Vec::new();
        for filter in &filters {
            for by in [CategorySort::Position, CategorySort::Name] {
                for descending in [true, false] {
                    for request in &requests() {
                        let order = CategoryOrder { by, descending };
                        let list = ("categories", filter, order, request);
                        keys.push(Key::list(Tag::Categories, generation, &list));
                    }
                }
            }
        }
        for id in [id(1), id(2)] {
            keys.push(Key::list(Tag::Categories, generation, &("children", id)));
        }
        keys_differ(keys);
    }
}
