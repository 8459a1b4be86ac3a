//! Queries of the words that products are found by. What they mean stands in the model.

use crate::db::keys::padded;
use crate::db::page::Rank;
use crate::domain::catalog::model::{PREFIX_DISTANCE, Search};
use entity::catalog::product_term::{self, Column, Entity};
use entity::catalog::{category, product, product_category};
use entity::ids::{CategoryId, ProductId};
use sea_orm::sea_query::extension::mysql::{IndexHintScope, MySqlSelectStatementExt as _};
use sea_orm::sea_query::{
    CaseStatement, Expr, IntoIden, JoinType, Query, SelectStatement, SimpleExpr,
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, ExprTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
};
use uuid::Uuid;

/// Rows of one INSERT: four columns each, and SQLite binds at most 32,766 values.
const TERM_ROWS: usize = 2_500;
/// Products whose words are taken away at a time.
const PRODUCTS: usize = 1_000;
/// What a search found, beside the products.
const HITS: &str = "hits";
/// How far a product is from the search, in [`HITS`].
const DISTANCE: &str = "search_distance";
/// The nearest come first.
pub(super) const HITS_RANK: Rank = Rank {
    table: HITS,
    column: DISTANCE,
};
/// The last word of a search, which is only begun.
const BEGUN: &str = "begun";

/// The index of words by product.
const BY_PRODUCT: &str = "idx_product_terms_product";

/// Narrows a list of products to what a search finds, each product once.
pub(super) fn join_hits(
    select: Select<product::Entity>,
    search: &Search,
) -> Select<product::Entity> {
    let mut select = select;
    // SQLite keeps the order of a CROSS JOIN: what was found leads to the products. It has no statistics to see that they
    // are fewer than all products; MySQL has, and takes it for any other join.
    QueryTrait::query(&mut select)
        .from_clear()
        .from_subquery(hits(search), HITS)
        .cross_join(product::Entity)
        .and_where(
            Expr::col((HITS, Column::ProductId)).equals((product::Entity, product::Column::Id)),
        );
    select
}

/// The products that have all words, with the sum of the words' distances. All words stand in one table, so each
/// product has every word at most once for itself and once for each category; the nearest of them counts.
///
/// There is no order among the joins: the engine begins with the word that fewest products have, and goes on along the
/// index by product, also for the word that is only begun.
fn hits(search: &Search) -> SelectStatement {
    let begun = |column: Column| Expr::col((BEGUN, column));
    let distance: SimpleExpr = CaseStatement::new()
        .case(
            begun(Column::Term).eq(search.begun.as_str()),
            begun(Column::Distance),
        )
        .finally(begun(Column::Distance).add(PREFIX_DISTANCE))
        .into();
    let mut nearest = distance.min();
    let mut query = Query::select();
    query
        .expr_as(begun(Column::ProductId), Column::ProductId)
        .from_as(Entity, BEGUN)
        // MySQL would read all words in the order of their products, only to have the groups in order.
        .ignore_index(BY_PRODUCT, IndexHintScope::GroupBy)
        .and_where(begun(Column::Term).gte(search.begun.as_str()));
    if let Some(behind) = search.behind_begun() {
        query.and_where(begun(Column::Term).lt(behind));
    }
    for (number, word) in search.whole.iter().enumerate() {
        let alias = format!("word_{number}").into_iden();
        let column = |column: Column| Expr::col((alias.clone(), column));
        query.join_as(
            JoinType::InnerJoin,
            Entity,
            alias.clone(),
            Condition::all()
                .add(column(Column::ProductId).equals((BEGUN, Column::ProductId)))
                .add(column(Column::Term).eq(word.as_str())),
        );
        nearest = nearest.add(column(Column::Distance).min());
    }
    query
        .expr_as(nearest, DISTANCE)
        .add_group_by([begun(Column::ProductId)])
        .take()
}

/// Writes words.
pub(crate) async fn terms_insert(
    c: &impl ConnectionTrait,
    rows: &[product_term::Model],
) -> Result<(), DbErr> {
    for rows in rows.chunks(TERM_ROWS) {
        let rows = rows.iter().cloned().map(IntoActiveModel::into_active_model);
        Entity::insert_many(rows).exec_without_returning(c).await?;
    }
    Ok(())
}

async fn terms_delete(
    c: &impl ConnectionTrait,
    ids: &[ProductId],
    source: SimpleExpr,
) -> Result<(), DbErr> {
    for ids in ids.chunks(PRODUCTS) {
        Entity::delete_many()
            .filter(Column::ProductId.is_in(padded(ids.iter().copied())))
            .filter(source.clone())
            .exec(c)
            .await?;
    }
    Ok(())
}

/// Removes the words that products have for themselves.
pub(crate) async fn terms_delete_own(
    c: &impl ConnectionTrait,
    ids: &[ProductId],
) -> Result<(), DbErr> {
    terms_delete(
        c,
        ids,
        Expr::col(Column::SourceId).equals(Column::ProductId),
    )
    .await
}

/// Removes the words that products have for their categories.
pub(crate) async fn terms_delete_of_categories(
    c: &impl ConnectionTrait,
    ids: &[ProductId],
) -> Result<(), DbErr> {
    let others = Expr::col(Column::SourceId).not_equals(Column::ProductId);
    terms_delete(c, ids, others).await
}

/// Removes the words that products have for one category.
pub(crate) async fn terms_delete_of_category(
    c: &impl ConnectionTrait,
    ids: &[ProductId],
    category: CategoryId,
) -> Result<(), DbErr> {
    terms_delete(c, ids, Column::SourceId.eq(Uuid::from(category))).await
}

/// The products that stand in a category itself.
pub(crate) async fn products_in_category(
    c: &impl ConnectionTrait,
    id: CategoryId,
) -> Result<Vec<ProductId>, DbErr> {
    product_category::Entity::find()
        .select_only()
        .column(product_category::Column::ProductId)
        .filter(product_category::Column::CategoryId.eq(id))
        .order_by_asc(product_category::Column::ProductId)
        .into_tuple()
        .all(c)
        .await
}

/// Categories in the order of their ids, held as they are until the transaction ends: whoever repeats their names must
/// not do so while somebody changes them.
pub(crate) async fn categories_hold(
    c: &impl ConnectionTrait,
    ids: &[CategoryId],
) -> Result<Vec<category::Model>, DbErr> {
    category::Entity::find()
        .filter(category::Column::Id.is_in(padded(ids.iter().copied())))
        .order_by_asc(category::Column::Id)
        .lock_shared()
        .all(c)
        .await
}

/// Which products stand in which categories.
pub(crate) async fn links_by_products(
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

/// The next products behind one, in the order of their ids, locked.
pub(crate) async fn products_lock_next(
    c: &impl ConnectionTrait,
    after: Option<ProductId>,
    limit: u64,
) -> Result<Vec<product::Model>, DbErr> {
    product::Entity::find()
        .filter(Condition::all().add_option(after.map(|after| product::Column::Id.gt(after))))
        .order_by_asc(product::Column::Id)
        .limit(limit)
        .lock_exclusive()
        .all(c)
        .await
}
