//! From the parameters of a request to a document that may be executed: the same for every transport.

use super::State;
use super::answer::Refused;
use super::parameters::Parameters;
use super::persisted::Hash;
use crate::config::Limits;
use crate::graphql::document::{self, Operation};
use crate::graphql::documents::{Case, Document};
use crate::graphql::engine::TOO_COMPLEX;
use async_graphql::parser::parse_query;
use async_graphql::{Request, ServerError};
use std::sync::Arc;

/// Values of variables times places where variables are used. Validation copies a variable for each use, so without
/// this limit 200 KB of variables used 2,000 times keep it busy for seconds.
const VARIABLE_WORK_MAX: usize = 1_000_000;

/// A document that was read, with what it is asked with.
pub(super) struct Ready {
    document: Arc<Document>,
    case: Case,
    /// It was found valid before.
    known: bool,
    parameters: Parameters,
    remember: Option<Hash>,
}

impl Ready {
    /// Reads a document: everything that can be told before anybody is asked who they are.
    pub(super) fn read(state: &State, mut parameters: Parameters) -> Result<Self, Refused> {
        let engine = &state.engine;
        let found = state.persisted.find(&mut parameters)?;
        let (text, name) = (&*found.text, parameters.operation_name.as_deref());
        let case = engine.documents().case(text, name);
        let known = engine.documents().find(case, text, name);
        let (document, known) = match known {
            Some(document) => (document, true),
            None => (Arc::new(parse(text, name, engine.limits())?), false),
        };
        check_variable_work(document.scan, &parameters)?;
        Ok(Self {
            document,
            case,
            known,
            remember: found.remember,
            parameters,
        })
    }

    /// What is asked for.
    pub(super) fn operation(&self) -> &Operation {
        &self.document.operation
    }

    /// Validates what was not found valid before, and returns what the request costs.
    pub(super) async fn check(&self, state: &State) -> Result<usize, Refused> {
        let engine = &state.engine;
        let name = self.parameters.operation_name.as_deref();
        let variables = &self.parameters.variables;
        let case = engine.documents().case_with(self.case, variables);
        if self.known
            && let Some(cost) = engine.documents().cost(case)
        {
            return Ok(cost);
        }
        let (parsed, values) = (self.document.parsed.clone(), variables.clone());
        let checked = if self.known {
            engine.check_values(parsed, name, values).await
        } else {
            engine.check(parsed, name, values).await
        };
        let cost = checked.map_err(Refused::unexecuted)?;
        if !self.known {
            engine.documents().keep(self.case, &self.document);
            if let Some(hash) = self.remember {
                state
                    .persisted
                    .remember(hash, (&*self.document.text).into());
            }
        }
        engine.documents().keep_cost(case, cost);
        Ok(cost)
    }

    /// The request, without what resolvers find in it beside its arguments.
    pub(super) fn into_request(self) -> (Request, Arc<Document>) {
        let mut variables = self.parameters.variables;
        self.document.fill(&mut variables);
        let mut request = Request::new("").variables(variables);
        request.operation_name = self.parameters.operation_name;
        (request, self.document)
    }
}

/// Reads a document and finds the operation that is asked for.
fn parse(text: &str, name: Option<&str>, limits: &Limits) -> Result<Document, Refused> {
    let scan = document::scan(text, limits).map_err(refuse)?;
    let parsed = parse_query(text).map_err(|error| {
        let error: ServerError = error.into();
        Refused::unexecuted(vec![crate::graphql::engine::with_code(
            error,
            "BAD_USER_INPUT",
        )])
    })?;
    let operation = document::inspect(&parsed, name, limits).map_err(refuse)?;
    Ok(Document::new(text, name, parsed, scan, operation))
}

fn refuse(why: document::Refusal) -> Refused {
    match why {
        document::Refusal::TooComplex(message) => Refused::unexecutable(TOO_COMPLEX, message),
        document::Refusal::Invalid(message) => Refused::unexecutable("BAD_USER_INPUT", message),
    }
}

fn check_variable_work(scan: document::Scan, parameters: &Parameters) -> Result<(), Refused> {
    if scan.variables.saturating_mul(parameters.variable_values) <= VARIABLE_WORK_MAX {
        return Ok(());
    }
    Err(Refused::unexecutable(
        TOO_COMPLEX,
        "The variables are too large for how often the document uses them.",
    ))
}
