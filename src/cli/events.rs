//! `tradepost events …`: looking at events, and repairing what is sent of them.

use super::Error;
use crate::app::App;
use crate::event_tools::verify::{Problem, Verify};
use crate::event_tools::{self, List, Replay, Replayed, Selection, Snapshot, Tail, Waiting};
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use clap::{ArgGroup, Subcommand};
use std::io::Write as _;
use uuid::Uuid;

#[derive(Debug, Subcommand)]
pub(super) enum Events {
    /// Prints published events.
    Tail {
        /// From the first that is kept, not only new ones.
        #[arg(long, conflicts_with = "since")]
        from_beginning: bool,
        /// Only what happened then or later: a UTC day, as 2026-11-29, or a time, as 2026-11-29T10:15:00Z.
        #[arg(long, value_name = "TIME", value_parser = from_moment)]
        since: Option<DateTime<Utc>>,
        /// Ends after the last one that is there instead of waiting for more.
        #[arg(long)]
        no_follow: bool,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
        /// Only types that contain this, as order.created.
        #[arg(long = "type", value_name = "TYPE")]
        event_type: Option<String>,
        /// Only events of this order.
        #[arg(long, value_name = "ID")]
        order: Option<Uuid>,
        /// Another topic of Kafka, as that of what was sent again or of the states of orders.
        #[arg(long)]
        topic: Option<String>,
    },
    /// Lists events that are not published, how many there are, and why sending failed.
    List {
        /// Those that wait; so it is when nothing is said.
        #[arg(long)]
        pending: bool,
        /// Those that were set aside.
        #[arg(long, conflicts_with = "pending")]
        parked: bool,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Sends published events again, with the ids they have and the header `ce_replay`.
    #[command(group(ArgGroup::new("which").args(["order", "event_type", "from"]).required(true).multiple(true)))]
    Replay {
        /// Only events of this order.
        #[arg(long, value_name = "ID")]
        order: Option<Uuid>,
        /// Only types that contain this, as order.paid.
        #[arg(long = "type", value_name = "TYPE")]
        event_type: Option<String>,
        /// Only what happened then or later: a UTC day, or a time.
        #[arg(long, value_name = "TIME", value_parser = from_moment)]
        from: Option<DateTime<Utc>>,
        /// Only what happened then or earlier; a day is included.
        #[arg(long, value_name = "TIME", value_parser = to_moment)]
        to: Option<DateTime<Utc>>,
        /// To the topics where they came first, instead of `<topic>.replay`: all consumers see them again.
        #[arg(long)]
        live: bool,
        /// Said in production with `--live`.
        #[arg(long, requires = "live")]
        yes_live: bool,
        /// Prints them, one JSON object a line, instead of sending them. Without Kafka they are always printed.
        #[arg(long, conflicts_with = "live")]
        print: bool,
        /// Only counts.
        #[arg(long)]
        dry_run: bool,
    },
    /// Sends the state of every order to the topic of states, for teams that start late.
    Snapshot {
        /// Imported orders too.
        #[arg(long)]
        include_imported: bool,
        /// Prints them, one JSON object a line, instead of sending them. Without Kafka they are always printed.
        #[arg(long)]
        print: bool,
    },
    /// Compares orders, their events and what is in the topic; prints what does not agree, and fails then.
    Verify {
        /// Only what happened then or later: a UTC day, or a time.
        #[arg(long, value_name = "TIME", value_parser = from_moment)]
        since: Option<DateTime<Utc>>,
        /// Nothing is under way any more: events that wait or are set aside are wrong too.
        #[arg(long)]
        settled: bool,
    },
    /// Lets events that were set aside go again, once their cause is mended.
    #[command(group(ArgGroup::new("which").args(["event", "all"]).required(true)))]
    Unpark {
        /// The id of one, as `events list --parked` shows it.
        event: Option<Uuid>,
        /// All of them.
        #[arg(long)]
        all: bool,
    },
}

/// A moment as people write it: the beginning of a UTC day, or a time with its zone.
fn from_moment(text: &str) -> Result<DateTime<Utc>, String> {
    moment(text).map(|(begin, _)| begin)
}

/// The same, as the end of a period: a day ends with its last microsecond.
fn to_moment(text: &str) -> Result<DateTime<Utc>, String> {
    moment(text).map(|(_, end)| end)
}

fn moment(text: &str) -> Result<(DateTime<Utc>, DateTime<Utc>), String> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        let begin = day.and_time(NaiveTime::MIN).and_utc();
        return Ok((
            begin,
            begin + TimeDelta::days(1) - TimeDelta::microseconds(1),
        ));
    }
    let time = DateTime::parse_from_rfc3339(text)
        .map_err(|_| "a UTC day, as 2026-11-29, or a time, as 2026-11-29T10:15:00Z".to_owned())?;
    Ok((time.to_utc(), time.to_utc()))
}

impl From<event_tools::Error> for Error {
    fn from(error: event_tools::Error) -> Self {
        match error {
            event_tools::Error::Fault(fault) => Self::Fault(fault),
            refused => Self::Refused(refused.to_string()),
        }
    }
}

pub(super) async fn run(app: &App, command: Events) -> Result<(), Error> {
    let mut out = std::io::stdout();
    match command {
        Events::Tail {
            from_beginning,
            since,
            no_follow,
            json,
            event_type,
            order,
            topic,
        } => {
            let tail = Tail {
                event_type,
                aggregate: order,
                since,
                from_beginning,
                follow: !no_follow,
                json,
                topic,
            };
            event_tools::tail(app, &tail, &mut out).await?;
        }
        Events::List {
            parked,
            json,
            pending: _,
        } => {
            let waiting = if parked {
                Waiting::Parked
            } else {
                Waiting::Pending
            };
            let list = List { waiting, json };
            let listed = event_tools::list(app, &list, &mut out).await?;
            // Lines of JSON are for programs: the sum is none of them.
            if json {
                eprintln!("{listed}");
            } else {
                println!("{listed}");
            }
        }
        Events::Replay {
            order,
            event_type,
            from,
            to,
            live,
            yes_live,
            print,
            dry_run,
        } => {
            if live && app.config().production() && !yes_live && !dry_run {
                return Err(Error::Refused(
                    "this is production, and every consumer would see these events again: say --yes-live if you mean it".to_owned(),
                ));
            }
            let replay = Replay {
                selection: Selection {
                    aggregate: order,
                    event_type,
                    from,
                    to,
                },
                live,
                print,
                dry_run,
            };
            let replayed = event_tools::replay(app, &replay, &mut out).await?;
            eprint!("{}", told(&replayed, dry_run));
        }
        Events::Snapshot {
            include_imported,
            print,
        } => {
            let snapshot = Snapshot {
                with_imported: include_imported,
                print,
            };
            let done = event_tools::snapshot(app, &snapshot, &mut out).await?;
            match done.topic {
                Some(topic) => eprintln!("{} orders were sent to {topic}.", done.orders),
                None => eprintln!("{} orders", done.orders),
            }
        }
        Events::Verify { since, settled } => return verify(app, since, settled).await,
        Events::Unpark { event, all: _ } => {
            let unparked = event_tools::unpark(app, event.map(Into::into)).await?;
            println!("{unparked} events go again.");
        }
    }
    Ok(())
}

fn told(replayed: &Replayed, dry_run: bool) -> String {
    let would = if dry_run { "would be" } else { "were" };
    let mut topics: Vec<_> = replayed.records.iter().collect();
    topics.sort();
    let topics = topics
        .iter()
        .map(|(topic, records)| format!("{records} records for {topic}\n"));
    let events = replayed.events;
    format!(
        "{events} events {would} sent again.\n{}",
        topics.collect::<String>()
    )
}

async fn verify(app: &App, since: Option<DateTime<Utc>>, settled: bool) -> Result<(), Error> {
    let options = Verify {
        since,
        is_settled: settled,
    };
    // Whoever closes the pipe has seen enough; the sum still decides the exit code.
    let report = |problem: &Problem| {
        crate::error::swallow(
            writeln!(std::io::stdout(), "{problem}"),
            "printing a problem",
        );
    };
    let verified = event_tools::verify(app, &options, report).await?;
    println!(
        "{} orders, {} events and {} records were compared; {} records are repeats.",
        verified.orders, verified.events, verified.records, verified.repeats
    );
    if verified.imported > 0 {
        println!("{} imported orders have none.", verified.imported);
    }
    if verified.waiting + verified.parked > 0 {
        println!(
            "{} events wait, {} are set aside.",
            verified.waiting, verified.parked
        );
    }
    if verified.elsewhere > 0 {
        println!(
            "{} events were published before the broker was changed, and were not looked for.",
            verified.elsewhere
        );
    }
    match verified.problems {
        0 => Ok(()),
        problems => Err(Error::Refused(format!(
            "orders and events do not agree in {problems} places"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::to_text;

    #[test]
    fn a_moment_is_a_day_or_a_time() {
        let texts = |text| {
            let (begin, end) = moment(text).unwrap();
            (to_text(begin), to_text(end))
        };
        assert_eq!(
            texts("2026-11-29"),
            (
                "2026-11-29T00:00:00.000000Z".to_owned(),
                "2026-11-29T23:59:59.999999Z".to_owned()
            )
        );
        let time = "2026-11-29T09:15:00.000000Z".to_owned();
        assert_eq!(texts("2026-11-29T10:15:00+01:00"), (time.clone(), time));
        for wrong in ["yesterday", "2026-11-31", "2026-11-29T10:15", ""] {
            assert!(moment(wrong).unwrap_err().starts_with("a UTC day"));
        }
    }
}
