//! The loop of a consumer: reads ahead, handles, commits.
//!
//! What is handled is noted by one transaction at a time, which takes whatever was done while the one before was on its
//! way: few and small writes under load, and nearly at once when there is little to do. On SQLite a consumer so waits
//! for the writer once and never keeps others from it.

use super::dead::Letter;
use super::event::Event;
use super::inbox::Inbox;
use super::lanes::{Lanes, Stream, Ticket};
use super::source::{News, Source};
use super::{Handler, Setback, Tuning};
use crate::clock::Clock;
use crate::error::{Fault, chain, swallow};
use crate::events::record::Record;
use entity::ids::EventId;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Handled events that one transaction notes.
const COMMIT_MAX: usize = 500;
/// How long marks may wait that moved without anything having been handled.
const IDLE_COMMIT: Duration = Duration::from_secs(1);
/// How long what is being handled may take after the consumer was told to stop.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// Pause after a commit that failed.
const COMMIT_PAUSE: Duration = Duration::from_millis(500);

/// A record as it was read: an event, or why it is none.
type Taken = (Arc<Record>, Result<Event, String>);

/// What became of a record.
#[derive(Debug)]
enum Outcome {
    /// Its effect is there.
    Handled,
    /// It was there before.
    Repeated,
    /// It is with the dead letters.
    Buried,
    /// It is tried again.
    Later { reason: String, is_failure: bool },
}

impl Outcome {
    fn name(&self) -> &'static str {
        match self {
            Self::Handled => "handled",
            Self::Repeated => "repeated",
            Self::Buried => "dead",
            Self::Later { is_failure, .. } => {
                if *is_failure {
                    "retried"
                } else {
                    "waiting"
                }
            }
        }
    }
}

/// What the handling of each record needs.
pub(super) struct Shared {
    pub(super) source: Arc<dyn Source>,
    pub(super) handler: Handler,
    pub(super) inbox: Inbox,
    /// Whether events that were handled are remembered.
    pub(super) remembers: bool,
    pub(super) clock: Clock,
    pub(super) tuning: Tuning,
}

type Settled = (Ticket<Taken>, Outcome);
type Commit = (Vec<(Stream, i64)>, Vec<EventId>, Result<bool, Fault>);

/// A consumer at work on one source.
pub(super) struct Engine {
    shared: Arc<Shared>,
    lanes: Lanes<Taken>,
    paused: HashSet<Stream>,
    running: FuturesUnordered<BoxFuture<'static, Settled>>,
    reading: Option<BoxFuture<'static, Result<Vec<News>, Fault>>>,
    committing: Option<BoxFuture<'static, Commit>>,
    /// Handled, and not noted yet.
    handled: Vec<EventId>,
    /// The same and what is being noted: a repeat that comes before that is known here.
    unnoted: HashSet<Uuid>,
    committed_at: Instant,
    /// A commit failed: not tried again before.
    commit_pause: Option<Instant>,
    /// Something is away. That is said once, not for each event that waits for it.
    is_waiting: bool,
}

impl Engine {
    pub(super) fn new(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
            lanes: Lanes::default(),
            paused: HashSet::new(),
            running: FuturesUnordered::new(),
            reading: None,
            committing: None,
            handled: Vec::new(),
            unnoted: HashSet::new(),
            committed_at: Instant::now(),
            commit_pause: None,
            is_waiting: false,
        }
    }

    /// Works until `stop` is cancelled or the source is of no use any more. What is being handled then is finished.
    pub(super) async fn run(&mut self, stop: &CancellationToken) -> Result<(), Fault> {
        let ended = loop {
            self.begin_what_is_due();
            self.begin_commit();
            let due = self.due();
            let reading = self.reading.get_or_insert_with(|| {
                let source = Arc::clone(&self.shared.source);
                async move { source.next().await }.boxed()
            });
            tokio::select! {
                () = stop.cancelled() => break Ok(()),
                news = reading => {
                    self.reading = None;
                    match news {
                        Ok(news) => self.hear(news),
                        Err(fault) => break Err(fault),
                    }
                }
                Some(settled) = self.running.next(), if !self.running.is_empty() => self.settle(settled),
                commit = pending_or(&mut self.committing) => self.note_commit(commit),
                () = tokio::time::sleep_until(due) => {}
            }
        };
        self.finish().await;
        ended
    }

    /// When something is to be done that nobody tells of.
    fn due(&self) -> Instant {
        let idle = self.committed_at + IDLE_COMMIT;
        let waiting = self.lanes.due();
        [self.commit_pause, waiting].into_iter().flatten().fold(
            idle.max(Instant::now() + Duration::from_millis(1)),
            Instant::min,
        )
    }

    fn hear(&mut self, news: Vec<News>) {
        for news in news {
            match news {
                News::Record(stream, offset, record) => {
                    let record = Arc::new(record);
                    let event = Event::read(Arc::clone(&record), stream.partition, offset);
                    let key = record.key.clone();
                    self.lanes.push(&stream, offset, key, (record, event));
                }
                News::Read(stream, next) => self.lanes.advance(&stream, next),
                News::Lost(stream) => {
                    tracing::info!(
                        group = &*self.shared.inbox.group,
                        topic = &*stream.topic,
                        partition = stream.partition,
                        "another consumer of the group has this partition now"
                    );
                    self.lanes.forget(&stream);
                    self.paused.remove(&stream);
                }
            }
        }
        for stream in self.lanes.streams() {
            self.pace(&stream);
        }
    }

    /// Reads no more of a stream that is too far ahead of its mark.
    fn pace(&mut self, stream: &Stream) {
        let window = self.shared.tuning.window;
        let ahead = usize::try_from(self.lanes.ahead_of(stream)).unwrap_or(usize::MAX);
        let is_full = self.lanes.count_of(stream) >= window || ahead >= window.saturating_mul(10);
        if is_full && self.paused.insert(stream.clone()) {
            self.shared.source.pause(stream, true);
        } else if self.lanes.count_of(stream) <= window / 2
            && !is_full
            && self.paused.remove(stream)
        {
            self.shared.source.pause(stream, false);
        }
    }

    fn begin_what_is_due(&mut self) {
        let now = Instant::now();
        while self.running.len() < self.shared.tuning.concurrency {
            let Some(ticket) = self.lanes.take(now) else {
                return;
            };
            let (_, event) = &*ticket.record;
            let is_repeat = event
                .as_ref()
                .is_ok_and(|event| self.unnoted.contains(&event.id));
            if is_repeat {
                self.settle((ticket, Outcome::Repeated));
                continue;
            }
            let shared = Arc::clone(&self.shared);
            self.running
                .push(async move { shared.handle(ticket).await }.boxed());
        }
    }

    fn settle(&mut self, (ticket, outcome): Settled) {
        let group = self.shared.inbox.group.to_string();
        metrics::counter!("tradepost_consumer_records_total", "group" => group, "outcome" => outcome.name())
            .increment(1);
        match outcome {
            Outcome::Handled => {
                if std::mem::take(&mut self.is_waiting) {
                    tracing::info!(
                        group = &*self.shared.inbox.group,
                        "events are handled again"
                    );
                }
                if let (true, Ok(event)) = (self.shared.remembers, &ticket.record.1) {
                    self.handled.push(EventId(event.id));
                    self.unnoted.insert(event.id);
                }
                self.lanes.done(&ticket);
            }
            Outcome::Repeated | Outcome::Buried => self.lanes.done(&ticket),
            Outcome::Later { reason, is_failure } => self.postpone(&ticket, &reason, is_failure),
        }
        self.pace(&ticket.stream);
    }

    fn postpone(&mut self, ticket: &Ticket<Taken>, reason: &str, is_failure: bool) {
        let group = &*self.shared.inbox.group;
        let pause = self.shared.tuning.pause(ticket, is_failure);
        let (topic, offset) = (&*ticket.stream.topic, ticket.offset);
        if is_failure {
            let failures = ticket.failures + 1;
            tracing::warn!(
                group,
                topic,
                offset,
                failures,
                ?pause,
                reason,
                "an event failed; it is tried again"
            );
        } else if !self.is_waiting {
            tracing::warn!(
                group,
                topic,
                offset,
                reason,
                "events wait for something that is away"
            );
        }
        self.is_waiting |= !is_failure;
        self.lanes.later(ticket, Instant::now() + pause, is_failure);
    }

    /// Notes what is done, unless that is on its way or has just failed.
    fn begin_commit(&mut self) {
        let now = Instant::now();
        if self.committing.is_some() || self.commit_pause.is_some_and(|until| until > now) {
            return;
        }
        self.commit_pause = None;
        let is_idle = now >= self.committed_at + IDLE_COMMIT;
        let piece = self.handled.len().min(COMMIT_MAX);
        let handled: Vec<EventId> = self.handled.drain(..piece).collect();
        // A mark may stand behind an event that is noted by the next transaction only: it waits for that.
        let marks = if self.handled.is_empty() {
            self.lanes.marks(is_idle)
        } else {
            Vec::new()
        };
        if is_idle {
            self.committed_at = now;
        }
        if handled.is_empty() && marks.is_empty() {
            return;
        }
        self.committed_at = now;
        let source = Arc::clone(&self.shared.source);
        self.committing = Some(
            async move {
                let result = source.commit(&marks, &handled).await;
                (marks, handled, result)
            }
            .boxed(),
        );
    }

    fn note_commit(&mut self, (marks, mut handled, result): Commit) {
        self.committing = None;
        match result {
            Ok(true) => {
                for (stream, mark) in &marks {
                    self.lanes.committed(stream, *mark);
                }
                for id in handled {
                    self.unnoted.remove(&id.0);
                }
            }
            Ok(false) => {
                tracing::warn!(
                    group = &*self.shared.inbox.group,
                    "another consumer of the group is at work; what was done here and not noted comes again there"
                );
                self.lanes.clear();
                self.paused.clear();
                self.handled.clear();
                self.unnoted.clear();
            }
            Err(fault) => {
                tracing::warn!(
                    group = &*self.shared.inbox.group,
                    error = chain(&fault),
                    "what was handled cannot be noted now"
                );
                handled.append(&mut self.handled);
                self.handled = handled;
                self.commit_pause = Some(Instant::now() + COMMIT_PAUSE);
            }
        }
    }

    /// Finishes what is being handled, and notes it.
    async fn finish(&mut self) {
        self.reading = None;
        let finishing = async {
            while let Some(settled) = self.running.next().await {
                self.settle(settled);
            }
            if let Some(commit) = self.committing.take() {
                let commit = commit.await;
                self.note_commit(commit);
            }
            self.committed_at = Instant::now() - IDLE_COMMIT;
            self.commit_pause = None;
            loop {
                self.begin_commit();
                let Some(commit) = self.committing.take() else {
                    return;
                };
                let commit = commit.await;
                let is_noted = matches!(commit.2, Ok(true));
                self.note_commit(commit);
                if !is_noted {
                    return;
                }
            }
        };
        if tokio::time::timeout(STOP_LIMIT, finishing).await.is_err() {
            tracing::warn!("what was being handled did not end in time; it comes again");
        }
        self.shared.source.close().await;
    }
}

/// The future's output, or never.
async fn pending_or<T>(future: &mut Option<BoxFuture<'static, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

impl Shared {
    async fn handle(&self, ticket: Ticket<Taken>) -> Settled {
        let outcome = match &ticket.record.1 {
            Ok(event) => match self.try_handle(event).await {
                Ok(outcome) => outcome,
                Err(Setback::Dead(reason)) => self.bury(&ticket, reason).await,
                Err(Setback::Wait(reason)) => Outcome::Later {
                    reason,
                    is_failure: false,
                },
                Err(Setback::Retry(reason)) if ticket.failures + 1 >= self.tuning.attempts_max => {
                    self.bury(&ticket, reason).await
                }
                Err(Setback::Retry(reason)) => Outcome::Later {
                    reason,
                    is_failure: true,
                },
            },
            Err(reason) => self.bury(&ticket, reason.clone()).await,
        };
        (ticket, outcome)
    }

    async fn try_handle(&self, event: &Event) -> Result<Outcome, Setback> {
        if self.remembers && self.inbox.contains(event.id).await? {
            return Ok(Outcome::Repeated);
        }
        // The handler is called inside, so that a panic before its future is caught too.
        let handling = async { (self.handler)(event.clone()).await };
        match AssertUnwindSafe(handling).catch_unwind().await {
            Ok(handled) => handled.map(|()| Outcome::Handled),
            Err(_) => Err(Setback::Retry("the handler panicked".to_owned())),
        }
    }

    async fn bury(&self, ticket: &Ticket<Taken>, reason: String) -> Outcome {
        let letter = Letter {
            group: self.inbox.group.to_string(),
            record: Arc::clone(&ticket.record.0),
            partition: ticket.stream.partition,
            offset: ticket.offset,
            attempts: i32::try_from(ticket.failures.saturating_add(1)).unwrap_or(i32::MAX),
            failed_at: self.clock.now(),
            error: reason,
        };
        tracing::error!(
            group = letter.group,
            topic = letter.record.topic,
            partition = letter.partition,
            offset = letter.offset,
            event = letter.record.header("ce_id"),
            attempts = letter.attempts,
            reason = letter.error,
            "the event goes to the dead letters"
        );
        let buried = self.source.bury(&letter).await;
        match swallow(buried, "writing a dead letter") {
            Some(()) => {
                let group = letter.group;
                metrics::counter!("tradepost_consumer_dead_letters_total", "group" => group)
                    .increment(1);
                Outcome::Buried
            }
            None => Outcome::Later {
                reason: "the dead letter cannot be written now".to_owned(),
                is_failure: false,
            },
        }
    }
}
