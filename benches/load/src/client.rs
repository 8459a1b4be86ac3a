//! One customer's view of a server: documents in, data or a reason out.

use serde_json::{Value, json};
use std::time::Duration;

/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// Why there are no data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The server was not reached, or its answer was lost.
    #[error("connection")]
    Connection,
    /// The server answered with an error of this code.
    #[error("{0}")]
    Code(String),
}

/// Sends documents to one address.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    url: String,
}

impl Client {
    /// A client of the GraphQL address of a server.
    ///
    /// # Errors
    /// The system does not let it.
    pub fn new(url: &str) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(ANSWER_LIMIT)
            .build()?;
        Ok(Self {
            http,
            url: url.to_owned(),
        })
    }

    /// Sends a document, with an access token if there is one.
    ///
    /// # Errors
    /// The code of the first error.
    pub async fn send(
        &self,
        token: Option<&str>,
        query: &str,
        variables: &Value,
    ) -> Result<Value, Failure> {
        let mut request = self
            .http
            .post(&self.url)
            .header("accept", "application/graphql-response+json")
            .json(&json!({ "query": query, "variables": variables }));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.map_err(|_| Failure::Connection)?;
        let status = response.status();
        let mut body: Value = match response.json().await {
            Ok(body) => body,
            Err(_) if status.is_success() => return Err(Failure::Connection),
            Err(_) => return Err(Failure::Code(format!("HTTP {}", status.as_u16()))),
        };
        match body["errors"].get(0) {
            None => Ok(body["data"].take()),
            Some(error) => {
                let code = error["extensions"]["code"].as_str().unwrap_or("UNKNOWN");
                Err(Failure::Code(code.to_owned()))
            }
        }
    }
}
