//! The schema without a transport, as a viewer of any role: for what a domain's fields do.

use super::TestApp;
use async_graphql::{Request, Variables};
use entity::accounts::Role;
use entity::ids::UserId;
use serde_json::{Value, json};
use tradepost::domain::accounts::model::{Viewer, ViewerUser};
use tradepost::graphql::engine::Engine;
use tradepost::graphql::request::{IdempotencyHeader, RequestInfo, prepare};
use tradepost::graphql::schema;

/// Executes documents for one viewer.
#[derive(Clone)]
pub(crate) struct Graph {
    engine: Engine,
    viewer: Viewer,
}

impl TestApp {
    /// The schema as a guest sees it.
    pub(crate) fn guest(&self) -> Graph {
        Graph {
            engine: schema::build(&self.app),
            viewer: Viewer::Guest,
        }
    }

    /// The schema as a user of a role sees it; the user has no row.
    pub(crate) fn viewer(&self, role: Role) -> Graph {
        self.viewer_of(self.app.clock().id(), role)
    }

    /// The schema as this user sees it.
    pub(crate) fn viewer_of(&self, user_id: UserId, role: Role) -> Graph {
        let user = ViewerUser {
            user_id,
            session_id: self.app.clock().id(),
            role,
        };
        Graph {
            viewer: Viewer::User(user),
            ..self.guest()
        }
    }
}

impl Graph {
    /// The whole answer.
    pub(crate) async fn ask(&self, query: &str, variables: Value) -> Value {
        let info = RequestInfo {
            request_id: "test".into(),
            ip: None,
            user_agent: None,
        };
        let request = Request::new(query).variables(Variables::from_json(variables));
        let request = prepare(request, self.viewer, info, IdempotencyHeader::default());
        serde_json::to_value(self.engine.execute(request).await).unwrap()
    }

    /// The data of an answer that must be without errors.
    pub(crate) async fn data(&self, query: &str, variables: Value) -> Value {
        let mut answer = self.ask(query, variables).await;
        assert!(answer.get("errors").is_none(), "{query}: {answer}");
        answer["data"].take()
    }

    /// The payload of a document with one mutation, which must have been done.
    pub(crate) async fn done(&self, query: &str, variables: Value) -> Value {
        let payload = self.payload(query, variables).await;
        assert_eq!(payload["userErrors"], json!([]), "{query}");
        payload
    }

    /// Codes and paths of a mutation that must be refused, as `ALREADY_EXISTS input.slug`.
    pub(crate) async fn refused(&self, query: &str, variables: Value) -> Vec<String> {
        let payload = self.payload(query, variables).await;
        let errors = payload["userErrors"].as_array().unwrap();
        assert!(!errors.is_empty(), "{query}: {payload}");
        errors
            .iter()
            .map(|error| {
                let path = error["path"].as_array().unwrap();
                let path: Vec<&str> = path.iter().map(|part| part.as_str().unwrap()).collect();
                format!("{} {}", error["code"].as_str().unwrap(), path.join("."))
            })
            .collect()
    }

    /// Code of the only top-level error.
    pub(crate) async fn error(&self, query: &str, variables: Value) -> String {
        let answer = self.ask(query, variables).await;
        let errors = answer["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "{answer}");
        errors[0]["extensions"]["code"].as_str().unwrap().to_owned()
    }

    async fn payload(&self, query: &str, variables: Value) -> Value {
        let mut data = self.data(query, variables).await;
        let fields = data.as_object_mut().unwrap();
        assert_eq!(fields.len(), 1, "one mutation at a time");
        fields.values_mut().next().unwrap().take()
    }
}
