//! Where a consumer's records come from: a topic of Kafka or the embedded log. Everything else is the same for both.

use super::dead::Letter;
use super::lanes::Stream;
use crate::error::Fault;
use crate::events::record::Record;
use entity::ids::EventId;
use futures::future::BoxFuture;

/// What a source tells.
#[derive(Debug)]
pub(super) enum News {
    /// A record, behind all those of its stream that came before.
    Record(Stream, i64, Record),
    /// A stream has nothing more below this offset.
    Read(Stream, i64),
    /// A stream is another consumer's now; when it comes back, it begins behind its committed mark.
    Lost(Stream),
}

/// A source of records, shared with the other consumers of the group.
pub(super) trait Source: Send + Sync {
    /// Waits for news, not for long when there are none.
    ///
    /// # Errors
    /// The source is of no use any more; another one is opened.
    fn next(&self) -> BoxFuture<'_, Result<Vec<News>, Fault>>;

    /// Reads no more of a stream for now, or again.
    fn pause(&self, stream: &Stream, is_paused: bool);

    /// Notes for good that events are handled, and that below each mark everything is done. `false`: the streams are
    /// another consumer's, and nothing was noted.
    ///
    /// # Errors
    /// It is not known whether that was noted.
    fn commit<'a>(
        &'a self,
        marks: &'a [(Stream, i64)],
        handled: &'a [EventId],
    ) -> BoxFuture<'a, Result<bool, Fault>>;

    /// Puts a record to the dead letters. It may be there twice after a crash.
    ///
    /// # Errors
    /// It may not be there.
    fn bury<'a>(&'a self, letter: &'a Letter) -> BoxFuture<'a, Result<(), Fault>>;

    /// Gives the streams up, so that others need not wait.
    fn close(&self) -> BoxFuture<'_, ()>;
}
