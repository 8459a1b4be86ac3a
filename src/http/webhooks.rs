//! Webhooks of payment providers: `POST /webhooks/payments/{provider}`.

use super::State;
use super::answer::{Refused, RequestId};
use super::graphql_http::read_limited;
use super::negotiate::Media;
use crate::domain::payments::gateway::signature::HEADER;
use crate::domain::payments::service::WebhookError;
use axum::Extension;
use axum::body::Body;
use axum::extract::{self, Path};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};

/// Takes a webhook. 204: taken, also when there was nothing to do; the provider need not send it again.
pub(super) async fn payments(
    extract::State(state): extract::State<State>,
    Extension(id): Extension<RequestId>,
    Path(provider): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match take(&state, &provider, &headers, body).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refused) => refused.into_response(Media::Json, &id),
    }
}

async fn take(
    state: &State,
    provider: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<(), Refused> {
    let body = read_limited(headers, &state.app.config().http, body).await?;
    let signature = headers.get(HEADER).and_then(|header| header.to_str().ok());
    let taken = state.app.payments().webhook(provider, signature, &body);
    taken.await.map_err(|error| match error {
        WebhookError::UnknownProvider => Refused::new(
            StatusCode::NOT_FOUND,
            "NOT_FOUND",
            "There is no payment provider of this name.",
        ),
        // Which part is wrong is nobody's business but the logs'.
        WebhookError::Distrusted(why) => {
            tracing::warn!(?why, provider, "a webhook is not believed");
            Refused::new(
                StatusCode::UNAUTHORIZED,
                "UNAUTHENTICATED",
                "The signature is missing, wrong or too old.",
            )
        }
        WebhookError::Unreadable => {
            Refused::unreadable("The body is not a webhook of this provider.")
        }
        WebhookError::Fault(fault) => Refused::fault(&fault),
    })
}
