//! Leases: which process does a piece of background work, and until when.

use super::{Db, Tx, error};
use crate::clock::Clock;
use crate::error::Fault;
use chrono::TimeDelta;
use entity::platform::lease::{ActiveModel, COLUMN, Entity};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveValue::Set, Condition, EntityTrait, QueryFilter};
use uuid::Uuid;

/// A claim on a piece of work by one process.
#[derive(Clone, Debug)]
pub struct Lease {
    db: Db,
    clock: Clock,
    name: String,
    holder: Uuid,
    life: TimeDelta,
}

impl Lease {
    /// Names the work and the process; nothing is claimed yet.
    #[must_use]
    pub fn new(
        db: Db,
        clock: Clock,
        name: impl Into<String>,
        holder: Uuid,
        life: TimeDelta,
    ) -> Self {
        Self {
            db,
            clock,
            name: name.into(),
            holder,
            life,
        }
    }

    /// Claims or renews the work. `false`: another process has it.
    ///
    /// # Errors
    /// The database fails; the caller then stops working, since it cannot know whether it still holds the lease.
    pub async fn hold(&self) -> Result<bool, Fault> {
        self.db
            .write("lease.hold", async |tx| {
                let now = self.clock.now();
                let expires_at = now + self.life;
                let updated = Entity::update_many()
                    .col_expr(COLUMN.holder.0, Expr::value(self.holder))
                    .col_expr(COLUMN.expires_at.0, Expr::value(expires_at))
                    .filter(COLUMN.name.eq(&self.name))
                    .filter(
                        Condition::any()
                            .add(COLUMN.holder.eq(self.holder))
                            .add(COLUMN.expires_at.lt(now)),
                    )
                    .exec(&*tx)
                    .await?;
                if updated.rows_affected == 1 {
                    return Ok(true);
                }
                let row = ActiveModel {
                    name: Set(self.name.clone()),
                    holder: Set(self.holder),
                    expires_at: Set(expires_at),
                };
                match Entity::insert(row).exec_without_returning(&*tx).await {
                    Ok(_) => Ok(true),
                    Err(error) if matches!(error::kind(&error), error::Kind::Unique(_)) => {
                        Ok(false)
                    }
                    Err(error) => Err(Fault::Db(error)),
                }
            })
            .await
    }

    /// Renews the lease inside a transaction whose effect only the holder may have. `false`: it ended or another
    /// process has it, and the caller rolls back. The row stays locked until the transaction ends, so that no other
    /// process can claim the work before.
    ///
    /// # Errors
    /// The database fails.
    pub async fn renew_in(&self, tx: &Tx) -> Result<bool, Fault> {
        let now = self.clock.now();
        let updated = Entity::update_many()
            .col_expr(COLUMN.expires_at.0, Expr::value(now + self.life))
            .filter(COLUMN.name.eq(&self.name))
            .filter(COLUMN.holder.eq(self.holder))
            .filter(COLUMN.expires_at.gte(now))
            .exec(&**tx)
            .await?;
        Ok(updated.rows_affected == 1)
    }

    /// Whether this process has the lease or could claim it now; costs no write.
    ///
    /// # Errors
    /// The database fails.
    pub async fn is_free(&self) -> Result<bool, Fault> {
        self.db
            .read("lease.find", async |c| {
                let row = Entity::find_by_id(self.name.clone()).one(&*c).await?;
                let now = self.clock.now();
                Ok(row.is_none_or(|row| row.holder == self.holder || row.expires_at < now))
            })
            .await
    }

    /// Takes the work from whoever has it. Only for a process that knows that the holder is dead: on SQLite the one
    /// server process of a file ([`Db::claim`]) need not wait for the lease of the one that was killed before.
    ///
    /// # Errors
    /// The database fails.
    pub async fn seize(&self) -> Result<(), Fault> {
        self.db
            .write("lease.seize", async |tx| {
                Entity::delete_by_id(self.name.clone()).exec(&*tx).await?;
                Ok::<_, Fault>(())
            })
            .await
    }

    /// Gives the work up, so that another process need not wait.
    ///
    /// # Errors
    /// The database fails; the lease then ends by itself.
    pub async fn release(&self) -> Result<(), Fault> {
        self.db
            .write("lease.release", async |tx| {
                Entity::delete_many()
                    .filter(COLUMN.name.eq(&self.name))
                    .filter(COLUMN.holder.eq(self.holder))
                    .exec(&*tx)
                    .await?;
                Ok(())
            })
            .await
    }
}
