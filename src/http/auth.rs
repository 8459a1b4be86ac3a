//! Who sends a request: the bearer token of its `Authorization` header. Cookies are never read.

use super::answer::Refused;
use crate::app::App;
use crate::domain::accounts::error::TokenRefusal;
use crate::domain::accounts::model::Viewer;
use crate::error::Failure;
use crate::graphql::document::Operation;
use http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};

/// Root fields that need no session and are used when the old one is over: a token with them is not looked at.
const WITHOUT_SESSION: &[&str] = &[
    "sessionCreate",
    "sessionRefresh",
    "userRegister",
    "passwordResetRequest",
    "passwordReset",
    "emailVerify",
];

/// Who sends this request; a token that is no longer good refuses the whole request.
pub(super) async fn viewer_of(
    app: &App,
    headers: &HeaderMap,
    operation: &Operation,
) -> Result<Viewer, Refused> {
    if needs_no_session(operation) {
        return Ok(Viewer::Guest);
    }
    viewer_of_token(app, headers).await
}

/// Who sends a request that is looked at only as far as its token: it asks for something that everybody may have.
pub(super) async fn viewer_of_token(app: &App, headers: &HeaderMap) -> Result<Viewer, Refused> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(Viewer::Guest);
    };
    let Some(token) = bearer(value).filter(|_| values.next().is_none()) else {
        return Err(refuse(TokenRefusal::Invalid));
    };
    match app.accounts().authenticate(token).await {
        Ok(viewer) => Ok(viewer),
        Err(Failure::Refused(why)) => Err(refuse(
            why.into_iter().next().unwrap_or(TokenRefusal::Invalid),
        )),
        Err(Failure::Fault(fault)) => Err(Refused::fault(&fault)),
    }
}

fn needs_no_session(operation: &Operation) -> bool {
    !operation.root_fields.is_empty()
        && operation
            .root_fields
            .iter()
            .all(|field| WITHOUT_SESSION.contains(&field.as_str()))
}

/// The token of a header.
pub(super) fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Refuses a whole request because of its token.
pub(super) fn refuse(why: TokenRefusal) -> Refused {
    Refused::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", why.message())
        .extension("reason", why.reason())
        .header(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"tradepost\", error=\"invalid_token\""),
        )
}
