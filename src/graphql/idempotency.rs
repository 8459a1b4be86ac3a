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

/// The key of a mutation, if the client sent one. `scope` is who asks; `arguments` are what makes two requests the
/// same, which the selection does not.
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
    let header = || {
        ctx.data_opt::<IdempotencyHeader>()
            .and_then(|header| header.0.clone())
    };
    let Some(key) = argument.or_else(header) else {
        return Ok(None);
    };
    if !(1..=KEY_LENGTH_MAX).contains(&key.chars().count()) {
        let message = format!("A key has 1 to {KEY_LENGTH_MAX} characters.");
        let problem = Problem::new(ErrorCode::Invalid, message, &["idempotencyKey"]);
        return Err(Failure::Refused(vec![problem.into()]));
    }
    Ok(Some(Request::new(
        scope.into(),
        operation,
        &key,
        arguments,
    )?))
}

/// Takes the object of an outcome, and tells the client by a header when an earlier request made it.
pub fn told<T>(ctx: &Context<'_>, (object, replayed): (T, bool)) -> T {
    if replayed {
        ctx.insert_http_header(REPLAYED, "true");
    }
    object
}
