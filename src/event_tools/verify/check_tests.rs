//! Each rule by itself; `tests/it/events_tools.rs` shows them on real orders and topics.

use super::*;

const NOW_MS: i64 = 1_800_000_000_000;
const DAY_MS: i64 = 86_400_000;

fn at(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap()
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// A settled shop whose topic has one partition, and keeps fourteen days.
fn rules() -> Rules {
    Rules {
        since: None,
        kept_since: at(NOW_MS - 14 * DAY_MS),
        published_before: at(NOW_MS),
        is_settled: false,
        topic: Topic::Kafka(vec![None]),
    }
}

/// An order at a version whose every version is there and published, a second apart.
fn facts(version: i32, first_ms: i64) -> Facts {
    let at = |version: i32| at(first_ms + 1_000 * i64::from(version));
    let event = |version: i32| id(100 + version.unsigned_abs() as u128);
    let versions = 1..=version;
    Facts {
        order: Some(OrderVersions {
            id: id(7).into(),
            version,
            is_imported: false,
            history: versions
                .clone()
                .map(|version| (version, at(version)))
                .collect(),
        }),
        stored: versions
            .clone()
            .map(|version| Stored {
                aggregate_id: id(7),
                version: Some(version),
                event_id: event(version).into(),
                created_at: at(version),
                published_at: Some(at(version)),
                is_parked: false,
                log_position: None,
            })
            .collect(),
        seen: versions
            .map(|version| Seen {
                order: id(7),
                partition: 0,
                offset: i64::from(version),
                event: event(version),
                version,
                time_ms: at(version).timestamp_millis(),
                is_keyed: true,
            })
            .collect(),
    }
}

fn recent() -> Facts {
    facts(3, NOW_MS - DAY_MS)
}

fn problems(rules: &Rules, facts: &Facts) -> Vec<String> {
    let (problems, _) = check(rules, id(7), facts);
    problems
        .iter()
        .map(|problem| problem.what.to_string())
        .collect()
}

/// What is wrong after a change, by the beginning of its sentence.
fn after(change: impl FnOnce(&mut Facts)) -> Vec<String> {
    let mut facts = recent();
    change(&mut facts);
    problems(&rules(), &facts)
}

fn assert_one(found: &[String], begins: &str) {
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains(begins), "{found:?}");
}

#[test]
fn an_order_with_all_its_events_is_right_and_repeats_are_counted() {
    let mut facts = recent();
    facts.seen.push(facts.seen[0].clone());
    facts.seen.push(facts.seen[2].clone());
    let (found, repeats) = check(&rules(), id(7), &facts);
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(repeats, 2);
}

#[test]
fn a_row_that_is_gone_is_told_with_and_without_its_record() {
    assert_one(
        &after(|facts| {
            facts.stored.remove(1);
        }),
        "of version 2 is in the topic and not in the outbox",
    );
    assert_one(
        &after(|facts| {
            facts.stored.remove(1);
            facts.seen.remove(1);
        }),
        "version 2 has no event",
    );
}

#[test]
fn a_row_of_history_that_is_gone_is_told() {
    let remove = |place: usize| {
        after(move |facts| {
            facts.order.as_mut().unwrap().history.remove(place);
        })
    };
    assert_one(&remove(0), "version 1 has no row of history");
    assert_one(&remove(2), "version 3 has no row of history");
}

#[test]
fn events_of_nothing_are_told() {
    let found = after(|facts| facts.order = None);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].contains("of no order"), "{found:?}");
    assert_one(
        &after(|facts| {
            facts.order.as_mut().unwrap().version = 2;
            facts.order.as_mut().unwrap().history.pop();
        }),
        "is of version 3, which the order at version 2 never had",
    );
    assert_one(
        &after(|facts| {
            let extra = Seen {
                version: 4,
                event: id(900),
                offset: 4,
                ..facts.seen[2].clone()
            };
            facts.seen.push(extra);
        }),
        "is of version 4, which the order at version 3 never had",
    );
}

#[test]
fn a_record_that_is_missing_is_told_unless_it_waits_or_is_fresh() {
    assert_one(
        &after(|facts| {
            facts.seen.pop();
        }),
        "of version 3 was published and is not in the topic",
    );
    let mut waits = recent();
    waits.seen.pop();
    waits.stored[2].published_at = None;
    assert!(problems(&rules(), &waits).is_empty());
    let mut settled = rules();
    settled.is_settled = true;
    assert_one(&problems(&settled, &waits), "waits to be published");
    waits.stored[2].is_parked = true;
    assert_one(&problems(&settled, &waits), "is set aside");
    // Published after the topic was read.
    waits.stored[2].published_at = Some(at(NOW_MS + 1));
    assert!(problems(&rules(), &waits).is_empty());
    assert_one(&problems(&settled, &waits), "is not in the topic");
}

#[test]
fn versions_that_are_swapped_and_other_ids_are_told() {
    assert_one(
        &after(|facts| facts.seen.swap(1, 2)),
        "of version 2 first appears behind version 3",
    );
    assert_one(
        &after(|facts| {
            let other = Seen {
                event: id(900),
                offset: 4,
                ..facts.seen[2].clone()
            };
            facts.seen.push(other);
        }),
        "version 3 comes with the id",
    );
    assert_one(
        &after(|facts| facts.seen[2].event = id(900)),
        "version 3 comes with the id",
    );
}

#[test]
fn wrong_keys_and_partitions_are_told() {
    assert_one(
        &after(|facts| facts.seen[1].is_keyed = false),
        "another key",
    );
    assert_one(
        &after(|facts| facts.seen[1].partition = 1),
        "belongs in partition 0",
    );
}

#[test]
fn what_is_too_old_to_be_kept_is_not_demanded() {
    let mut old = facts(3, NOW_MS - 20 * DAY_MS);
    old.stored.clear();
    old.seen.clear();
    assert!(problems(&rules(), &old).is_empty());
    // Half of it is gone from the topic, and from the outbox.
    let mut old = facts(3, NOW_MS - 20 * DAY_MS);
    old.stored.remove(0);
    old.seen.drain(..2);
    assert!(problems(&rules(), &old).is_empty());
    // But nothing goes from the middle.
    let mut old = facts(3, NOW_MS - 20 * DAY_MS);
    old.stored.clear();
    old.seen.remove(1);
    assert_one(
        &problems(&rules(), &old),
        "version 2 is missing in the topic",
    );
}

#[test]
fn what_the_topic_has_deleted_is_not_demanded() {
    let mut rules = rules();
    rules.topic = Topic::Kafka(vec![Some(at(NOW_MS - 3_600_000))]);
    let mut cut = recent();
    cut.seen.clear();
    assert!(problems(&rules, &cut).is_empty());
}

#[test]
fn before_the_moment_that_was_asked_for_nothing_is_demanded() {
    let mut rules = rules();
    rules.since = Some(at(NOW_MS - 3_600_000));
    let mut facts = recent();
    facts.stored.clear();
    facts.seen.clear();
    facts.order.as_mut().unwrap().history.remove(1);
    assert!(problems(&rules, &facts).is_empty());
    facts.order = None;
    facts.seen = recent().seen;
    assert!(problems(&rules, &facts).is_empty());
}

#[test]
fn imported_orders_and_another_broker_s_events_are_left_alone() {
    let imported = after(|facts| {
        facts.order.as_mut().unwrap().is_imported = true;
        facts.stored.clear();
    });
    assert!(imported.is_empty(), "{imported:?}");
    let elsewhere = after(|facts| {
        facts.stored[0].log_position = Some(1);
        facts.seen.remove(0);
    });
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}
