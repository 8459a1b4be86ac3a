//! The loop of a pass: whatever can be begun is begun, then the next thing to end is waited for.

use super::super::reading::Ready;
use super::super::shards::Tenure;
use super::super::window::ShardSet;
use super::rows::{Found, Rows};
use super::{Memory, ShardedRelay};
use crate::error::Fault;
use crate::events::broker::{Outcome, Outgoing};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How long what is on its way may take after the program was told to stop.
const STOP_LIMIT: Duration = Duration::from_secs(2);
/// How often it is looked whether time has changed anything.
const TICK: Duration = Duration::from_millis(50);
/// After a read that found little, the next one waits so long: rows that are written meanwhile come together.
const LOOK_PAUSE: Duration = Duration::from_millis(2);
/// After a read that found nothing new although there is more.
const LOOK_PAUSE_FULL: Duration = Duration::from_millis(20);
/// Acknowledged rows wait so long for others to be marked with: each mark is a commit, and nobody waits for it.
const MARK_PAUSE: Duration = Duration::from_millis(10);
/// Marks that are under way at once.
const MARKS_AT_ONCE: usize = 2;
/// Rows that a read may go over, those that are on their way included.
const SCAN_MAX: usize = 65_536;
/// Bytes of records beyond which no more are read: a limit of rows alone would let large ones fill the memory.
const BYTES_MAX: usize = 64 << 20;
/// Reads of rows that follow one read of ids: that one goes over all that is on its way.
const PIECES: usize = 8;

/// What has ended.
enum Ended {
    Sends(Vec<(i64, Outcome)>),
    Read(Result<Found, Fault>),
    Mark(Vec<i64>, Result<(), Fault>),
    Renewal(Result<Tenure, Fault>),
    Refusal,
    Preparation(Result<(), String>),
    Woken,
    Told,
    Time,
}

/// Rows that are being marked, and whether they could be.
type Mark<'a> = BoxFuture<'a, (Vec<i64>, Result<(), Fault>)>;

/// One pass.
pub(super) struct Flow<'a> {
    relay: &'a ShardedRelay,
    memory: &'a mut Memory,
    read: Option<BoxFuture<'a, Result<Found, Fault>>>,
    marks: FuturesUnordered<Mark<'a>>,
    renewal: Option<BoxFuture<'a, Result<Tenure, Fault>>>,
    refusals: FuturesUnordered<BoxFuture<'a, ()>>,
    preparation: Option<BoxFuture<'a, Result<(), String>>>,
    /// There may be rows that were not read.
    look: bool,
    look_at: Instant,
    /// Rows of the read that is underway that were not fetched yet, and those that it has brought.
    wanted: VecDeque<i64>,
    added: usize,
    /// Rows that the read that is underway may go over; none once it is known whether there are more.
    limit: Option<usize>,
    /// Rows that the last read left for later.
    left: usize,
    poll_at: Instant,
    mark_at: Option<Instant>,
    ticked_at: Instant,
    /// Shards that are leaving are looked at then.
    leave_at: Instant,
    /// The program was told to stop, and what is on its way may take until then.
    give_up_at: Option<Instant>,
    /// Kept, since looking a metric up costs as much as the rest of noting that a row was sent.
    waits: metrics::Histogram,
    sent: metrics::Counter,
}

impl<'a> Flow<'a> {
    pub(super) fn new(relay: &'a ShardedRelay, memory: &'a mut Memory) -> Self {
        let now = Instant::now();
        // A pass that ended with an error did not learn what became of these.
        memory.window.read_ends();
        memory.window.mark_again();
        Self {
            relay,
            memory,
            read: None,
            marks: FuturesUnordered::new(),
            renewal: None,
            refusals: FuturesUnordered::new(),
            preparation: None,
            look: true,
            look_at: now,
            wanted: VecDeque::new(),
            added: 0,
            limit: None,
            left: 0,
            poll_at: now + relay.poll,
            mark_at: Some(now),
            ticked_at: now,
            leave_at: now,
            give_up_at: None,
            waits: metrics::histogram!("tradepost_events_publish_seconds"),
            sent: metrics::counter!("tradepost_events_outcomes_total", "outcome" => "sent"),
        }
    }

    /// Goes on until nothing is left to do.
    pub(super) async fn run(mut self) -> Result<(), Fault> {
        loop {
            self.begin();
            if self.is_done() {
                self.tell_in_flight();
                return Ok(());
            }
            let ended = self.next().await;
            self.take(ended)?;
        }
    }

    fn is_stopping(&self) -> bool {
        self.give_up_at.is_some()
    }

    /// Whether rows may be read and handed to the broker.
    fn may_send(&self) -> bool {
        !self.is_stopping()
            && !self.memory.tenure.working().is_empty()
            && self.relay.broker.is_reachable()
            && !self.relay.broker_pauses(self.memory)
    }

    fn is_done(&self) -> bool {
        let is_settled = self.marks.is_empty()
            && self.refusals.is_empty()
            && self.memory.window.acknowledged() == 0;
        if let Some(give_up_at) = self.give_up_at {
            let is_over = self.memory.window.flying() == 0 || Instant::now() >= give_up_at;
            return is_settled && is_over;
        }
        if !self.memory.tenure.leaving().is_empty() {
            return false;
        }
        let wants_more = self.look || !self.wanted.is_empty() || self.memory.window.has_turns();
        is_settled
            && self.memory.window.flying() == 0
            && self.read.is_none()
            && self.renewal.is_none()
            && self.preparation.is_none()
            && !(wants_more && self.may_send())
    }

    /// Begins whatever can be begun.
    fn begin(&mut self) {
        let now = Instant::now();
        self.look_after_shards(now);
        self.begin_marks(now);
        if !self.may_send() {
            self.ask_for_broker();
            return;
        }
        self.begin_read(now);
        self.begin_sends(now);
    }

    /// Hands over whatever may go, as long as the broker's client has room.
    fn begin_sends(&mut self, now: Instant) {
        if let Some(row) = self.memory.stuck.take()
            && !self.hand_over(row)
        {
            return;
        }
        while let Some((row, records)) = self.memory.window.turn(now) {
            match records {
                Ok(records) => {
                    let row = Outgoing::new(row.id, records, &self.memory.deliveries);
                    if !self.hand_over(row) {
                        return;
                    }
                }
                Err(reason) => self.settle(row.id, Outcome::Refused(reason)),
            }
        }
    }

    /// `false`: there was no room, which comes with the next delivery.
    fn hand_over(&mut self, mut row: Outgoing) -> bool {
        let has_room = self.relay.broker.send(&mut row);
        if !has_room {
            self.memory.stuck = Some(row);
        }
        has_room
    }

    /// Renews the leases in time, and stops at once when they have ended.
    fn look_after_shards(&mut self, now: Instant) {
        if self.renewal.is_some() || self.is_stopping() {
            return;
        }
        let tenure = self.memory.tenure;
        let is_leaving = !tenure.leaving().is_empty() && now >= self.leave_at;
        if self.relay.shards.is_over(&tenure) {
            tracing::warn!("the leases of the relay's shards ended before they were renewed");
            self.change_tenure(Tenure::default());
        }
        if self.relay.shards.is_due(&tenure) || is_leaving {
            let busy = if tenure.leaving().is_empty() {
                ShardSet::NONE
            } else {
                self.memory.window.shards()
            };
            let shards = &self.relay.shards;
            let tenure = self.memory.tenure;
            self.renewal = Some(shards.renew(tenure, busy).boxed());
            self.leave_at = now + TICK;
        }
    }

    fn change_tenure(&mut self, tenure: Tenure) {
        if self.relay.adopt(self.memory, tenure) {
            self.look = true;
        }
    }

    fn begin_marks(&mut self, now: Instant) {
        let is_time = self.is_stopping() || self.mark_at.is_some_and(|at| now >= at);
        loop {
            let waiting = self.memory.window.acknowledged();
            let is_enough = waiting >= self.relay.mark_size || (is_time && waiting > 0);
            if !is_enough || self.marks.len() >= MARKS_AT_ONCE {
                return;
            }
            self.mark_at = None;
            let ids = self.memory.window.take_acknowledged(self.relay.mark_size);
            let relay = self.relay;
            self.marks.push(
                async move {
                    let marked = relay.mark(&ids).await;
                    (ids, marked)
                }
                .boxed(),
            );
        }
    }

    fn ask_for_broker(&mut self) {
        let is_needed = !self.is_stopping()
            && !self.relay.broker.is_reachable()
            && !self.relay.broker_pauses(self.memory);
        if is_needed && self.preparation.is_none() {
            self.preparation = Some(self.relay.broker.prepare());
        }
    }

    /// Begins a read, or its next step, when one is wanted and there is room for what it may bring.
    fn begin_read(&mut self, now: Instant) {
        let (window, size) = (&mut self.memory.window, self.relay.batch_size);
        let has_room = window.load() + size <= self.relay.window_size && window.bytes() < BYTES_MAX;
        if self.read.is_some() || !has_room {
            return;
        }
        if !self.wanted.is_empty() {
            self.fetch();
            return;
        }
        if !self.look || now < self.look_at {
            return;
        }
        self.look = false;
        let working = self.memory.tenure.working();
        let shards: Option<Vec<i32>> = (working != ShardSet::ALL).then(|| working.iter().collect());
        let waiting = self.memory.waiting.now(self.relay.clock.now());
        let known = window.len() + self.left;
        // With little on its way it is cheaper to read that again than to read ids first.
        let at_once = known <= size / 4;
        let ahead = if at_once { size } else { PIECES * size };
        let limit = (known + ahead).min(SCAN_MAX);
        window.read_begins();
        self.added = 0;
        let relay = self.relay;
        let read = async move {
            if at_once {
                let rows = relay.pending(shards.as_deref(), limit, &waiting).await?;
                return relay.ready(rows).await;
            }
            let ids = relay.pending_ids(shards.as_deref(), limit, &waiting).await;
            ids.map(Found::Ids)
        };
        self.read = Some(read.boxed());
        self.limit = Some(limit);
    }

    /// Fetches the next of the rows that the read is to bring.
    fn fetch(&mut self) {
        let size = self.relay.batch_size.min(self.wanted.len());
        let piece: Vec<i64> = self.wanted.drain(..size).collect();
        let relay = self.relay;
        let fetch = async move { relay.ready(relay.rows(&piece).await?).await };
        self.read = Some(fetch.boxed());
    }

    async fn next(&mut self) -> Ended {
        let deliveries = Arc::clone(&self.memory.deliveries);
        let (now, tick) = (Instant::now(), self.ticked_at + TICK);
        // What is due already waits for something else: it is begun when that ends.
        let look_at = (self.look && self.read.is_none()).then_some(self.look_at);
        let times = [self.mark_at, self.give_up_at, look_at];
        let ahead = times.into_iter().flatten().filter(|at| *at > now);
        let time = ahead.min().map_or(tick, |at| at.min(tick));
        tokio::select! {
            ended = deliveries.next() => Ended::Sends(ended),
            found = end_of(&mut self.read) => Ended::Read(found),
            Some((ids, marked)) = self.marks.next(), if !self.marks.is_empty() => Ended::Mark(ids, marked),
            tenure = end_of(&mut self.renewal) => Ended::Renewal(tenure),
            Some(()) = self.refusals.next(), if !self.refusals.is_empty() => Ended::Refusal,
            prepared = end_of(&mut self.preparation) => Ended::Preparation(prepared),
            () = self.relay.wake.notified() => Ended::Woken,
            () = self.relay.stopped(), if self.give_up_at.is_none() => Ended::Told,
            () = sleep_until(time) => Ended::Time,
        }
    }

    fn take(&mut self, ended: Ended) -> Result<(), Fault> {
        match ended {
            Ended::Sends(ended) => {
                for (id, outcome) in ended {
                    self.settle(id, outcome);
                }
            }
            Ended::Read(found) => self.take_found(found?),
            Ended::Mark(ids, marked) => {
                marked?;
                metrics::counter!("tradepost_events_published_total").increment(ids.len() as u64);
                self.memory.window.marked(&ids);
                if self.memory.window.acknowledged() > 0 {
                    self.mark_at.get_or_insert_with(Instant::now);
                }
            }
            Ended::Renewal(tenure) => self.change_tenure(tenure?),
            Ended::Refusal => {}
            Ended::Preparation(Ok(())) => self.look = true,
            Ended::Preparation(Err(reason)) => self.relay.note_broker_failure(self.memory, &reason),
            Ended::Woken => self.look = true,
            Ended::Told => self.give_up_at = Some(Instant::now() + STOP_LIMIT),
            Ended::Time => self.tick(),
        }
        Ok(())
    }

    fn tick(&mut self) {
        let now = Instant::now();
        if now >= self.poll_at {
            self.poll_at = now + self.relay.poll;
            self.look = true;
        }
        if now >= self.ticked_at + TICK {
            self.ticked_at = now;
            self.memory.window.count_slow(now);
            self.tell_in_flight();
        }
    }

    fn tell_in_flight(&self) {
        metrics::gauge!("tradepost_events_in_flight").set(self.memory.window.len() as f64);
    }

    /// A step of the read has ended: fetches what is wanted of it, or takes it.
    fn take_found(&mut self, found: Found) {
        match found {
            Found::Ids(ids) => {
                let is_full = self.limit.take().is_some_and(|limit| ids.len() >= limit);
                let (mut wanted, left) = self.memory.window.wanted(&ids);
                let most = PIECES * self.relay.batch_size;
                self.look |= is_full || left > 0 || wanted.len() > most;
                self.left = left;
                wanted.truncate(most);
                self.wanted = wanted.into();
            }
            Found::Rows(rows) => {
                self.look |= self.limit.take().is_some_and(|limit| rows.seen >= limit);
                self.take_rows(rows);
            }
        }
        if self.wanted.is_empty() {
            self.end_read();
        }
    }

    /// Takes rows. Nothing of an aggregate is taken behind a row of it that is not.
    fn take_rows(&mut self, rows: Rows) {
        let (working, waiting) = (self.memory.tenure.working(), &self.memory.waiting);
        let is_ours = |ready: &Ready| {
            working.contains(ready.row.shard) && !waiting.contains(ready.row.aggregate_id)
        };
        let (ready, others): (Vec<_>, Vec<_>) = rows.ready.into_iter().partition(is_ours);
        let window = &mut self.memory.window;
        window.leave_out(rows.parked);
        window.leave_out(others.into_iter().map(|other| other.row.aggregate_id));
        let (added, left) = window.add(ready);
        self.look |= left > 0;
        self.added += added;
    }

    fn end_read(&mut self) {
        self.memory.window.read_ends();
        let pause = match self.added {
            0 if self.look => LOOK_PAUSE_FULL,
            some if some >= self.relay.batch_size / 8 => Duration::ZERO,
            _ => LOOK_PAUSE,
        };
        self.look_at = Instant::now() + pause;
    }

    /// What became of a row.
    fn settle(&mut self, id: i64, outcome: Outcome) {
        match outcome {
            Outcome::Sent => {
                self.memory.broker_failures = 0;
                let now = self.relay.clock.now();
                if let Some(row) = self.memory.window.acknowledge(id) {
                    self.mark_at
                        .get_or_insert_with(|| Instant::now() + MARK_PAUSE);
                    let waited = (now - row.created_at).to_std().unwrap_or_default();
                    self.waits.record(waited.as_secs_f64());
                    self.sent.increment(1);
                }
            }
            Outcome::Refused(reason) => {
                if let Some(row) = self.memory.window.break_off(id) {
                    // Before it is read again, it is noted: one that is set aside is then left out by the query, and
                    // goes at once when somebody lets it go again.
                    let attempts = if self.relay.parks(&row) {
                        0
                    } else {
                        row.attempts
                    };
                    let now = self.relay.clock.now();
                    self.memory.waiting.add(row.aggregate_id, now, attempts);
                    if self.memory.tenure.held().contains(row.shard) {
                        let relay = self.relay;
                        self.refusals.push(relay.refuse(row, reason).boxed());
                    }
                }
            }
            Outcome::Unreachable(reason) => {
                self.relay.note_broker_failure(self.memory, &reason);
                self.not_sent(id, "unreachable");
            }
            Outcome::Abandoned => self.not_sent(id, "abandoned"),
        }
    }

    fn not_sent(&mut self, id: i64, outcome: &'static str) {
        self.memory.window.break_off(id);
        self.look = true;
        metrics::counter!("tradepost_events_outcomes_total", "outcome" => outcome).increment(1);
    }
}

/// The end of what is under way, if anything is.
async fn end_of<T>(work: &mut Option<BoxFuture<'_, T>>) -> T {
    let Some(future) = work else {
        return std::future::pending().await;
    };
    let value = future.await;
    *work = None;
    value
}
