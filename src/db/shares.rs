//! Work in equal pieces that living processes share fairly.
//!
//! Each process has a row of its own in `leases` and so finds the others; each piece has one too. A process claims
//! pieces that nobody has up to its fair share, and learns which ones it has in excess: it gives these up when nothing
//! of them is under way. A dead process's pieces are free when its leases end.

use super::Db;
use crate::clock::Clock;
use crate::error::Fault;
use chrono::{DateTime, TimeDelta, Utc};
use entity::platform::lease::{ActiveModel, COLUMN, Column, Entity, Model};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter};
use uuid::Uuid;

/// Rows of processes that ended long ago are removed after this many lives of a lease.
const FORGET_LIVES: i32 = 100;

/// The pieces of one kind of work, as one process sees them.
#[derive(Clone, Debug)]
pub struct Shares {
    db: Db,
    clock: Clock,
    name: &'static str,
    pieces: i32,
    holder: Uuid,
    life: TimeDelta,
}

/// How the work is shared now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// The pieces of this process, those in excess included.
    pub mine: Vec<i32>,
    /// What it should give up, because others have less than their fair share.
    pub excess: Vec<i32>,
    /// Living processes, this one included.
    pub members: usize,
    /// Until when all of it holds.
    pub until: DateTime<Utc>,
}

impl Shares {
    /// Names the work, how many pieces it has, and the process; nothing is claimed yet.
    #[must_use]
    pub fn new(
        db: Db,
        clock: Clock,
        name: &'static str,
        pieces: i32,
        holder: Uuid,
        life: TimeDelta,
    ) -> Self {
        Self {
            db,
            clock,
            name,
            pieces,
            holder,
            life,
        }
    }

    /// Renews this process and the pieces it holds, in one statement, and claims up to the fair share.
    ///
    /// # Errors
    /// The database fails; what was held is then held until it ends.
    pub async fn renew(&self, held: &[i32]) -> Result<Share, Fault> {
        let now = self.clock.now();
        let until = now + self.life;
        let mut names: Vec<String> = held.iter().map(|&piece| self.piece(piece)).collect();
        names.push(self.member(self.holder));
        let names = &names;
        let rows = self
            .db
            .write("shares.renew", async |tx| {
                // An end that is over does not matter as long as nobody else has claimed the row.
                Entity::update_many()
                    .col_expr(COLUMN.expires_at.0, Expr::value(until))
                    .filter(Column::Name.is_in(names))
                    .filter(COLUMN.holder.eq(self.holder))
                    .exec(&*tx)
                    .await?;
                Ok::<_, Fault>(self.rows(&*tx).await?)
            })
            .await?;
        let mut plan = self.plan(&rows, now);
        if plan.is_new || !plan.absent.is_empty() || !plan.claim.is_empty() {
            let rows = self.claim(&plan, now).await?;
            plan = self.plan(&rows, now);
        }
        Ok(Share {
            mine: plan.mine,
            excess: plan.excess,
            members: plan.members,
            until,
        })
    }

    /// Gives pieces up, so that others need not wait.
    ///
    /// # Errors
    /// The database fails.
    pub async fn give_up(&self, pieces: &[i32]) -> Result<(), Fault> {
        let names: Vec<String> = pieces.iter().map(|&piece| self.piece(piece)).collect();
        let names = &names;
        self.db
            .write("shares.give_up", async |tx| {
                self.free(&*tx, names).await?;
                Ok::<_, Fault>(())
            })
            .await
    }

    /// Leaves: gives up all pieces and is no member any more.
    ///
    /// # Errors
    /// The database fails; everything then ends by itself.
    pub async fn leave(&self) -> Result<(), Fault> {
        let names: Vec<String> = (0..self.pieces).map(|piece| self.piece(piece)).collect();
        let names = &names;
        self.db
            .write("shares.leave", async |tx| {
                self.free(&*tx, names).await?;
                Entity::delete_by_id(self.member(self.holder))
                    .exec(&*tx)
                    .await?;
                Ok::<_, Fault>(())
            })
            .await
    }

    /// Takes all pieces from whoever has them. Only for a process that knows that the holders are dead, as the one
    /// server process of a SQLite file does ([`Db::claim`]).
    ///
    /// # Errors
    /// The database fails.
    pub async fn seize(&self) -> Result<(), Fault> {
        self.db
            .write("shares.seize", async |tx| {
                Entity::delete_many()
                    .filter(Column::Name.starts_with(format!("{}.", self.name)))
                    .exec(&*tx)
                    .await?;
                Ok::<_, Fault>(())
            })
            .await
    }

    fn member(&self, holder: Uuid) -> String {
        format!("{}.member.{}", self.name, holder.simple())
    }

    fn piece(&self, number: i32) -> String {
        format!("{}.shard.{number:02}", self.name)
    }

    async fn rows(&self, c: &impl ConnectionTrait) -> Result<Vec<Model>, DbErr> {
        Entity::find()
            .filter(Column::Name.starts_with(format!("{}.", self.name)))
            .all(c)
            .await
    }

    async fn free(&self, c: &impl ConnectionTrait, names: &[String]) -> Result<(), DbErr> {
        Entity::update_many()
            .col_expr(COLUMN.expires_at.0, Expr::value(DateTime::UNIX_EPOCH))
            .filter(Column::Name.is_in(names))
            .filter(COLUMN.holder.eq(self.holder))
            .exec(c)
            .await?;
        Ok(())
    }

    /// Makes the rows that are not there, claims, and forgets the dead.
    async fn claim(&self, plan: &Plan, now: DateTime<Utc>) -> Result<Vec<Model>, Fault> {
        let until = now + self.life;
        let mut new: Vec<ActiveModel> = plan
            .absent
            .iter()
            .map(|&piece| row(self.piece(piece), Uuid::nil(), DateTime::UNIX_EPOCH))
            .collect();
        if plan.is_new {
            new.push(row(self.member(self.holder), self.holder, until));
        }
        let new = &new;
        let claim: Vec<String> = plan.claim.iter().map(|&piece| self.piece(piece)).collect();
        let claim = &claim;
        self.db
            .write("shares.claim", async |tx| {
                if !new.is_empty() {
                    // Another process may have made them meanwhile.
                    let there = OnConflict::column(Column::Name)
                        .update_column(Column::Name)
                        .to_owned();
                    Entity::insert_many(new.clone())
                        .on_conflict(there)
                        .exec_without_returning(&*tx)
                        .await?;
                }
                if !claim.is_empty() {
                    Entity::update_many()
                        .col_expr(COLUMN.holder.0, Expr::value(self.holder))
                        .col_expr(COLUMN.expires_at.0, Expr::value(until))
                        .filter(Column::Name.is_in(claim))
                        .filter(COLUMN.expires_at.lt(now))
                        .exec(&*tx)
                        .await?;
                }
                for &dead in &plan.dead {
                    Entity::delete_by_id(self.member(dead)).exec(&*tx).await?;
                }
                Ok::<_, Fault>(self.rows(&*tx).await?)
            })
            .await
    }

    /// What follows from the rows.
    fn plan(&self, rows: &[Model], now: DateTime<Utc>) -> Plan {
        let prefix = format!("{}.member.", self.name);
        let (members, pieces): (Vec<&Model>, Vec<&Model>) =
            rows.iter().partition(|row| row.name.starts_with(&prefix));
        let lives = |row: &&&Model| row.expires_at >= now;
        let mut living: Vec<Uuid> = members
            .iter()
            .filter(lives)
            .map(|row| row.holder)
            .chain([self.holder])
            .collect();
        living.sort_unstable();
        living.dedup();
        let long_ago = now - self.life * FORGET_LIVES;
        let dead = members.iter().filter(|row| row.expires_at < long_ago);
        let is_new = !members.iter().any(|row| row.holder == self.holder);
        let mut plan = Plan {
            members: living.len(),
            dead: dead.map(|row| row.holder).collect(),
            is_new,
            ..Plan::default()
        };
        let rank = living.iter().position(|&holder| holder == self.holder);
        let rank = rank.unwrap_or_default();
        let all = usize::try_from(self.pieces).unwrap_or_default();
        let fair = all / living.len() + usize::from(rank < all % living.len());
        // Each begins to look elsewhere, so that those who come at once do not claim the same pieces.
        let first = all * rank / living.len();
        let mut free = Vec::new();
        for piece in (first..all).chain(0..first) {
            let piece = i32::try_from(piece).unwrap_or_default();
            let name = self.piece(piece);
            match pieces.iter().find(|row| row.name == name) {
                None => {
                    plan.absent.push(piece);
                    free.push(piece);
                }
                Some(row) if row.expires_at < now => free.push(piece),
                Some(row) if row.holder == self.holder => plan.mine.push(piece),
                Some(_) => {}
            }
        }
        let room = fair.saturating_sub(plan.mine.len());
        plan.claim = free.into_iter().take(room).collect();
        plan.excess = plan.mine.iter().skip(fair).copied().collect();
        plan
    }
}

fn row(name: String, holder: Uuid, expires_at: DateTime<Utc>) -> ActiveModel {
    ActiveModel {
        name: Set(name),
        holder: Set(holder),
        expires_at: Set(expires_at),
    }
}

/// What a process should do about the rows it has seen.
#[derive(Debug, Default)]
struct Plan {
    mine: Vec<i32>,
    excess: Vec<i32>,
    claim: Vec<i32>,
    /// Pieces that have no row yet.
    absent: Vec<i32>,
    /// Processes that ended long ago.
    dead: Vec<Uuid>,
    members: usize,
    /// This process has no row yet.
    is_new: bool,
}
