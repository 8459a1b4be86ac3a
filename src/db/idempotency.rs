//! Idempotency keys: the same request twice has one effect.
//!
//! The key's row is the first statement of the effect's own transaction, so it is there if and only if the effect is.
//! It holds a hash of the arguments and the effect's id; a replay reads that object anew. Duplicates in one process
//! wait for each other before they reach the database; on other replicas the row's lock makes them wait.

use super::{Db, Tx, error};
use crate::clock::Clock;
use crate::error::{ErrorCode, Failure, Fault, Problem};
use crate::workers::Progress;
use chrono::TimeDelta;
use entity::platform::idempotency_key::{ActiveModel, COLUMN, Entity};
use sea_orm::{ActiveValue::Set, EntityTrait, QueryFilter, QuerySelect};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use uuid::Uuid;

/// Rows removed at a time by [`Idempotency::clean`].
const CLEAN_BATCH: u64 = 500;
/// How long a duplicate waits for the first request when that runs on another replica.
const WAIT_FOR_OTHER_REPLICA: Duration = Duration::from_secs(5);
/// Between two looks at such a request; the database's own lock makes most waits end before.
const PAUSE: Duration = Duration::from_millis(20);

/// A key as the client sent it, with what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    id: String,
    arguments_hash: String,
}

impl Request {
    /// A request of `scope` (user or cart) for `operation` with the client's key and arguments.
    ///
    /// # Errors
    /// The arguments cannot be written as JSON.
    pub fn new(
        scope: Uuid,
        operation: &str,
        key: &str,
        arguments: &impl Serialize,
    ) -> Result<Self, Fault> {
        let json = serde_json::to_vec(arguments).map_err(Fault::doing("hashing the arguments"))?;
        let id = hash(&[scope.as_bytes(), operation.as_bytes(), key.as_bytes()]);
        Ok(Self {
            id,
            arguments_hash: hash(&[&json]),
        })
    }
}

/// SHA-256 over parts with their lengths, in hexadecimal.
fn hash(parts: &[&[u8]]) -> String {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update((part.len() as u64).to_be_bytes());
        sha.update(part);
    }
    sha.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What a request with a key is.
#[derive(Debug)]
pub enum Claim {
    /// The first of its kind: run the effect, with [`record`] as its first statement, while this guard lives.
    First(Turn),
    /// Done before: the id of its effect.
    Replay(Uuid),
    /// The key was used with other arguments.
    Reused,
}

/// The right to be the one request with its key in this process.
#[derive(Debug)]
pub struct Turn(
    #[expect(dead_code, reason = "held for its Drop")] tokio::sync::OwnedMutexGuard<()>,
);

/// Remembers keys.
#[derive(Clone, Debug)]
pub struct Idempotency {
    db: Db,
    clock: Clock,
    keep: TimeDelta,
    turns: Arc<Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>>,
}

impl Idempotency {
    /// Keys are kept for `keep`.
    #[must_use]
    pub fn new(db: Db, clock: Clock, keep: TimeDelta) -> Self {
        Self {
            db,
            clock,
            keep,
            turns: Arc::default(),
        }
    }

    /// Waits for requests with the same key in this process, then tells what this one is.
    ///
    /// # Errors
    /// The database fails.
    pub async fn claim(&self, request: &Request) -> Result<Claim, Fault> {
        let turn = self.turn(&request.id).lock_owned().await;
        let since = self.clock.now() - self.keep;
        let row = self
            .db
            .read("idempotency.find", async |c| {
                Ok::<_, Fault>(Entity::find_by_id(request.id.clone()).one(&*c).await?)
            })
            .await?;
        Ok(match row {
            Some(row) if row.created_at < since => {
                self.forget(&request.id).await?;
                Claim::First(Turn(turn))
            }
            Some(row) if row.arguments_hash == request.arguments_hash => {
                Claim::Replay(row.effect_id)
            }
            Some(_) => Claim::Reused,
            None => Claim::First(Turn(turn)),
        })
    }

    /// Runs `effect` once for a key. The effect calls [`record`] first in its transaction and returns the id of what it
    /// made; the answer is that id and whether an earlier request made it. Without a key the effect just runs.
    ///
    /// # Errors
    /// What the effect returns, [`reused`], or [`in_progress`] when another replica has not finished after 5 seconds.
    pub async fn once<'a, E, F, Fut>(
        &'a self,
        request: Option<Request>,
        effect: F,
    ) -> Result<(Uuid, bool), Failure<E>>
    where
        E: From<Problem>,
        F: Fn(Option<Request>) -> Fut + Send + 'a,
        Fut: Future<Output = Result<Uuid, Failure<E>>> + Send + 'a,
    {
        let Some(request) = request else {
            return effect(None).await.map(|id| (id, false));
        };
        let deadline = tokio::time::Instant::now() + WAIT_FOR_OTHER_REPLICA;
        loop {
            let turn = match self.claim(&request).await? {
                Claim::Replay(id) => return Ok((id, true)),
                Claim::Reused => return Err(Failure::Refused(vec![reused().into()])),
                Claim::First(turn) => turn,
            };
            let result = effect(Some(request.clone())).await;
            drop(turn);
            match result {
                Err(Failure::Fault(Fault::KeyTaken)) if tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(Failure::Fault(Fault::KeyTaken)) => {
                    return Err(Failure::Refused(vec![in_progress().into()]));
                }
                result => return result.map(|id| (id, false)),
            }
        }
    }

    /// What [`note`] kept beside a key.
    ///
    /// # Errors
    /// The database fails.
    pub async fn note_of(&self, request: &Request) -> Result<Option<String>, Fault> {
        self.db
            .read("idempotency.note", async |c| {
                let row = Entity::find_by_id(request.id.clone()).one(&*c).await?;
                Ok(row.and_then(|row| row.note))
            })
            .await
    }

    fn turn(&self, id: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(id).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        turns.insert(id.to_owned(), Arc::downgrade(&turn));
        turn
    }

    async fn forget(&self, id: &str) -> Result<(), Fault> {
        self.db
            .write("idempotency.forget", async |tx| {
                Entity::delete_by_id(id.to_owned()).exec(&*tx).await?;
                Ok(())
            })
            .await
    }

    /// Removes keys that are older than they are kept, in small pieces.
    ///
    /// # Errors
    /// The database fails.
    pub async fn clean(&self) -> Result<Progress, Fault> {
        let before = self.clock.now() - self.keep;
        let old: Vec<String> = self
            .db
            .read("idempotency.old", async |c| {
                let old = Entity::find()
                    .filter(COLUMN.created_at.lt(before))
                    .limit(CLEAN_BATCH)
                    .all(&*c)
                    .await?;
                Ok::<_, Fault>(old.into_iter().map(|row| row.id).collect())
            })
            .await?;
        if old.is_empty() {
            return Ok(Progress::Idle);
        }
        let old = &old;
        self.db
            .write("idempotency.clean", async |tx| {
                Entity::delete_many()
                    .filter(COLUMN.id.is_in(old.clone()))
                    .exec(&*tx)
                    .await?;
                Ok::<_, Fault>(())
            })
            .await?;
        Ok(Progress::More)
    }
}

/// Writes the key's row: the first statement of the effect's transaction.
///
/// # Errors
/// [`Fault::KeyTaken`] when another replica has the key, or is about to.
pub async fn record(
    tx: &Tx,
    clock: &Clock,
    request: Option<&Request>,
    effect_id: Uuid,
) -> Result<(), Fault> {
    let Some(request) = request else {
        return Ok(());
    };
    let row = ActiveModel {
        id: Set(request.id.clone()),
        arguments_hash: Set(request.arguments_hash.clone()),
        effect_id: Set(effect_id),
        note: Set(None),
        created_at: Set(clock.now()),
    };
    match Entity::insert(row).exec_without_returning(&**tx).await {
        Ok(_) => Ok(()),
        Err(error) => match error::kind(&error) {
            error::Kind::Unique(_) | error::Kind::Retry => Err(Fault::KeyTaken),
            _ => Err(error.into()),
        },
    }
}

/// Keeps beside the key what of the answer cannot be read anew, in the effect's transaction.
///
/// # Errors
/// The database fails.
pub async fn note(tx: &Tx, request: Option<&Request>, note: String) -> Result<(), Fault> {
    let Some(request) = request else {
        return Ok(());
    };
    let set = ActiveModel {
        note: Set(Some(note)),
        ..ActiveModel::default()
    };
    let done = Entity::update_many()
        .set(set)
        .filter(COLUMN.id.eq(request.id.clone()))
        .exec(&**tx)
        .await?;
    match done.rows_affected {
        1 => Ok(()),
        rows => Err(Fault::Broken(format!("a note hit {rows} keys, not one"))),
    }
}

/// The problem of a key that was used with other arguments.
#[must_use]
pub fn reused() -> Problem {
    Problem::new(
        ErrorCode::IdempotencyKeyReused,
        "This idempotency key was used before with other input; use a new key for a new request.",
        &["idempotencyKey"],
    )
}

/// The problem of a key whose first request has not finished.
#[must_use]
pub fn in_progress() -> Problem {
    Problem::new(
        ErrorCode::IdempotencyInProgress,
        "The first request with this idempotency key has not finished yet; try again.",
        &["idempotencyKey"],
    )
    .retryable()
}
