//! What belongs to one request.

/// The header `Idempotency-Key` of a request with one mutation.
#[derive(Clone, Debug, Default)]
pub struct IdempotencyHeader(pub Option<String>);
