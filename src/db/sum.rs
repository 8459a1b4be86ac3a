//! Sums: MySQL makes a DECIMAL of the sum of BIGINTs, which cannot be read as `i64` without a cast.

use super::Engine;
use sea_orm::sea_query::Expr;
use sea_orm::sea_query::{ExprTrait, Func, IntoColumnRef, SimpleExpr};

/// `COALESCE(SUM(column), 0)` that both engines return as a 64-bit integer.
#[must_use]
pub fn sum_i64(engine: Engine, column: impl IntoColumnRef) -> SimpleExpr {
    let kind = match engine {
        Engine::Sqlite => "integer",
        Engine::MySql => "signed",
    };
    Func::coalesce([Expr::col(column).sum(), Expr::val(0)]).cast_as(kind)
}
