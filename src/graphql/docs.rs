//! The page of all error codes, `docs/errors.md`: made from the schema's own enum and from [`TOP_LEVEL`].
//!
//! After a change of either, `TRADEPOST_WRITE_DOCS=1 cargo test --test it docs` writes the page anew.

use super::error::ErrorCode;
use async_graphql::resolver_utils::EnumType as _;
use std::fmt::Write as _;

/// A code in `errors[].extensions.code`.
#[derive(Clone, Copy, Debug)]
pub struct TopLevel {
    /// The code.
    pub code: &'static str,
    /// Status of the answer when the whole request is refused; a field that fails leaves it at 200.
    pub status: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What a client does about it.
    pub remedy: &'static str,
}

/// Every code at the top level of an answer.
pub const TOP_LEVEL: &[TopLevel] = &[
    TopLevel {
        code: "BAD_USER_INPUT",
        status: "400, 405, 406, 413, 415",
        meaning: "The request, its document or an argument of a query is not usable; the message says what and where.",
        remedy: "Mend the request.",
    },
    TopLevel {
        code: "UNAUTHENTICATED",
        status: "401",
        meaning: "The field needs a session, or the token is not good: then `reason` is `TOKEN_EXPIRED`, `TOKEN_INVALID` or \
                  `SESSION_REVOKED`, and nothing of the request was executed.",
        remedy: "`TOKEN_EXPIRED`: `sessionRefresh`. Otherwise `sessionCreate`.",
    },
    TopLevel {
        code: "FORBIDDEN",
        status: "200",
        meaning: "The viewer's role may not use the field.",
        remedy: "None; the field's description names the role.",
    },
    TopLevel {
        code: "QUERY_TOO_COMPLEX",
        status: "400",
        meaning: "The document exceeds a limit: depth, cost, aliases, directives, tokens, root mutations or selections.",
        remedy: "Ask for less at once; the message names the limit.",
    },
    TopLevel {
        code: "RATE_LIMITED",
        status: "429",
        meaning: "Too much at once: `reason` is `TOO_MANY_CONNECTIONS`, or on a WebSocket `TOO_MANY_STREAMS` or `SLOW_SUBSCRIBER`.",
        remedy: "End some; after `SLOW_SUBSCRIBER`, subscribe again after the last version.",
    },
    TopLevel {
        code: "PERSISTED_QUERY_NOT_FOUND",
        status: "200, 400",
        meaning: "No document is known by this hash.",
        remedy: "Send the document with its hash once.",
    },
    TopLevel {
        code: "NOT_FOUND",
        status: "404",
        meaning: "Nothing is served at this address. (Objects that are not found are null, or user errors.)",
        remedy: "GraphQL is at `/graphql`.",
    },
    TopLevel {
        code: "SERVICE_UNAVAILABLE",
        status: "503",
        meaning: "The database does not answer in time, the outcome of a commit is not known, or the server is stopping.",
        remedy: "Try again after `retryAfterMs`; a mutation with the same idempotency key.",
    },
    TopLevel {
        code: "INTERNAL",
        status: "500",
        meaning: "A mistake on our side.",
        remedy: "Report the `requestId`; the log has the cause under it.",
    },
];

/// The text of `docs/errors.md`.
#[must_use]
pub fn errors_page() -> String {
    let mut page = String::from(INTRODUCTION);
    page.push_str("| code | meaning | has its own type |\n| --- | --- | --- |\n");
    for item in ErrorCode::items() {
        let meaning = crate::error::ErrorCode::from(item.value).meaning().trim();
        let own_type = match item.value {
            ErrorCode::InsufficientStock => "`InsufficientStockError`: `variant`, `requested`",
            ErrorCode::InvalidTransition => "`InvalidTransitionError`: `from`, `to`, `allowed`",
            _ => "",
        };
        write(
            &mut page,
            format_args!("| `{}` | {meaning} | {own_type} |\n", item.name),
        );
    }
    page.push_str(AT_THE_TOP);
    page.push_str("| code | status | meaning | what to do |\n| --- | --- | --- | --- |\n");
    for TopLevel {
        code,
        status,
        meaning,
        remedy,
    } in TOP_LEVEL
    {
        write(
            &mut page,
            format_args!("| `{code}` | {status} | {meaning} | {remedy} |\n"),
        );
    }
    page
}

/// Writing into a text cannot fail.
fn write(page: &mut String, text: std::fmt::Arguments<'_>) {
    crate::error::swallow(page.write_fmt(text), "writing a page");
}

const INTRODUCTION: &str = "\
# Errors

This page is made by the program (`src/graphql/docs.rs`); do not edit it.

There are two lanes. What a caller can mend comes in the payload of a mutation, as data. Everything else comes in
`errors` at the top of the answer.

## User errors

Every payload has `userErrors: [UserError!]!`. It is empty when the mutation was done, and then the object is there.
Otherwise nothing was done, and all mistakes that could be found are listed.

- `code` is for programs: branch on it. New codes may be added.
- `message` is for people, in English.
- `path` leads into the arguments: `[\"input\", \"lines\", \"1\", \"quantity\"]` is the quantity of the second line.
- `retryable` says whether the same request may succeed later.

";

const AT_THE_TOP: &str = "
## Top-level errors

Each has `extensions.code` and `extensions.requestId`. The same id is in the header `x-request-id` and in every log line
of the request. No error carries SQL, a stack or any other internal text. When a single field fails, its siblings are
still answered, with status 200. The statuses below are those of requests that were refused as a whole; a client that
accepts `application/json` alone gets 200 instead of 400 for documents that could be read.

";
