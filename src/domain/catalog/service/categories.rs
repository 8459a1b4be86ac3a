//! Use cases of categories.

use super::products::expect_version;
use super::search::category_terms_renew;
use super::{Service, settle, slugs_pick};
use crate::db::idempotency::{self, Request};
use crate::db::{Tx, page};
use crate::domain::catalog::error::{Error, Kind, Unique};
use crate::domain::catalog::events;
use crate::domain::catalog::model::{
    CHILDREN_MAX, CategoryBy, CategoryChanges, CategoryFilter, CategoryOrder, NAME_MAX,
    NewCategory, TREE_DEPTH_MAX, height, slug,
};
use crate::domain::catalog::store;
use crate::error::{Failure, Fault};
use crate::page::{Page, PageRequest};
use entity::catalog::category;
use entity::ids::CategoryId;
use std::collections::HashSet;
use uuid::Uuid;

impl Service {
    /// One category, whatever its status; whoever shows it decides who may see it.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(name = "catalog.category_by", skip_all)]
    pub async fn category_by(&self, by: CategoryBy) -> Result<Option<category::Model>, Fault> {
        self.category_find(&by).await
    }

    /// A page of categories.
    ///
    /// # Errors
    /// A cursor of another list, or the database fails.
    #[tracing::instrument(name = "catalog.categories_page", skip_all)]
    pub async fn categories_page(
        &self,
        filter: &CategoryFilter,
        order: CategoryOrder,
        request: &PageRequest,
    ) -> Result<Page<category::Model>, page::Error> {
        let arguments = ("categories", filter, order, request);
        let (filter_, request_) = (filter.clone(), request.clone());
        let read = move |service: Self| {
            let (filter, request) = (filter_.clone(), request_.clone());
            async move {
                service
                    .db
                    .read("catalog.categories_page", async |c| {
                        store::categories_page(&*c, &filter, order, &request).await
                    })
                    .await
            }
        };
        self.categories_listed(&arguments, read).await
    }

    /// Writes categories as they are, parents before their children, in the caller's transaction; for the demo shop.
    ///
    /// # Errors
    /// The database fails, or one of them is there already.
    pub async fn categories_insert_in(
        &self,
        tx: &Tx,
        rows: Vec<category::Model>,
    ) -> Result<(), Fault> {
        store::categories_insert(&**tx, &rows).await?;
        let ids = rows.iter().map(|row| row.id);
        self.categories_changed_in(tx, ids).await?;
        let created = rows.iter().map(events::category_created);
        self.events.publish_in(tx, created.collect()).await
    }

    /// Makes a category, once for an idempotency key. Answers it as it is now, and whether an earlier request made it.
    ///
    /// # Errors
    /// Slug taken, parent unknown, the tree too deep or too wide there.
    #[tracing::instrument(name = "catalog.category_create", skip_all)]
    pub async fn category_create(
        &self,
        new: &NewCategory,
        key: Option<Request>,
    ) -> Result<(category::Model, bool), Failure<Error>> {
        let write =
            |key: Option<Request>| async move { self.category_write(new, key.as_ref()).await };
        let (id, replayed) = self.idempotency.once(key, write).await?;
        match self.category_by(CategoryBy::Id(id.into())).await? {
            Some(row) => Ok((row, replayed)),
            // A replay of what was deleted since.
            None => Err(Error::at(Kind::NotFound("category any more"), &["idempotencyKey"]).into()),
        }
    }

    async fn category_write(
        &self,
        new: &NewCategory,
        key: Option<&Request>,
    ) -> Result<Uuid, Failure<Error>> {
        let id: CategoryId = self.clock.id();
        settle(|| {
            self.db.write("catalog.category_create", async |tx| {
                idempotency::record(&tx, &self.clock, key, id.into()).await?;
                let mut wrong = Vec::new();
                let given = match &new.slug {
                    Some(slug) => slug_check(&tx, slug).await?,
                    None => None,
                };
                wrong.extend(given);
                let parent = &["input", "parentId"];
                let position = match place_check(&tx, new.parent_id, 1, parent).await? {
                    Ok(position) => position,
                    Err(error) => {
                        wrong.push(error);
                        0
                    }
                };
                if !wrong.is_empty() {
                    return Err(Failure::Refused(wrong));
                }
                let row = self.category_row(&tx, id, new, position).await?;
                self.categories_insert_in(&tx, vec![row]).await?;
                Ok(id.into())
            })
        })
        .await
    }

    async fn category_row(
        &self,
        tx: &Tx,
        id: CategoryId,
        new: &NewCategory,
        position: i32,
    ) -> Result<category::Model, Fault> {
        let slug = match &new.slug {
            Some(slug) => slug.clone(),
            None => {
                let base = slug(&new.name, "category", NAME_MAX);
                let find =
                    async |slugs: Vec<String>| Ok(store::category_slugs_find(&**tx, &slugs).await?);
                slugs_pick(&[base], find).await?.remove(0)
            }
        };
        let now = self.clock.now();
        Ok(category::Model {
            id,
            parent_id: new.parent_id,
            name: new.name.clone(),
            slug,
            description: new.description.clone(),
            status: new.status,
            position: new.position.unwrap_or(position),
            version: 1,
            created_at: now,
            updated_at: now,
        })
    }

    /// Changes a category where it stands.
    ///
    /// # Errors
    /// No such category, changed meanwhile, slug taken.
    #[tracing::instrument(name = "catalog.category_update", skip_all, fields(category.id = %id))]
    pub async fn category_update(
        &self,
        id: CategoryId,
        changes: &CategoryChanges,
    ) -> Result<category::Model, Failure<Error>> {
        settle(|| {
            self.db.write("catalog.category_update", async |tx| {
                let before = category_lock(&tx, id).await?;
                let mut row = before.clone();
                expect_version(row.version, changes.expected_version)?;
                if let Some(slug) = changes.slug.as_ref().filter(|slug| **slug != row.slug) {
                    slug_check(&tx, slug).await?.map_or(Ok(()), Err)?;
                    row.slug.clone_from(slug);
                }
                if let Some(name) = &changes.name {
                    row.name.clone_from(name);
                }
                if let Some(description) = &changes.description {
                    row.description.clone_from(description);
                }
                row.position = changes.position.unwrap_or(row.position);
                row.status = changes.status.unwrap_or(row.status);
                if (&before.name, before.status) != (&row.name, row.status) {
                    category_terms_renew(&tx, &row).await?;
                }
                let row = self.category_raise(&tx, row).await?;
                let event = events::category_updated(&before, &row);
                self.events.publish_in(&tx, vec![event]).await?;
                Ok(row)
            })
        })
        .await
    }

    /// Puts a category with all below it under another one, or at the top, as the last there.
    ///
    /// # Errors
    /// No such category or parent, the parent stands below the category, the tree too deep or too wide there.
    #[tracing::instrument(name = "catalog.category_move", skip_all, fields(category.id = %id))]
    pub async fn category_move(
        &self,
        id: CategoryId,
        parent_id: Option<CategoryId>,
    ) -> Result<category::Model, Failure<Error>> {
        self.db
            .write("catalog.category_move", async |tx| {
                let locked = path_lock(&tx, id, parent_id).await?;
                let Some(before) = locked.into_iter().find(|row| row.id == id) else {
                    return Err(Error::at(Kind::NotFound("category"), &["id"]).into());
                };
                let mut row = before.clone();
                let below: Vec<CategoryId> = store::categories_below(&*tx, &[id])
                    .await?
                    .into_iter()
                    .map(|(_, id)| id)
                    .collect();
                if parent_id.is_some_and(|parent| below.contains(&parent)) {
                    return Err(Error::at(Kind::Cycle, &["parentId"]).into());
                }
                let subtree = store::categories_by_ids(&*tx, &below).await?;
                let levels = height(id, &subtree);
                row.position = place_check(&tx, parent_id, levels, &["parentId"]).await??;
                row.parent_id = parent_id;
                let row = self.category_raise(&tx, row).await?;
                let event = events::category_moved(&before, &row);
                self.events.publish_in(&tx, vec![event]).await?;
                Ok(row)
            })
            .await
    }

    /// Writes a locked category as its next version.
    async fn category_raise(
        &self,
        tx: &Tx,
        mut row: category::Model,
    ) -> Result<category::Model, Failure<Error>> {
        row.version += 1;
        row.updated_at = self.clock.now();
        store::category_update(&**tx, &row).await?;
        self.categories_changed_in(tx, [row.id]).await?;
        Ok(row)
    }

    /// Deletes a category in which nothing stands; drafts and archived products leave it. Answers it as it was.
    ///
    /// # Errors
    /// No such category, or categories or active products stand in it.
    #[tracing::instrument(name = "catalog.category_delete", skip_all, fields(category.id = %id))]
    pub async fn category_delete(&self, id: CategoryId) -> Result<category::Model, Failure<Error>> {
        self.db
            .write("catalog.category_delete", async |tx| {
                let row = category_lock(&tx, id).await?;
                let in_use = || Error::at(Kind::CategoryInUse, &["id"]);
                if store::category_is_used(&*tx, id).await? {
                    return Err(in_use().into());
                }
                let products = store::products_in_category(&*tx, id).await?;
                store::terms_delete_of_category(&*tx, &products, id).await?;
                store::category_products_delete(&*tx, id).await?;
                if store::category_delete(&*tx, id).await? {
                    self.categories_changed_in(&tx, [id]).await?;
                    self.products_changed_in(&tx, products).await?;
                    let event = events::category_deleted(&row, self.clock.now());
                    self.events.publish_in(&tx, vec![event]).await?;
                    Ok(row)
                } else {
                    // Something was put into it just now.
                    Err(in_use().into())
                }
            })
            .await
    }
}

async fn category_lock(tx: &Tx, id: CategoryId) -> Result<category::Model, Failure<Error>> {
    let row = store::categories_lock(&**tx, &[id]).await?.pop();
    row.ok_or_else(|| Error::at(Kind::NotFound("category"), &["id"]).into())
}

async fn slug_check(tx: &Tx, slug: &str) -> Result<Option<Error>, Fault> {
    let taken = store::category_slugs_find(&**tx, &[slug.to_owned()]).await?;
    Ok((!taken.is_empty())
        .then(|| Error::at(Kind::Taken(Unique::CategorySlug), &["input", "slug"])))
}

/// Locks a category that moves and the whole path above the place it moves to, and reads them.
///
/// Two moves that would make a cycle together each put a category below one that the other moves, so the path of one has
/// what the other locks: the second waits, and its look at the tree sees what the first did. A path may change until it
/// is locked; then it is read again, and nobody can change what is locked.
async fn path_lock(
    tx: &Tx,
    id: CategoryId,
    parent_id: Option<CategoryId>,
) -> Result<Vec<category::Model>, Fault> {
    let Some(parent) = parent_id else {
        return Ok(store::categories_lock(&**tx, &[id]).await?);
    };
    let mut known = HashSet::from([id]);
    let mut path = store::categories_above(&**tx, &[parent]).await?;
    loop {
        known.extend(path);
        let ids: Vec<CategoryId> = known.iter().copied().collect();
        let locked = store::categories_lock(&**tx, &ids).await?;
        path = store::categories_above(&**tx, &[parent]).await?;
        if path.is_subset(&known) {
            return Ok(locked);
        }
    }
}

/// Whether `levels` of categories fit below a parent, and the last position there. Locks the parent.
async fn place_check(
    tx: &Tx,
    parent_id: Option<CategoryId>,
    levels: usize,
    path: &[&str],
) -> Result<Result<i32, Error>, Failure<Error>> {
    if let Some(parent) = parent_id {
        if store::categories_lock(&**tx, &[parent]).await?.is_empty() {
            return Ok(Err(Error::at(Kind::NotFound("category"), path)));
        }
        if store::categories_above(&**tx, &[parent]).await?.len() + levels > TREE_DEPTH_MAX {
            return Ok(Err(Error::at(Kind::TooDeep(TREE_DEPTH_MAX), path)));
        }
    }
    let (siblings, last) = store::siblings_count(&**tx, parent_id).await?;
    if parent_id.is_some() && siblings >= CHILDREN_MAX {
        return Ok(Err(Error::at(Kind::TooMany(CHILDREN_MAX), path)));
    }
    Ok(Ok(last.unwrap_or(-1).saturating_add(1)))
}
