//! Tests of the rules of carts.

use super::*;
use entity::catalog::Availability;

const LIMITS: Limits = Limits {
    lines: 2,
    quantity: 10,
};

fn variant(n: u128, price: i64) -> SellableVariant {
    SellableVariant {
        variant_id: VariantId(Uuid::from_u128(n)),
        product_id: Uuid::from_u128(n).into(),
        sku: format!("SKU-{n}"),
        name: format!("Thing {n}"),
        unit_price_minor: price,
        currency: "GBP".to_owned(),
        availability: Availability::InStock,
    }
}

fn adding(items: &[(u128, i64)]) -> Vec<Adding> {
    let item = |(place, &(n, quantity)): (usize, &(u128, i64))| Adding {
        place,
        variant: variant(n, 100),
        quantity,
    };
    items.iter().enumerate().map(item).collect()
}

fn put(
    present: &[cart_line::Model],
    items: &[(u128, i64)],
) -> Result<Vec<cart_line::Model>, Vec<Error>> {
    let mut next = 100;
    let cart = CartId(Uuid::nil());
    add(
        cart,
        present,
        &adding(items),
        LIMITS,
        DateTime::UNIX_EPOCH,
        || {
            next += 1;
            CartLineId(Uuid::from_u128(next))
        },
    )
}

fn quantities(lines: &[cart_line::Model]) -> Vec<(u128, i64)> {
    lines
        .iter()
        .map(|line| (line.variant_id.0.as_u128(), line.quantity))
        .collect()
}

#[test]
fn the_same_variant_adds_up_within_a_request_and_with_what_is_there() {
    let lines = put(&[], &[(1, 2), (2, 1), (1, 3)]).unwrap();
    assert_eq!(quantities(&lines), [(1, 5), (2, 1)]);
    let more = put(&lines, &[(2, 4)]).unwrap();
    assert_eq!(quantities(&more), [(2, 5)]);
    assert_eq!(more[0].id, lines[1].id, "a line keeps its id");
}

#[test]
fn every_limit_that_is_broken_is_told_with_its_place() {
    let full = put(&[], &[(1, 9), (2, 9)]).unwrap();
    let errors = put(&full, &[(1, 1), (2, 2), (3, 1)]).unwrap_err();
    assert_eq!(
        errors,
        [
            Error::TooManyUnits {
                path: line_path("lines", 1, "quantity"),
                most: 10
            },
            Error::TooManyLines {
                path: vec!["lines".to_owned()],
                most: 2
            },
        ]
    );
    assert!(
        put(&[], &[(1, i64::MAX), (1, i64::MAX)]).is_err(),
        "no overflow"
    );
}

#[test]
fn quantities_change_lines_go_and_mistakes_are_told_together() {
    let lines = put(&[], &[(1, 2), (2, 1)]).unwrap();
    let (one, two) = (lines[0].id, lines[1].id);
    let prices = HashMap::from([(lines[0].variant_id, 150)]);
    let now = DateTime::UNIX_EPOCH;
    let changed = update(&lines, &[(one, 7), (two, 0)], &prices, LIMITS, now).unwrap();
    assert_eq!(quantities(&changed.lines), [(1, 7)]);
    assert_eq!(changed.lines[0].seen_price_minor, 150);
    assert_eq!(changed.gone, [two]);
    let unknown = CartLineId(Uuid::from_u128(999));
    let wrong = [(one, 11), (unknown, 1), (one, 1)];
    let errors = update(&lines, &wrong, &prices, LIMITS, now).unwrap_err();
    let expected = [
        Error::TooManyUnits {
            path: line_path("lines", 0, "quantity"),
            most: 10,
        },
        Error::LineNotFound {
            path: line_path("lines", 1, "lineId"),
        },
        Error::LineRepeated {
            path: line_path("lines", 2, "lineId"),
        },
    ];
    assert_eq!(errors, expected);
}

#[test]
fn merged_lines_add_up_and_keep_the_price_seen_last() {
    let mine = put(&[], &[(1, 2)]).unwrap();
    let mut theirs = put(&[], &[(1, 3), (2, 1)]).unwrap();
    theirs[0].seen_price_minor = 120;
    let cart = CartId(Uuid::from_u128(7));
    let now = DateTime::UNIX_EPOCH;
    let merged = merge(cart, &mine, &theirs, LIMITS, now).unwrap();
    assert_eq!(quantities(&merged), [(1, 5), (2, 1)]);
    assert_eq!(
        (merged[0].id, merged[0].seen_price_minor),
        (mine[0].id, 120)
    );
    assert!(merged.iter().all(|line| line.cart_id == cart));
    let other = put(&[], &[(3, 1), (1, 9)]).unwrap();
    assert_eq!(
        merge(cart, &theirs, &other, LIMITS, now).unwrap_err().len(),
        2
    );
}

#[test]
fn a_line_tells_what_changed_since_it_was_seen() {
    let line = put(&[], &[(1, 4)]).unwrap().remove(0);
    let now = |price_minor, available| LineNow {
        line: line.clone(),
        price_minor,
        available,
    };
    assert_eq!(now(Some(100), 4).problems(), []);
    assert_eq!(
        now(Some(90), 3).problems(),
        [
            LineProblem::PriceChanged { was: 100, now: 90 },
            LineProblem::NotEnough
        ]
    );
    assert_eq!(now(Some(100), 0).problems(), [LineProblem::OutOfStock]);
    assert_eq!(now(None, 0).problems(), [LineProblem::Gone]);
    assert_eq!(now(Some(i64::MAX), 9).total_minor(), None);
}
