//! The one home of time and of ids: everything else takes a [`Clock`], so that tests can move it.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use uuid::{ContextV7, Timestamp, Uuid};

/// Tells the time and makes ids of it.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Microseconds added to the system's time; only tests move it.
    offset_us: Arc<AtomicI64>,
}

impl Clock {
    /// The time of the system.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// Now in UTC, cut to microseconds as the databases keep it.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock's one home")]
    pub fn now(&self) -> DateTime<Utc> {
        let now = Utc::now() + TimeDelta::microseconds(self.offset_us.load(Ordering::Relaxed));
        now.duration_trunc(TimeDelta::microseconds(1))
            .unwrap_or(now)
    }

    /// A new id: a UUID of version 7 of the clock's time, ascending within the process.
    #[must_use]
    pub fn id<T: From<Uuid>>(&self) -> T {
        static CONTEXT: std::sync::Mutex<ContextV7> = std::sync::Mutex::new(ContextV7::new());
        let now = self.now();
        let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
        let context = CONTEXT
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        Uuid::new_v7(Timestamp::from_unix(
            &*context,
            seconds,
            now.timestamp_subsec_nanos(),
        ))
        .into()
    }

    /// Moves the clock, for tests of expiry.
    pub fn advance(&self, by: TimeDelta) {
        self.offset_us
            .fetch_add(by.num_microseconds().unwrap_or(i64::MAX), Ordering::Relaxed);
    }
}

/// Text of a time on the wire: RFC 3339 in UTC with six digits of fraction and `Z`.
#[must_use]
pub fn to_text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}
