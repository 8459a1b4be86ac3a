//! Lists: Relay connections with cursors, or pages by number.

use super::error::ApiError;
use super::scalars::int;
use crate::config::Limits;
use crate::page::{Page, PageRequest, Window};
use async_graphql::{Context, Enum, Object, OutputType, SimpleObject, TypeName};
use std::borrow::Cow;

/// A part of a list.
#[derive(Debug)]
pub struct Connection<T: OutputType> {
    edges: Vec<Edge<T>>,
    page_info: PageInfo,
    total: Option<u64>,
    page_size: u32,
}

impl<T: OutputType> TypeName for Connection<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", T::type_name()).into()
    }
}

/// An item of a list and its place in it.
#[derive(Debug)]
pub struct Edge<T: OutputType> {
    cursor: String,
    node: T,
}

impl<T: OutputType> TypeName for Edge<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Edge", T::type_name()).into()
    }
}

/// An item of a list and its place in it.
#[Object(name_type)]
impl<T: OutputType> Edge<T> {
    /// The item's place: give it as `after` or `before` to go on from here.
    async fn cursor(&self) -> &str {
        &self.cursor
    }

    /// The item.
    async fn node(&self) -> &T {
        &self.node
    }
}

/// Where this part of the list lies.
#[derive(Clone, Debug, SimpleObject)]
pub struct PageInfo {
    /// Cursor of the first item.
    pub start_cursor: Option<String>,
    /// Cursor of the last item.
    pub end_cursor: Option<String>,
    /// Whether items follow: ask for them with `after: endCursor`, or for the next `page`.
    pub has_next_page: bool,
    /// Whether items precede.
    pub has_previous_page: bool,
    /// The page's number when it was asked for by `page`.
    pub page: Option<i32>,
    /// Items of a page when it was asked for by `page`.
    pub page_size: Option<i32>,
}

/// A part of a list.
#[Object(name_type)]
impl<T: OutputType> Connection<T> {
    /// The items with their cursors.
    async fn edges(&self) -> &[Edge<T>] {
        &self.edges
    }

    /// The items alone.
    async fn nodes(&self) -> Vec<&T> {
        self.edges.iter().map(|edge| &edge.node).collect()
    }

    /// Where this part of the list lies.
    async fn page_info(&self) -> &PageInfo {
        &self.page_info
    }

    /// All items of the list under the filter. They are counted only when this field is asked for.
    async fn total_count(&self) -> Option<i32> {
        self.total.map(int)
    }

    /// Pages of the list at this page size. Counted only when this field is asked for.
    async fn total_pages(&self) -> Option<i32> {
        self.total
            .map(|total| int(total.div_ceil(u64::from(self.page_size.max(1)))))
    }
}

impl<T: OutputType> Connection<T> {
    /// The answer to a request.
    #[must_use]
    pub fn new(request: &PageRequest, page: Page<T>) -> Self {
        let by_number = match request.window {
            Window::Number { page } => Some(page),
            _ => None,
        };
        let page_info = PageInfo {
            start_cursor: page.items.first().map(|(_, cursor)| cursor.clone()),
            end_cursor: page.items.last().map(|(_, cursor)| cursor.clone()),
            has_next_page: page.has_next,
            has_previous_page: page.has_previous,
            page: by_number.map(int),
            page_size: by_number.map(|_| int(request.limit)),
        };
        let edges = page
            .items
            .into_iter()
            .map(|(node, cursor)| Edge { cursor, node })
            .collect();
        Self {
            edges,
            page_info,
            total: page.total,
            page_size: request.limit,
        }
    }
}

/// The direction of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum OrderDirection {
    /// Smallest, first or oldest in front.
    Asc,
    /// Greatest, last or newest in front.
    Desc,
}

impl OrderDirection {
    /// Whether the greatest comes first.
    #[must_use]
    pub const fn is_descending(self) -> bool {
        matches!(self, Self::Desc)
    }
}

/// The arguments that every list takes.
#[derive(Clone, Debug, Default)]
pub struct PageArgs {
    /// Items from the start.
    pub first: Option<i32>,
    /// Begin after this cursor.
    pub after: Option<String>,
    /// Items from the end.
    pub last: Option<i32>,
    /// End before this cursor.
    pub before: Option<String>,
    /// A page by number, with `first` items each.
    pub page: Option<i32>,
}

impl PageArgs {
    /// What is asked for.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for numbers out of range and for arguments that exclude each other.
    pub fn request(self, ctx: &Context<'_>) -> Result<PageRequest, ApiError> {
        let limits = ctx.data_unchecked::<Limits>();
        let look_ahead = ctx.look_ahead();
        let with_total =
            look_ahead.field("totalCount").exists() || look_ahead.field("totalPages").exists();
        let bad = |message: &str| Err(ApiError::BadUserInput(message.to_owned()));
        if self.first.is_some() && self.last.is_some() {
            return bad("Give first or last, not both.");
        }
        if self.after.is_some() && self.before.is_some() {
            return bad("Give after or before, not both.");
        }
        let (name, size) = match self.last {
            Some(last) => ("last", last),
            None => ("first", self.first.unwrap_or(int(limits.page_size))),
        };
        let limit = u32::try_from(size)
            .ok()
            .filter(|size| (1..=limits.page_size_max).contains(size));
        let Some(limit) = limit else {
            return bad(&format!(
                "{name} must be between 1 and {}.",
                limits.page_size_max
            ));
        };
        let window = match (self.page, self.last, self.after, self.before) {
            (Some(page), None, None, None) => match u32::try_from(page) {
                Ok(page) if page >= 1 => Window::Number { page },
                _ => return bad("page counts from 1."),
            },
            (Some(_), ..) => return bad("page goes with first alone, not with cursors."),
            (None, Some(_), None, before) => Window::Last { before },
            (None, Some(_), Some(_), _) => return bad("last goes with before, not with after."),
            (None, None, _, Some(_)) => return bad("before goes with last."),
            (None, None, after, None) => Window::First { after },
        };
        Ok(PageRequest {
            window,
            limit,
            with_total,
        })
    }
}

/// The cost of a list: its page size times the cost of an item. The default page size is that of
/// `config/default.toml`, so that documents cost the same everywhere.
#[must_use]
pub fn list_cost(first: Option<i32>, last: Option<i32>, item: usize) -> usize {
    let size = first.or(last).unwrap_or(20).clamp(1, 1_000);
    usize::try_from(size)
        .unwrap_or(1)
        .saturating_mul(item.max(1))
}
