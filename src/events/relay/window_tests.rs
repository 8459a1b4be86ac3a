//! The rule of order, and what disturbs it.

use super::*;
use chrono::DateTime;
use entity::ids::EventId;

fn aggregate(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn row(id: i64, of: u128) -> Ready {
    Ready {
        row: Named {
            id,
            event_id: EventId(Uuid::from_u128(id.unsigned_abs().into())),
            aggregate_id: aggregate(of),
            shard: i32::try_from(of).unwrap() % 64,
            attempts: 0,
            created_at: DateTime::UNIX_EPOCH,
        },
        records: Ok(Vec::new()),
    }
}

fn read(window: &mut Window, rows: &[(i64, u128)]) {
    window.read_begins();
    window.add(rows.iter().map(|&(id, of)| row(id, of)).collect());
    window.read_ends();
}

/// All that may go now.
fn go(window: &mut Window) -> Vec<i64> {
    std::iter::from_fn(|| window.turn(Instant::now()))
        .map(|(row, _)| row.id)
        .collect()
}

#[test]
fn only_the_first_row_of_an_aggregate_goes() {
    let mut window = Window::default();
    read(&mut window, &[(1, 1), (2, 1), (3, 2)]);
    assert_eq!(go(&mut window), [1, 3]);
    assert_eq!(go(&mut window), [0_i64; 0]);
    window.acknowledge(1);
    assert_eq!(go(&mut window), [2]);
    window.acknowledge(2);
    window.acknowledge(3);
    assert_eq!(window.take_acknowledged(2), [1, 2]);
    window.marked(&[1, 2]);
    assert_eq!(window.take_acknowledged(2), [3]);
    assert_eq!(window.len(), 1);
    window.mark_again();
    assert_eq!(window.take_acknowledged(2), [3]);
    window.marked(&[3]);
    assert_eq!((window.len(), window.flying(), window.bytes()), (0, 0, 0));
}

#[test]
fn what_is_here_is_not_taken_twice() {
    let mut window = Window::default();
    read(&mut window, &[(1, 1), (2, 2)]);
    go(&mut window);
    window.acknowledge(1);
    let marking = window.take_acknowledged(10);
    window.read_begins();
    // The read saw row 1 before its mark was committed.
    window.marked(&marking);
    let (wanted, left) = window.wanted(&[(1, aggregate(1)), (2, aggregate(2)), (3, aggregate(1))]);
    assert_eq!((wanted, left), (vec![3], 0));
    assert_eq!(window.add(vec![row(1, 1), row(2, 2), row(3, 1)]), (1, 0));
    window.read_ends();
    assert_eq!(go(&mut window), [3]);
}

#[test]
fn a_row_that_failed_during_a_read_is_not_overtaken_by_what_was_read() {
    let mut window = Window::default();
    read(&mut window, &[(1, 1), (2, 1), (3, 2)]);
    go(&mut window);
    window.read_begins();
    let found = [
        (1, aggregate(1)),
        (2, aggregate(1)),
        (4, aggregate(1)),
        (5, aggregate(2)),
    ];
    assert_eq!(window.wanted(&found).0, [4, 5]);
    // Between the two steps of the read the first row fails.
    window.break_off(1);
    assert_eq!(window.add(vec![row(4, 1), row(5, 2)]), (1, 0));
    window.read_ends();
    assert_eq!(go(&mut window), [0_i64; 0], "4 must not go before 1 and 2");
    read(&mut window, &[(1, 1), (2, 1), (3, 2), (4, 1)]);
    assert_eq!(go(&mut window), [1]);
}

#[test]
fn a_long_chain_is_read_in_pieces_and_in_order() {
    let mut window = Window::default();
    let all: Vec<(i64, u128)> = (1..=200).map(|id| (id, 1)).collect();
    let found: Vec<(i64, Uuid)> = all.iter().map(|&(id, of)| (id, aggregate(of))).collect();
    let (wanted, left) = window.wanted(&found);
    assert_eq!((wanted.len(), left), (CHAIN_MAX, 200 - CHAIN_MAX));
    read(&mut window, &all);
    let mut sent = Vec::new();
    while sent.len() < 200 {
        for id in go(&mut window) {
            sent.push(id);
            window.acknowledge(id);
        }
        read(&mut window, &all);
    }
    assert_eq!(sent, (1..=200).collect::<Vec<_>>());
}

#[test]
fn a_later_piece_of_a_read_does_not_bring_what_stands_behind_a_row_that_an_earlier_one_left() {
    let mut window = Window::default();
    let first: Vec<Ready> = (1..=65).map(|id| row(id, 1)).collect();
    window.read_begins();
    assert_eq!(window.add(first), (CHAIN_MAX, 1));
    // There is room again before the next piece comes.
    assert_eq!(go(&mut window), [1]);
    window.acknowledge(1);
    window.leave_out([aggregate(2)]);
    let second = vec![row(66, 1), row(67, 2), row(68, 3)];
    assert_eq!(window.add(second), (1, 1), "of the third aggregate only");
    window.read_ends();
    read(&mut window, &[(65, 1), (66, 1), (67, 2)]);
    assert_eq!(go(&mut window), [2, 68, 67]);
}

#[test]
fn what_waits_of_a_lost_shard_is_forgotten_also_by_a_read_that_is_underway() {
    let mut window = Window::default();
    read(&mut window, &[(1, 1), (2, 1), (3, 2), (4, 2)]);
    assert_eq!(go(&mut window), [1, 3]);
    window.read_begins();
    let mine: ShardSet = [2].into_iter().collect();
    let fly = window.keep_only(mine);
    assert_eq!(fly, [1].into_iter().collect(), "row 1 still flies");
    assert_eq!(window.shards(), [1, 2].into_iter().collect());
    assert_eq!(window.add(vec![row(5, 1), row(6, 2)]), (1, 0));
    window.read_ends();
    window.acknowledge(1);
    window.acknowledge(3);
    assert_eq!(go(&mut window), [4]);
    // What was acknowledged is marked, whoever has the shard now.
    assert_eq!(window.take_acknowledged(9), [1, 3]);
}

#[test]
fn rows_that_fly_for_long_do_not_count() {
    let mut window = Window::default();
    read(&mut window, &[(1, 1), (2, 1), (3, 2)]);
    window.turn(Instant::now());
    window.count_slow(Instant::now());
    assert_eq!(window.load(), 3);
    window.count_slow(Instant::now() + SLOW_AFTER * 2);
    assert_eq!(window.load(), 1);
}

#[test]
fn sets_of_shards() {
    let mut some: ShardSet = [0, 63, 5].into_iter().collect();
    assert_eq!(some.iter().collect::<Vec<_>>(), [0, 5, 63]);
    assert_eq!(some.len(), 3);
    some = some.without([5].into_iter().collect());
    assert!(!some.contains(5) && some.contains(63));
    assert_eq!(ShardSet::ALL.iter().count(), 64);
    assert!(ShardSet::NONE.is_empty());
}
