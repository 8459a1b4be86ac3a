//! Idempotency keys of mutations: the argument `idempotencyKey`, or the header of a request with one mutation.

use crate::db::idempotency::Request;
use crate::error::{ErrorCode, Failure, Problem};
use crate::graphql::request::IdempotencyHeader;
use async_graphql::Context;
use serde::Serialize;
use uuid::Uuid;

/// Characters of a key at most.
const KEY_LENGTH_MAX: usize = 255;
/// Tells the client that an earlier request had this effect.
const REPLAYED: &str = "Idempotent-Replayed";

/// The client's key, from the argument or else from the header.
///
/// # Errors
/// A key that is empty or too long.
pub fn text(ctx: &Context<'_>, argument: Option<String>) -> Result<Option<String>, Problem> {
    let header = || {
        ctx.data_opt::<IdempotencyHeader>()
            .and_then(|header| header.0.clone())
    };
    let key = argument.or_else(header);
    match &key {
        Some(text) if !(1..=KEY_LENGTH_MAX).contains(&text.chars().count()) => {
            let message = format!("A key has 1 to {KEY_LENGTH_MAX} characters.");
            Err(Problem::new(
                ErrorCode::Invalid,
                message,
                &["idempotencyKey"],
            ))
        }
        _ => Ok(key),
    }
}

/// The key of a mutation with what it is for, if the client sent one. `scope` is who asks; `arguments` are what makes
/// two requests the same, which the selection does not.
///
/// # Errors
/// A key that is empty or too long; a fault when the arguments cannot be hashed.
pub fn key<E: From<Problem>>(
    ctx: &Context<'_>,
    scope: impl Into<Uuid>,
    operation: &str,
    argument: Option<String>,
    arguments: &impl Serialize,
) -> Result<Option<Request>, Failure<E>> {
    let key = text(ctx, argument).map_err(|problem| Failure::Refused(vec![problem.into()]))?;
    let request = key.map(|key| Request::new(scope.into(), operation, &key, arguments));
    Ok(request.transpose()?)
}

/// Tells the client that an earlier request with the same key had this effect.
pub fn replayed(ctx: &Context<'_>) {
    ctx.insert_http_header(REPLAYED, "true");
}

/// Takes the object of an outcome, and tells the client when an earlier request made it.
pub fn told<T>(ctx: &Context<'_>, (object, was_replayed): (T, bool)) -> T {
    if was_replayed {
        replayed(ctx);
    }
    object
}
