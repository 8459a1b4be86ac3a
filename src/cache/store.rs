//! Every statement of the cache's own tables.

use super::key::Tag;
use crate::db::error::{self, Kind};
use crate::db::keys::padded;
use chrono::{DateTime, Utc};
use entity::platform::{cache_epoch, cache_invalidation};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

/// The one row of the epochs: there is one Redis.
const REDIS: &str = "redis";

/// Changes that Redis may not know yet.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) id: Uuid,
    /// `None`: written by a newer release; everything may have changed.
    pub(super) tags: Option<Vec<Tag>>,
    pub(super) created_at: DateTime<Utc>,
}

pub(super) async fn invalidation_insert(
    c: &impl ConnectionTrait,
    id: Uuid,
    tags: &[Tag],
    created_at: DateTime<Utc>,
) -> Result<(), DbErr> {
    let tags = serde_json::to_value(tags).map_err(|error| DbErr::Custom(error.to_string()))?;
    let row = cache_invalidation::ActiveModel {
        id: Set(id),
        tags: Set(tags),
        created_at: Set(created_at),
    };
    cache_invalidation::Entity::insert(row)
        .exec_without_returning(c)
        .await?;
    Ok(())
}

/// The oldest changes first.
pub(super) async fn invalidations_pending(
    c: &impl ConnectionTrait,
    limit: u64,
) -> Result<Vec<Pending>, DbErr> {
    let rows = cache_invalidation::Entity::find()
        .order_by_asc(cache_invalidation::COLUMN.id)
        .limit(limit)
        .all(c)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| Pending {
            id: row.id,
            tags: serde_json::from_value(row.tags).ok(),
            created_at: row.created_at,
        })
        .collect())
}

pub(super) async fn invalidations_delete(
    c: &impl ConnectionTrait,
    ids: &[Uuid],
) -> Result<(), DbErr> {
    cache_invalidation::Entity::delete_many()
        .filter(
            cache_invalidation::COLUMN
                .id
                .is_in(padded(ids.iter().copied())),
        )
        .exec(c)
        .await?;
    Ok(())
}

pub(super) async fn epoch_find(
    c: &impl ConnectionTrait,
) -> Result<Option<cache_epoch::Model>, DbErr> {
    cache_epoch::Entity::find_by_id(REDIS).one(c).await
}

/// Begins a new epoch, unless another replica has just done that.
pub(super) async fn epoch_begin(
    c: &impl ConnectionTrait,
    before: Option<&cache_epoch::Model>,
    epoch: Uuid,
    run_id: &str,
) -> Result<(), DbErr> {
    let Some(before) = before else {
        let row = cache_epoch::ActiveModel {
            name: Set(REDIS.to_owned()),
            epoch: Set(epoch),
            run_id: Set(run_id.to_owned()),
        };
        return match cache_epoch::Entity::insert(row)
            .exec_without_returning(c)
            .await
        {
            Err(error) if !matches!(error::kind(&error), Kind::Unique(_)) => Err(error),
            _ => Ok(()),
        };
    };
    cache_epoch::Entity::update_many()
        .col_expr(cache_epoch::Column::Epoch, Expr::value(epoch))
        .col_expr(cache_epoch::Column::RunId, Expr::value(run_id))
        .filter(cache_epoch::COLUMN.name.eq(REDIS))
        .filter(cache_epoch::COLUMN.epoch.eq(before.epoch))
        .exec(c)
        .await?;
    Ok(())
}
