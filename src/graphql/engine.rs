//! The schema as a transport uses it: check a request, then execute it.
//!
//! Three schemas are built from the same roots. One validates, measures and never executes; one only measures, for
//! documents that were found valid before; the third executes what passed, without validating again. Measuring needs an
//! extension of the library, and a schema with an extension pays for it at every field of every item: so the schema that
//! executes has none.

use super::direct::Watched;
use super::document::selected;
use super::documents::{Document, Documents};
use super::{omitted, values};
use crate::config::Limits;
use async_graphql::async_trait::async_trait;
use async_graphql::extensions::{
    Extension, ExtensionContext, ExtensionFactory, NextParseQuery, NextValidation,
};
use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{
    ErrorExtensionValues, ObjectType, Request, Response, Schema, SchemaBuilder, ServerError,
    ServerResult, SubscriptionType, ValidationMode, ValidationResult, Variables,
};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of documents that are remembered when nothing else is said.
const DOCUMENT_BYTES: u64 = 1 << 20;

/// The code of what exceeds a limit.
pub const TOO_COMPLEX: &str = "QUERY_TOO_COMPLEX";

/// Checks and executes requests; cheap to clone.
#[derive(Clone)]
pub struct Engine {
    roots: Arc<dyn Roots>,
    limits: Limits,
    documents: Documents,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

/// A schema whatever its roots are.
trait Roots: Send + Sync {
    fn validate<'a>(&'a self, request: Request) -> BoxFuture<'a, Response>;
    fn measure<'a>(&'a self, request: Request) -> BoxFuture<'a, Response>;
    fn execute<'a>(&'a self, request: Request) -> BoxFuture<'a, Response>;
    fn execute_directly<'a>(
        &'a self,
        document: &'a Document,
        request: Request,
    ) -> BoxFuture<'a, Response>;
    fn stream(&self, request: Request) -> BoxStream<'static, Response>;
}

struct Trio<Q, M, S> {
    validating: Schema<Watched<Q>, M, S>,
    measuring: Schema<Watched<Q>, M, S>,
    executing: Schema<Watched<Q>, M, S>,
    /// The root of the schema that executes.
    query: Watched<Q>,
}

impl<Q, M, S> Roots for Trio<Q, M, S>
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    fn validate<'a>(&'a self, request: Request) -> BoxFuture<'a, Response> {
        self.validating.execute(request).boxed()
    }

    fn measure<'a>(&'a self, request: Request) -> BoxFuture<'a, Response> {
        self.measuring.execute(request).boxed()
    }

    fn execute<'a>(&'a self, request: Request) -> BoxFuture<'a, Response> {
        self.executing.execute(request).boxed()
    }

    fn execute_directly<'a>(
        &'a self,
        document: &'a Document,
        request: Request,
    ) -> BoxFuture<'a, Response> {
        Box::pin(async move {
            match self.query.execute(document, request).await {
                Ok(response) => response,
                Err(request) => {
                    self.executing
                        .execute(with_document(document, request))
                        .await
                }
            }
        })
    }

    fn stream(&self, request: Request) -> BoxStream<'static, Response> {
        self.executing.execute_stream(request)
    }
}

impl Engine {
    /// Builds the schemas; `roots` and `settings` are asked once for each of them.
    #[must_use]
    pub fn new<Q, M, S>(
        limits: &Limits,
        roots: impl Fn() -> (Q, M, S),
        settings: impl Fn(SchemaBuilder<Watched<Q>, M, S>) -> SchemaBuilder<Watched<Q>, M, S>,
    ) -> Self
    where
        Q: ObjectType + 'static,
        M: ObjectType + 'static,
        S: SubscriptionType + 'static,
    {
        let limited = |query: Option<Watched<Q>>| {
            let (root, mutation, subscription) = roots();
            let query = query.unwrap_or_else(|| Watched::new(root));
            settings(Schema::build(query, mutation, subscription))
                .limit_directives(limits.directives)
                .limit_aliases(limits.aliases)
        };
        let validating = limited(None).extension(Gauge(limits.clone())).finish();
        let fast = |query| limited(query).validation_mode(ValidationMode::Fast);
        let measuring = fast(None).extension(Gauge(limits.clone())).finish();
        let query = Watched::new(roots().0);
        let executing = fast(Some(query.clone()))
            .limit_depth(limits.depth)
            .limit_complexity(limits.complexity)
            .finish();
        // Asks for a field that nobody has: what the root sees then is all that the short way needs.
        executing.execute(Request::new("{ _ }")).now_or_never();
        Self {
            roots: Arc::new(Trio {
                validating,
                measuring,
                executing,
                query,
            }),
            limits: limits.clone(),
            documents: Documents::new(DOCUMENT_BYTES),
        }
    }

    /// The same with this much room for documents that need not be parsed again.
    #[must_use]
    pub fn remembering(mut self, document_bytes_max: u64) -> Self {
        self.documents = Documents::new(document_bytes_max);
        self
    }

    /// Documents that were found valid.
    #[must_use]
    pub fn documents(&self) -> &Documents {
        &self.documents
    }

    /// Validates a document and its values, and returns the cost of the request.
    ///
    /// # Errors
    /// All mistakes that were found; each has a code.
    pub async fn check(
        &self,
        document: ExecutableDocument,
        operation_name: Option<&str>,
        variables: Variables,
    ) -> Result<usize, Vec<ServerError>> {
        let (request, probe) = probed(document, operation_name, variables);
        cost_of(&probe, self.roots.validate(request).await)
    }

    /// The same for a document that was found valid before: only what depends on the values is checked.
    ///
    /// # Errors
    /// All mistakes that were found; each has a code.
    pub async fn check_values(
        &self,
        document: ExecutableDocument,
        operation_name: Option<&str>,
        variables: Variables,
    ) -> Result<usize, Vec<ServerError>> {
        let (request, probe) = probed(document, operation_name, variables);
        cost_of(&probe, self.roots.measure(request).await)
    }

    /// Executes a request whose document and values have passed [`Engine::check`], and whose omitted page sizes are filled
    /// in: what did not pass is not noticed here.
    pub async fn execute_checked(&self, document: &Document, request: Request) -> Response {
        if document.is_direct {
            self.roots.execute_directly(document, request).await
        } else {
            self.roots.execute(with_document(document, request)).await
        }
    }

    /// Begins a subscription, under the same condition: a response for each of its events.
    #[must_use]
    pub fn subscribe_checked(
        &self,
        document: &Document,
        request: Request,
    ) -> BoxStream<'static, Response> {
        self.roots.stream(with_document(document, request))
    }

    /// Checks and executes a request, for callers without a transport of their own. The guards of the transport
    /// (scan, count of selections, time limit) are not part of it.
    pub async fn execute(&self, request: impl Into<Request>) -> Response {
        let mut request: Request = request.into();
        let document = match request.parsed_query() {
            Ok(document) => document.clone(),
            Err(error) => return Response::from_errors(vec![error]),
        };
        let checked = self
            .check(
                document,
                request.operation_name.as_deref(),
                request.variables.clone(),
            )
            .await;
        match checked {
            Ok(_) => self.roots.execute(filled(request)).await,
            Err(errors) => Response::from_errors(errors),
        }
    }

    /// The limits that it was built with.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

fn with_document(document: &Document, mut request: Request) -> Request {
    request.set_parsed_query(document.parsed.clone());
    request
}

/// The request with the variables that were left out.
fn filled(mut request: Request) -> Request {
    let mut variables = std::mem::take(&mut request.variables);
    if let Ok(document) = request.parsed_query() {
        omitted::fill(&omitted::optional(document), &mut variables);
    }
    request.variables = variables;
    request
}

/// A request that is checked and not executed, and what will be found.
fn probed(
    document: ExecutableDocument,
    operation_name: Option<&str>,
    mut variables: Variables,
) -> (Request, Arc<Probe>) {
    omitted::fill(&omitted::optional(&document), &mut variables);
    let probe = Arc::new(Probe {
        operation_name: operation_name.map(str::to_owned),
        cost: Mutex::new(None),
    });
    let mut request = Request::new("").variables(variables).data(probe.clone());
    request.operation_name.clone_from(&probe.operation_name);
    request.set_parsed_query(document);
    (request, probe)
}

fn cost_of(probe: &Probe, found: Response) -> Result<usize, Vec<ServerError>> {
    let cost = *probe.cost.lock().unwrap_or_else(PoisonError::into_inner);
    match cost {
        Some(cost) if found.errors.is_empty() => Ok(cost),
        _ => Err(found
            .errors
            .into_iter()
            .map(|error| with_code(error, "BAD_USER_INPUT"))
            .collect()),
    }
}

/// The error with a code, unless it has one.
#[must_use]
pub fn with_code(mut error: ServerError, code: &str) -> ServerError {
    let extensions = error
        .extensions
        .get_or_insert_with(ErrorExtensionValues::default);
    if extensions.get("code").is_none() {
        extensions.set("code", code);
    }
    error
}

/// What one check is about and what it found; it travels in the request's data.
struct Probe {
    operation_name: Option<String>,
    cost: Mutex<Option<usize>>,
}

/// Makes the extension that measures.
struct Gauge(Limits);

impl ExtensionFactory for Gauge {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Measure {
            depth_max: self.0.depth,
            complexity_max: self.0.complexity,
            values: Mutex::default(),
        })
    }
}

struct Measure {
    depth_max: usize,
    complexity_max: usize,
    /// Mistakes in the values: found while the document is at hand, told after it was validated.
    values: Mutex<Vec<ServerError>>,
}

#[async_trait]
impl Extension for Measure {
    async fn parse_query(
        &self,
        ctx: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        // The document comes parsed, so all that can fail here are the limits of aliases, directives and recursion.
        let document = next
            .run(ctx, query, variables)
            .await
            .map_err(|error| with_code(error, TOO_COMPLEX))?;
        let probe = ctx.data::<Arc<Probe>>().ok();
        let name = probe.and_then(|probe| probe.operation_name.as_deref());
        if let Some(operation) = selected(&document.operations, name) {
            let operation = &operation.node;
            let registry = &ctx.schema_env.registry;
            let problems = values::problems(registry, &document, operation, variables);
            *self.values.lock().unwrap_or_else(PoisonError::into_inner) = problems;
        }
        Ok(document)
    }

    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let found = next.run(ctx).await?;
        let problems =
            std::mem::take(&mut *self.values.lock().unwrap_or_else(PoisonError::into_inner));
        if !problems.is_empty() {
            return Err(problems);
        }
        let excess = if found.complexity > self.complexity_max {
            Some(("cost", found.complexity, self.complexity_max))
        } else if found.depth > self.depth_max {
            Some(("depth", found.depth, self.depth_max))
        } else {
            None
        };
        if let Some((what, is, most)) = excess {
            let message =
                format!("The {what} of this request is {is}; at most {most} are allowed.");
            return Err(vec![with_code(
                ServerError::new(message, None),
                TOO_COMPLEX,
            )]);
        }
        if let Ok(probe) = ctx.data::<Arc<Probe>>() {
            *probe.cost.lock().unwrap_or_else(PoisonError::into_inner) = Some(found.complexity);
        }
        // An error without content: the request ends here, unexecuted.
        Err(Vec::new())
    }
}
