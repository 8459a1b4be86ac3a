//! The short way to execute a query whose document was found valid before.
//!
//! The library walks through the whole document before each execution, if only to measure it, and looks through all
//! types at each root field for those of a federation. That is more than a quarter of the work on a small query, for
//! what [`super::engine::Engine::check`] has told already. Here the resolvers are called as the library itself calls
//! them after that (`Schema::execute_once` of async-graphql 8.0.0-rc.5), through parts of it that are public but not
//! documented: the version is pinned, and `tests/it/cache_leaks.rs` compares both ways over all root fields and viewers.
//! `docs/decisions/0300-the-way-of-a-known-query.md` has the figures.

use super::documents::Document;
use async_graphql::extensions::Extensions;
use async_graphql::parser::types::{Field, OperationType, Selection, SelectionSet};
use async_graphql::registry::Registry;
use async_graphql::resolver_utils::{ContainerType, resolve_container};
use async_graphql::{
    Context, ContextSelectionSet, Data, ObjectType, OutputType, Positioned, QueryEnv,
    QueryEnvInner, Request, Response, SchemaEnv, ServerResult, Value,
};
use std::borrow::Cow;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What the library makes for each execution and shows to resolvers only.
struct Seen {
    schema: SchemaEnv,
    /// None: the schema that executes has none.
    extensions: Extensions,
}

/// A root of queries that keeps what it sees of the library when it is asked for the first time.
pub struct Watched<Q> {
    root: Arc<Q>,
    seen: Arc<OnceLock<Seen>>,
}

impl<Q> Clone for Watched<Q> {
    fn clone(&self) -> Self {
        Self {
            root: Arc::clone(&self.root),
            seen: Arc::clone(&self.seen),
        }
    }
}

impl<Q> std::fmt::Debug for Watched<Q> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched").finish_non_exhaustive()
    }
}

impl<Q: ObjectType> Watched<Q> {
    pub(super) fn new(root: Q) -> Self {
        Self {
            root: Arc::new(root),
            seen: Arc::default(),
        }
    }

    /// Executes a query that is direct. Gives the request back before anything was seen.
    pub(super) async fn execute(
        &self,
        document: &Document,
        request: Request,
    ) -> Result<Response, Request> {
        let (Some(seen), Some(operation)) = (self.seen.get(), document.selected()) else {
            return Err(request);
        };
        let env = QueryEnv::new(QueryEnvInner {
            extensions: seen.extensions.clone(),
            variables: request.variables,
            operation_name: request.operation_name,
            operation: operation.clone(),
            fragments: document.parsed.fragments.clone(),
            uploads: Vec::new(),
            session_data: Arc::new(Data::default()),
            query_data: Arc::new(request.data),
            http_headers: Mutex::default(),
            introspection_mode: request.introspection_mode,
            errors: Mutex::default(),
        });
        let root = &env.operation.node.selection_set;
        let ctx = env.create_context(&seen.schema, None, root, None);
        let mut response = match resolve_container(&ctx, &*self.root).await {
            Ok(value) => Response::new(value),
            Err(error) => Response::from_errors(vec![error]),
        };
        let headers = &mut *env
            .http_headers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        response = response.http_headers(std::mem::take(headers));
        let errors = &mut *env.errors.lock().unwrap_or_else(PoisonError::into_inner);
        response.errors.append(errors);
        Ok(response)
    }
}

impl<Q: ObjectType> ContainerType for Watched<Q> {
    async fn resolve_field(&self, ctx: &Context<'_>) -> ServerResult<Option<Value>> {
        self.seen.get_or_init(|| Seen {
            schema: ctx.schema_env.clone(),
            extensions: ctx.query_env.extensions.clone(),
        });
        self.root.resolve_field(ctx).await
    }
}

impl<Q: ObjectType> OutputType for Watched<Q> {
    fn type_name() -> Cow<'static, str> {
        Q::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        Q::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        _: &Positioned<Field>,
    ) -> ServerResult<Value> {
        resolve_container(ctx, self).await
    }
}

impl<Q: ObjectType> ObjectType for Watched<Q> {}

/// Whether a document can be executed the short way: a query without directives, which would have to be looked at, and
/// without introspection, which is the library's own root.
pub(super) fn is_direct(document: &Document) -> bool {
    let Some(operation) = document.selected() else {
        return false;
    };
    let fragments = document.parsed.fragments.values();
    let mut sets = fragments.map(|fragment| {
        fragment.node.directives.is_empty() && is_plain(&fragment.node.selection_set.node)
    });
    document.operation.kind == OperationType::Query
        && !document
            .operation
            .root_fields
            .iter()
            .any(|name| name.starts_with("__"))
        && operation.node.directives.is_empty()
        && is_plain(&operation.node.selection_set.node)
        && sets.all(|is_plain| is_plain)
}

/// Whether nothing in a selection has a directive. The nesting of a document is bounded before it comes here.
fn is_plain(set: &SelectionSet) -> bool {
    set.items.iter().all(|selection| match &selection.node {
        Selection::Field(field) => {
            field.node.directives.is_empty() && is_plain(&field.node.selection_set.node)
        }
        Selection::InlineFragment(inline) => {
            inline.node.directives.is_empty() && is_plain(&inline.node.selection_set.node)
        }
        Selection::FragmentSpread(spread) => spread.node.directives.is_empty(),
    })
}
