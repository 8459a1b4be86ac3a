//! Queries of products, their images and the categories they stand in.

use super::search::{HITS_RANK, join_hits};
use super::{INSERT_ROWS, deleted, must_hit};
use crate::db::explain::explain;
use crate::db::keys::padded;
use crate::db::page::{self, Keyset};
use crate::domain::catalog::model::{ProductBy, ProductFilter, ProductOrder, ProductSort};
use crate::page::{Page, PageRequest};
use entity::catalog::product::{self, Column, Entity};
use entity::catalog::{category, product_category, product_image, variant};
use entity::ids::{CategoryId, ProductId};
use sea_orm::sea_query::{LikeExpr, Query};
use sea_orm::{
    ActiveModelTrait, ActiveValue::NotSet, ColumnTrait, Condition, ConnectionTrait, DbErr,
    EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, Select, Set,
};
use std::collections::HashSet;

/// One product.
pub(crate) async fn product_find(
    c: &impl ConnectionTrait,
    by: &ProductBy,
) -> Result<Option<product::Model>, DbErr> {
    let condition = match by {
        ProductBy::Id(id) => Column::Id.eq(*id),
        ProductBy::Slug(slug) => Column::Slug.eq(slug),
        ProductBy::ExternalReference(reference) => Column::ExternalReference.eq(reference),
        ProductBy::Sku(sku_folded) => Column::Id.in_subquery(
            Query::select()
                .column(variant::Column::ProductId)
                .from(variant::Entity)
                .and_where(variant::Column::SkuFolded.eq(sku_folded))
                .take(),
        ),
    };
    Entity::find().filter(condition).one(c).await
}

/// Whether the table is empty.
pub(crate) async fn products_are_none(c: &impl ConnectionTrait) -> Result<bool, DbErr> {
    Ok(Entity::find().one(c).await?.is_none())
}

/// Products by their ids, in no order.
pub(crate) async fn products_by_ids(
    c: &impl ConnectionTrait,
    ids: &[ProductId],
) -> Result<Vec<product::Model>, DbErr> {
    Entity::find()
        .filter(Column::Id.is_in(padded(ids.iter().copied())))
        .all(c)
        .await
}

/// Locks a product and reads it; whoever changes anything of it, its variants included, begins here.
pub(crate) async fn product_lock(
    c: &impl ConnectionTrait,
    id: ProductId,
) -> Result<Option<product::Model>, DbErr> {
    Entity::find_by_id(id).lock_exclusive().one(c).await
}

/// Products in one of these categories, which are given with all below them.
fn in_categories(categories: &[CategoryId]) -> Condition {
    Condition::all().add(
        Column::Id.in_subquery(
            Query::select()
                .column(product_category::Column::ProductId)
                .from(product_category::Entity)
                .and_where(
                    product_category::Column::CategoryId.is_in(padded(categories.iter().copied())),
                )
                .take(),
        ),
    )
}

/// `%` and `_` of a client's text stand for themselves.
fn like(before: &str, text: &str, after: &str) -> LikeExpr {
    let text: String = text
        .chars()
        .flat_map(|letter| {
            let escape = matches!(letter, '%' | '_' | '!').then_some('!');
            escape.into_iter().chain([letter])
        })
        .collect();
    LikeExpr::new(format!("{before}{text}{after}")).escape('!')
}

/// The list under a filter; `below` are the filter's categories with all below them.
fn products_select(filter: &ProductFilter, below: Option<&[CategoryId]>) -> Select<Entity> {
    let condition = Condition::all()
        .add(Column::Status.is_in(filter.statuses.iter().copied()))
        .add_option(below.map(in_categories))
        .add_option(
            filter
                .availability
                .as_ref()
                .map(|some| Column::Availability.is_in(some.iter().copied())),
        )
        .add_option(
            filter
                .price_min_minor
                .map(|min| Column::PriceMinor.gte(min)),
        )
        .add_option(
            filter
                .price_max_minor
                .map(|max| Column::PriceMinor.lte(max)),
        )
        .add_option(
            filter
                .name_contains
                .as_ref()
                .map(|text| Column::NameFolded.like(like("%", text, "%"))),
        )
        .add_option(
            filter
                .name_prefix
                .as_ref()
                .map(|text| Column::NameFolded.like(like("", text, "%"))),
        );
    let select = Entity::find().filter(condition);
    match &filter.search {
        Some(search) => join_hits(select, search),
        None => select,
    }
}

fn products_keyset(order: ProductOrder) -> Keyset<Entity> {
    let (name, column) = match order.by {
        ProductSort::CreatedAt => ("CREATED_AT", Column::CreatedAt),
        ProductSort::Name => ("NAME", Column::NameFolded),
        ProductSort::Price => ("PRICE", Column::PriceMinor),
        ProductSort::Relevance => ("RELEVANCE", Column::NameFolded),
    };
    Keyset {
        name,
        column,
        id: Column::Id,
        descending: order.descending,
    }
}

/// A page of products.
pub(crate) async fn products_page(
    c: &impl ConnectionTrait,
    filter: &ProductFilter,
    below: Option<&[CategoryId]>,
    order: ProductOrder,
    request: &PageRequest,
) -> Result<Page<product::Model>, page::Error> {
    let selects = vec![products_select(filter, below)];
    let mut pages = products_pages(c, selects, filter, order, request).await?;
    Ok(pages
        .pop()
        .unwrap_or_else(|| Page::empty(request.with_total)))
}

/// The same page of several lists under one filter, which decides whether there is a rank to sort by.
async fn products_pages(
    c: &impl ConnectionTrait,
    selects: Vec<Select<Entity>>,
    filter: &ProductFilter,
    order: ProductOrder,
    request: &PageRequest,
) -> Result<Vec<Page<product::Model>>, page::Error> {
    let keyset = products_keyset(order);
    page::fetch_ranked(c, selects, &keyset, rank(filter, order), request).await
}

/// The rank by which a list is sorted, if it is.
fn rank(filter: &ProductFilter, order: ProductOrder) -> Option<page::Rank> {
    let is_ranked = order.by == ProductSort::Relevance && filter.search.is_some();
    is_ranked.then_some(HITS_RANK)
}

/// How the database reads a page of products.
pub(crate) async fn products_explain(
    c: &impl ConnectionTrait,
    filter: &ProductFilter,
    below: Option<&[CategoryId]>,
    order: ProductOrder,
    request: &PageRequest,
) -> Result<Vec<String>, page::Error> {
    let select = products_select(filter, below);
    let rank = rank(filter, order);
    let statement = page::statement(select, &products_keyset(order), rank, request)?;
    Ok(explain(c, &statement).await?)
}

/// The same page of several categories, each given with all below it.
pub(crate) async fn products_pages_by_categories(
    c: &impl ConnectionTrait,
    parents: &[Vec<CategoryId>],
    filter: &ProductFilter,
    below: Option<&[CategoryId]>,
    order: ProductOrder,
    request: &PageRequest,
) -> Result<Vec<Page<product::Model>>, page::Error> {
    let selects = parents
        .iter()
        .map(|categories| products_select(filter, below).filter(in_categories(categories)))
        .collect();
    products_pages(c, selects, filter, order, request).await
}

/// Which of these slugs products have.
pub(crate) async fn product_slugs_find(
    c: &impl ConnectionTrait,
    slugs: &[String],
) -> Result<HashSet<String>, DbErr> {
    let slugs = padded(slugs.iter().map(String::as_str));
    let found: Vec<String> = Entity::find()
        .select_only()
        .column(Column::Slug)
        .filter(Column::Slug.is_in(slugs))
        .into_tuple()
        .all(c)
        .await?;
    Ok(found.into_iter().collect())
}

/// Which of these external references products have.
pub(crate) async fn external_references_find(
    c: &impl ConnectionTrait,
    references: &[String],
) -> Result<HashSet<String>, DbErr> {
    let references = padded(references.iter().map(String::as_str));
    let found: Vec<Option<String>> = Entity::find()
        .select_only()
        .column(Column::ExternalReference)
        .filter(Column::ExternalReference.is_in(references))
        .into_tuple()
        .all(c)
        .await?;
    Ok(found.into_iter().flatten().collect())
}

/// Writes new products.
pub(crate) async fn products_insert(
    c: &impl ConnectionTrait,
    rows: &[product::Model],
) -> Result<(), DbErr> {
    for rows in rows.chunks(INSERT_ROWS) {
        let rows = rows.iter().cloned().map(IntoActiveModel::into_active_model);
        Entity::insert_many(rows).exec_without_returning(c).await?;
    }
    Ok(())
}

/// Writes a product that [`product_lock`] holds.
pub(crate) async fn product_update(
    c: &impl ConnectionTrait,
    row: &product::Model,
) -> Result<(), DbErr> {
    let set = product::ActiveModel {
        id: NotSet,
        ..row.clone().into_active_model().reset_all()
    };
    let done = Entity::update_many()
        .set(set)
        .filter(Column::Id.eq(row.id))
        .exec(c)
        .await?;
    must_hit(done.rows_affected, "product_update")
}

/// Removes a product with its variants, unless an order refers to one of them. Tells whether it did.
pub(crate) async fn product_delete(c: &impl ConnectionTrait, id: ProductId) -> Result<bool, DbErr> {
    deleted(Entity::delete_by_id(id).exec(c).await, "product_delete")
}

/// Images of products in their order.
pub(crate) async fn images_by_products(
    c: &impl ConnectionTrait,
    ids: &[ProductId],
) -> Result<Vec<product_image::Model>, DbErr> {
    product_image::Entity::find()
        .filter(product_image::Column::ProductId.is_in(padded(ids.iter().copied())))
        .order_by_asc(product_image::Column::Position)
        .order_by_asc(product_image::Column::Id)
        .all(c)
        .await
}

/// Writes new images.
pub(crate) async fn images_insert(
    c: &impl ConnectionTrait,
    rows: &[product_image::Model],
) -> Result<(), DbErr> {
    for rows in rows.chunks(INSERT_ROWS) {
        let rows = rows.iter().cloned().map(IntoActiveModel::into_active_model);
        product_image::Entity::insert_many(rows)
            .exec_without_returning(c)
            .await?;
    }
    Ok(())
}

/// Removes all images of products.
pub(crate) async fn images_delete(
    c: &impl ConnectionTrait,
    ids: &[ProductId],
) -> Result<(), DbErr> {
    product_image::Entity::delete_many()
        .filter(product_image::Column::ProductId.is_in(padded(ids.iter().copied())))
        .exec(c)
        .await?;
    Ok(())
}

/// Which categories products stand in.
pub(crate) async fn category_ids_by_products(
    c: &impl ConnectionTrait,
    ids: &[ProductId],
) -> Result<Vec<(ProductId, CategoryId)>, DbErr> {
    product_category::Entity::find()
        .select_only()
        .column(product_category::Column::ProductId)
        .column(product_category::Column::CategoryId)
        .filter(product_category::Column::ProductId.is_in(padded(ids.iter().copied())))
        .into_tuple()
        .all(c)
        .await
}

/// Categories of products, by product, in the order of their names.
pub(crate) async fn categories_by_products(
    c: &impl ConnectionTrait,
    ids: &[ProductId],
) -> Result<Vec<(ProductId, category::Model)>, DbErr> {
    let to_category: sea_orm::RelationDef = product_category::Entity::belongs_to(category::Entity)
        .from(product_category::Column::CategoryId)
        .to(category::Column::Id)
        .into();
    let rows = product_category::Entity::find()
        .filter(product_category::Column::ProductId.is_in(padded(ids.iter().copied())))
        .join(sea_orm::JoinType::InnerJoin, to_category)
        .select_also(category::Entity)
        .order_by_asc(category::Column::Name)
        .order_by_asc(category::Column::Id)
        .all(c)
        .await?;
    Ok(rows
        .into_iter()
        .filter_map(|(link, category)| Some((link.product_id, category?)))
        .collect())
}

/// Puts products into categories.
pub(crate) async fn product_categories_insert(
    c: &impl ConnectionTrait,
    links: &[(ProductId, CategoryId)],
) -> Result<(), DbErr> {
    for links in links.chunks(INSERT_ROWS) {
        let rows = links
            .iter()
            .map(|&(product_id, category_id)| product_category::ActiveModel {
                product_id: Set(product_id),
                category_id: Set(category_id),
            });
        product_category::Entity::insert_many(rows)
            .exec_without_returning(c)
            .await?;
    }
    Ok(())
}
