//! `events list`: events that are not published.

use super::{Error, Waiting};
use crate::app::App;
use crate::clock::to_text;
use crate::error::Fault;
use entity::events::outbox_event;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::io::Write;
use uuid::Uuid;

/// Events that are shown at most.
const LIST_MAX: u64 = 1_000;

/// Which events are listed, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List {
    /// Which.
    pub waiting: Waiting,
    /// One JSON object a line, else one line for people.
    pub json: bool,
}

/// What was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Which events.
    pub waiting: Waiting,
    /// Events that were shown, the oldest ones.
    pub shown: usize,
    /// Events that there are.
    pub total: u64,
    /// What their last failures were, with how many events each has.
    pub reasons: Vec<(String, u64)>,
}

impl std::fmt::Display for Listed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.waiting {
            Waiting::Pending => write!(f, "{} events wait", self.total)?,
            Waiting::Parked => write!(f, "{} events are set aside", self.total)?,
        }
        if (self.shown as u64) < self.total {
            write!(f, ", the oldest {} are shown", self.shown)?;
        }
        for (reason, events) in &self.reasons {
            write!(f, "\n{events} × {reason}")?;
        }
        Ok(())
    }
}

/// Prints events that were not published, oldest first, at most 1,000.
///
/// # Errors
/// The database fails, or `out` cannot be written.
pub async fn list(app: &App, list: &List, out: &mut impl Write) -> Result<Listed, Error> {
    let rows = app.events().waiting(list.waiting, LIST_MAX).await?;
    let behind = match list.waiting {
        Waiting::Parked => HashSet::new(),
        Waiting::Pending => {
            let aggregates: Vec<Uuid> = rows.iter().map(|row| row.aggregate_id).collect();
            app.events().parked_aggregates(&aggregates).await?
        }
    };
    for row in &rows {
        let is_behind = behind.contains(&row.aggregate_id);
        let line = if list.json {
            json_line(row, is_behind).to_string()
        } else {
            human_line(row, is_behind)
        };
        writeln!(out, "{line}").map_err(Fault::doing("printing an event"))?;
    }
    out.flush().map_err(Fault::doing("printing events"))?;
    let (total, reasons) = app.events().waiting_sum(list.waiting).await?;
    Ok(Listed {
        waiting: list.waiting,
        shown: rows.len(),
        total,
        reasons,
    })
}

fn json_line(row: &outbox_event::Model, is_behind: bool) -> Value {
    json!({
        "id": row.event_id, "type": row.event_type, "aggregateType": row.aggregate_type,
        "aggregateId": row.aggregate_id, "aggregateVersion": row.aggregate_version,
        "createdAt": to_text(row.created_at), "attempts": row.attempts, "lastError": row.last_error,
        "parkedAt": row.parked_at.map(to_text), "behindParked": is_behind,
    })
}

fn human_line(row: &outbox_event::Model, is_behind: bool) -> String {
    let version = row
        .aggregate_version
        .map(|version| format!(" v{version}"))
        .unwrap_or_default();
    let mut line = format!(
        "{}  {}{version}  {} {}  event {}  attempts {}",
        to_text(row.created_at),
        row.event_type,
        row.aggregate_type,
        row.aggregate_id,
        row.event_id,
        row.attempts,
    );
    if is_behind {
        line.push_str("  waits behind one that is set aside");
    }
    if let Some(error) = &row.last_error {
        line.push_str("  last error: ");
        line.push_str(error);
    }
    line
}
