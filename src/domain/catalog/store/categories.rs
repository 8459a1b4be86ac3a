//! Queries of the category tree.

use super::{INSERT_ROWS, deleted, must_hit};
use crate::db::keys::padded;
use crate::db::page::{self, Keyset};
use crate::domain::catalog::model::{
    CategoryBy, CategoryFilter, CategoryOrder, CategorySort, ProductFilter,
};
use crate::page::{Page, PageRequest};
use entity::catalog::category::{self, Column, Entity};
use entity::catalog::{ProductStatus, product, product_category};
use entity::ids::CategoryId;
use sea_orm::sea_query::{
    CaseStatement, CommonTableExpression, Expr, IntoIden, Query, SelectStatement, SimpleExpr,
    UnionType, WithClause,
};
use sea_orm::{
    ActiveModelTrait, ActiveValue::NotSet, ColumnTrait, Condition, ConnectionTrait, DbErr,
    EntityTrait, ExprTrait, IntoActiveModel, JoinType, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, RelationDef,
};
use std::collections::HashSet;

/// The name of the recursive part of a statement.
const TREE: &str = "tree";
/// Where a walk through the tree began.
const ROOT: &str = "root_id";
/// A category that the walk came by.
const ID: &str = "id";

/// One category.
pub(crate) async fn category_find(
    c: &impl ConnectionTrait,
    by: &CategoryBy,
) -> Result<Option<category::Model>, DbErr> {
    let condition = match by {
        CategoryBy::Id(id) => Column::Id.eq(*id),
        CategoryBy::Slug(slug) => Column::Slug.eq(slug),
    };
    Entity::find().filter(condition).one(c).await
}

/// Categories by their ids, in no order.
pub(crate) async fn categories_by_ids(
    c: &impl ConnectionTrait,
    ids: &[CategoryId],
) -> Result<Vec<category::Model>, DbErr> {
    Entity::find()
        .filter(Column::Id.is_in(padded(ids.iter().copied())))
        .all(c)
        .await
}

/// Categories directly below others, in their order.
pub(crate) async fn categories_by_parents(
    c: &impl ConnectionTrait,
    ids: &[CategoryId],
) -> Result<Vec<category::Model>, DbErr> {
    Entity::find()
        .filter(Column::ParentId.is_in(padded(ids.iter().copied())))
        .order_by_asc(Column::Position)
        .order_by_asc(Column::Id)
        .all(c)
        .await
}

/// Locks categories in the order of their ids and reads them.
pub(crate) async fn categories_lock(
    c: &impl ConnectionTrait,
    ids: &[CategoryId],
) -> Result<Vec<category::Model>, DbErr> {
    Entity::find()
        .filter(Column::Id.is_in(padded(ids.iter().copied())))
        .order_by_asc(Column::Id)
        .lock_exclusive()
        .all(c)
        .await
}

/// A page of categories.
pub(crate) async fn categories_page(
    c: &impl ConnectionTrait,
    filter: &CategoryFilter,
    order: CategoryOrder,
    request: &PageRequest,
) -> Result<Page<category::Model>, page::Error> {
    let condition = Condition::all()
        .add(Column::Status.is_in(filter.statuses.iter().copied()))
        .add_option(
            filter
                .parents
                .as_ref()
                .map(|parents| Column::ParentId.is_in(padded(parents.iter().copied()))),
        )
        .add_option(filter.is_root.map(|is_root| {
            if is_root {
                Column::ParentId.is_null()
            } else {
                Column::ParentId.is_not_null()
            }
        }));
    let (name, column) = match order.by {
        CategorySort::Position => ("POSITION", Column::Position),
        CategorySort::Name => ("NAME", Column::Name),
    };
    let keyset = Keyset {
        name,
        column,
        id: Column::Id,
        descending: order.descending,
    };
    page::fetch(c, Entity::find().filter(condition), &keyset, request).await
}

/// The recursive part of a statement: a walk through the tree from `from` along `step`. `UNION` without ALL ends it even
/// in a tree with a cycle.
fn tree(mut from: SelectStatement, step: SelectStatement) -> WithClause {
    let tree = CommonTableExpression::new()
        .table_name(TREE.into_iden())
        .columns([ROOT.into_iden(), ID.into_iden()])
        .query(from.union(UnionType::Distinct, step).take())
        .to_owned();
    WithClause::new().recursive(true).cte(tree).to_owned()
}

/// Where a walk begins: at these categories themselves.
fn roots_of(roots: &[CategoryId]) -> SelectStatement {
    Query::select()
        .expr_as(Expr::col(Column::Id), ROOT)
        .expr_as(Expr::col(Column::Id), ID)
        .from(Entity)
        .and_where(Column::Id.is_in(padded(roots.iter().copied())))
        .take()
}

/// The walk from each root down to every category below it.
fn tree_below(roots: &[CategoryId]) -> WithClause {
    let step = Query::select()
        .column((TREE.into_iden(), ROOT.into_iden()))
        .column((Entity, Column::Id))
        .from(Entity)
        .inner_join(
            TREE.into_iden(),
            Expr::col((Entity, Column::ParentId)).equals((TREE.into_iden(), ID.into_iden())),
        )
        .take();
    tree(roots_of(roots), step)
}

/// The places that a walk came by, each with the root it began at.
async fn walk(
    c: &impl ConnectionTrait,
    tree: WithClause,
) -> Result<Vec<(CategoryId, CategoryId)>, DbErr> {
    let query = Query::select()
        .columns([ROOT.into_iden(), ID.into_iden()])
        .from(TREE.into_iden())
        .take();
    let rows = c.query_all(&query.with(tree)).await?;
    rows.iter()
        .map(|row| Ok((row.try_get("", ROOT)?, row.try_get("", ID)?)))
        .collect()
}

/// Each root with itself and every category below it.
pub(crate) async fn categories_below(
    c: &impl ConnectionTrait,
    roots: &[CategoryId],
) -> Result<Vec<(CategoryId, CategoryId)>, DbErr> {
    if roots.is_empty() {
        return Ok(Vec::new());
    }
    walk(c, tree_below(roots)).await
}

/// The categories of a filter, with all below them if it says so.
pub(crate) async fn categories_of_filter(
    c: &impl ConnectionTrait,
    filter: &ProductFilter,
) -> Result<Option<Vec<CategoryId>>, DbErr> {
    match &filter.categories {
        Some(roots) if filter.with_subcategories => {
            let pairs = categories_below(c, roots).await?;
            Ok(Some(pairs.into_iter().map(|(_, id)| id).collect()))
        }
        roots => Ok(roots.clone()),
    }
}

/// Categories and all above them, in no order.
pub(crate) async fn categories_above(
    c: &impl ConnectionTrait,
    ids: &[CategoryId],
) -> Result<HashSet<CategoryId>, DbErr> {
    // The step goes from a category (ROOT is the one it came from last) to its parent.
    let step = Query::select()
        .expr_as(Expr::col((Entity, Column::Id)), ROOT)
        .expr_as(Expr::col((Entity, Column::ParentId)), ID)
        .from(Entity)
        .inner_join(
            TREE.into_iden(),
            Expr::col((Entity, Column::Id)).equals((TREE.into_iden(), ID.into_iden())),
        )
        .and_where(Column::ParentId.is_not_null())
        .take();
    let rows = walk(c, tree(roots_of(ids), step)).await?;
    Ok(rows.into_iter().map(|(_, id)| id).collect())
}

/// How many active products stand in categories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProductCounts {
    /// In the category itself.
    pub own: i64,
    /// In it or below it, each product once.
    pub all: i64,
}

/// Counts the active products of categories; a category without any is left out.
pub(crate) async fn products_count_by_categories(
    c: &impl ConnectionTrait,
    ids: &[CategoryId],
) -> Result<Vec<(CategoryId, ProductCounts)>, DbErr> {
    use product_category::Column::{CategoryId as LinkCategory, ProductId as LinkProduct};
    let link = || Expr::col((product_category::Entity, LinkProduct));
    let root = || Expr::col((TREE.into_iden(), ROOT.into_iden()));
    let place = || Expr::col((TREE.into_iden(), ID.into_iden()));
    let own: SimpleExpr = CaseStatement::new().case(place().eq(root()), link()).into();
    let query = Query::select()
        .expr_as(root(), ROOT)
        .expr_as(link().count_distinct(), "products")
        .expr_as(own.count_distinct(), "own_products")
        .from(TREE.into_iden())
        .inner_join(
            product_category::Entity,
            Expr::col((product_category::Entity, LinkCategory)).eq(place()),
        )
        .inner_join(
            product::Entity,
            Expr::col((product::Entity, product::Column::Id)).eq(link()),
        )
        .and_where(product::Column::Status.eq(ProductStatus::Active))
        .add_group_by([root()])
        .take();
    let rows = c.query_all(&query.with(tree_below(ids))).await?;
    rows.iter()
        .map(|row| {
            let counts = ProductCounts {
                own: row.try_get("", "own_products")?,
                all: row.try_get("", "products")?,
            };
            Ok((row.try_get("", ROOT)?, counts))
        })
        .collect()
}

/// How many categories stand directly below one, or at the top, and the greatest of their positions.
pub(crate) async fn siblings_count(
    c: &impl ConnectionTrait,
    parent_id: Option<CategoryId>,
) -> Result<(u64, Option<i32>), DbErr> {
    let among = match parent_id {
        Some(parent) => Column::ParentId.eq(parent),
        None => Column::ParentId.is_null(),
    };
    let row: Option<(i64, Option<i32>)> = Entity::find()
        .select_only()
        .column_as(Column::Id.count(), "siblings")
        .column_as(Column::Position.max(), "position")
        .filter(among)
        .into_tuple()
        .one(c)
        .await?;
    let (siblings, position) = row.unwrap_or_default();
    Ok((u64::try_from(siblings).unwrap_or(0), position))
}

/// Which of these slugs categories have.
pub(crate) async fn category_slugs_find(
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

/// Whether categories stand below this one, or active products in it.
pub(crate) async fn category_is_used(
    c: &impl ConnectionTrait,
    id: CategoryId,
) -> Result<bool, DbErr> {
    if Entity::find()
        .filter(Column::ParentId.eq(id))
        .count(c)
        .await?
        > 0
    {
        return Ok(true);
    }
    let to_product: RelationDef = product_category::Entity::belongs_to(product::Entity)
        .from(product_category::Column::ProductId)
        .to(product::Column::Id)
        .into();
    let active = product_category::Entity::find()
        .join(JoinType::InnerJoin, to_product)
        .filter(product_category::Column::CategoryId.eq(id))
        .filter(product::Column::Status.eq(ProductStatus::Active))
        .count(c)
        .await?;
    Ok(active > 0)
}

/// Writes new categories; parents stand before their children.
pub(crate) async fn categories_insert(
    c: &impl ConnectionTrait,
    rows: &[category::Model],
) -> Result<(), DbErr> {
    for rows in rows.chunks(INSERT_ROWS) {
        let rows = rows.iter().cloned().map(IntoActiveModel::into_active_model);
        Entity::insert_many(rows).exec_without_returning(c).await?;
    }
    Ok(())
}

/// Writes a category that [`categories_lock`] holds.
pub(crate) async fn category_update(
    c: &impl ConnectionTrait,
    row: &category::Model,
) -> Result<(), DbErr> {
    let set = category::ActiveModel {
        id: NotSet,
        ..row.clone().into_active_model().reset_all()
    };
    let done = Entity::update_many()
        .set(set)
        .filter(Column::Id.eq(row.id))
        .exec(c)
        .await?;
    must_hit(done.rows_affected, "category_update")
}

/// Takes all products out of a category.
pub(crate) async fn category_products_delete(
    c: &impl ConnectionTrait,
    id: CategoryId,
) -> Result<(), DbErr> {
    product_category::Entity::delete_many()
        .filter(product_category::Column::CategoryId.eq(id))
        .exec(c)
        .await?;
    Ok(())
}

/// Removes a category, unless something stands in it. Tells whether it did.
pub(crate) async fn category_delete(
    c: &impl ConnectionTrait,
    id: CategoryId,
) -> Result<bool, DbErr> {
    deleted(Entity::delete_by_id(id).exec(c).await, "category_delete")
}
