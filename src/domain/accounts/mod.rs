//! Accounts: who people are, how they log in, and what they may do.
//!
//! **Tables**: `users`, `sessions` (one row a log-in), `refresh_tokens` (one row a token; only its hash is stored),
//! `addresses` (the address books; orders keep copies).
//!
//! **States**: a user is ACTIVE or DISABLED; disabling ends all sessions. A session is alive until it expires without
//! a refresh, its user or staff ends it, or an old refresh token is used again. A refresh token is used once; its use
//! makes the next one.
//!
//! **Logging in**: e-mail or phone and password. The password is checked off the async threads, a few at a time
//! ([`hashing`]); an unknown e-mail costs the same time and gets the same answer as a wrong password.
//!
//! **Asking**: an access token (JWT, ES256, [`tokens`]) says which user and session; it carries no role. Role, status
//! and the session's state come from the [`viewer_cache`] on every request, so a change holds at once: on the replica
//! that made it before the mutation answers, on the others with the push, and without a push after
//! `auth.viewer_cache_ttl_s`.
//!
//! **Events** ([`events`]): `account.registered` and `.updated`, without personal data; every commit that raises a user's
//! version writes one.
//!
//! **Invariants**: e-mails and phones are normalised before they are stored and unique; at least one active ADMIN
//! stays once there is one; no transaction is open while a password is hashed; passwords, tokens and their fast
//! hashes are never stored or logged, except the hash of a refresh token, which is random.

pub mod error;
pub mod events;
pub mod graphql;
pub mod hashing;
pub mod keys;
pub mod loaders;
pub mod model;
pub mod service;
pub mod store;
pub mod tokens;
pub mod viewer_cache;
