//! Golden records; those of every type are in `released/events`.

use super::*;
use entity::ids::EventId;
use serde_json::json;

const ORDER: &str = "019a9e5c-0a00-7000-8000-000000000001";
const USER: &str = "019a9e5c-0a00-7000-8000-000000000002";
/// Its first 48 bits are 2025-11-19T23:03:43.617Z.
const EVENT: &str = "019a9e5c-0b01-7000-8000-000000000003";

fn settings(changes: &[(&'static str, Value)]) -> Settings {
    let mut all = vec![("http.public_url", Value::from("https://shop.example.com/"))];
    all.extend_from_slice(changes);
    Settings::of(&Config::with(all).unwrap())
}

fn row(event_type: &str, payload: Value) -> outbox_event::Model {
    outbox_event::Model {
        id: 7,
        event_id: EventId(EVENT.parse().unwrap()),
        shard: 1,
        aggregate_type: "order".to_owned(),
        aggregate_id: ORDER.parse().unwrap(),
        aggregate_version: Some(1),
        event_type: event_type.to_owned(),
        payload,
        headers: json!({}),
        created_at: "2025-11-19T23:03:43.617123Z".parse().unwrap(),
        published_at: None,
        attempts: 0,
        last_error: None,
        parked_at: None,
        log_position: None,
    }
}

fn created() -> outbox_event::Model {
    row(
        ORDER_CREATED,
        json!({
            "orderId": ORDER, "number": "ORD-2025-000001", "version": 1, "status": "AWAITING_PAYMENT",
            "paymentStatus": "UNPAID", "userId": USER,
            "total": {"amount": "150.00", "currencyCode": "GBP"}, "refunded": {"amount": "0.00", "currencyCode": "GBP"},
            "lines": [{
                "lineId": "019a9e5c-0a00-7000-8000-000000000004", "productId": "019a9e5c-0a00-7000-8000-000000000005",
                "variantId": "019a9e5c-0a00-7000-8000-000000000006", "sku": "MUG-BLUE", "name": "Mug, blue", "quantity": 2,
                "fulfilledQuantity": 0, "refundedQuantity": 0,
                "unitPrice": {"amount": "75.00", "currencyCode": "GBP"}, "total": {"amount": "150.00", "currencyCode": "GBP"}
            }],
            "createdAt": "2025-11-19T23:03:43.617123Z", "updatedAt": "2025-11-19T23:03:43.617123Z"
        }),
    )
}

fn headers_of(record: &Record) -> Vec<(&str, &str)> {
    record
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), std::str::from_utf8(value).unwrap()))
        .collect()
}

fn body(record: &Record) -> Value {
    serde_json::from_slice(&record.value).unwrap()
}

#[test]
fn a_created_order_yields_the_main_record_and_the_flat_one() {
    let row = created();
    let records = records(&settings(&[]), &row, None).unwrap();
    let [main, flat] = records.as_slice() else {
        panic!("{records:?}");
    };

    assert_eq!(main.topic, "tradepost.orders.v1");
    assert_eq!(main.key, ORDER);
    assert_eq!(main.timestamp, row.created_at);
    assert_eq!(
        headers_of(main),
        [
            ("ce_specversion", "1.0"),
            ("ce_id", EVENT),
            ("ce_type", "tradepost.order.created.v1"),
            ("ce_source", "/tradepost/main/orders"),
            ("ce_subject", ORDER),
            ("ce_time", "2025-11-19T23:03:43.617123Z"),
            ("ce_aggregateversion", "1"),
            ("ce_partitionkey", ORDER),
            (
                "ce_dataschema",
                "https://shop.example.com/events/schemas/tradepost.order.created.v1.json"
            ),
            ("content-type", "application/json"),
        ]
    );
    assert_eq!(body(main), row.payload);

    assert_eq!(flat.topic, "order_created");
    assert_eq!(flat.key, ORDER);
    assert_eq!(flat.header("ce_id"), Some(EVENT), "both have the same id");
    assert_eq!(flat.header("ce_type"), Some("OrderCreatedEvent"));
    assert_eq!(flat.header("ce_subject"), Some(ORDER));
    assert_eq!(
        body(flat),
        json!({
            "order_id": ORDER, "user_id": USER, "user_email": null, "total_price": "150.00",
            "created_at": "2025-11-19T23:03:43.617123Z", "currency": "GBP"
        })
    );
}

#[test]
fn other_events_and_a_topic_that_is_off_yield_the_main_record_alone() {
    let paid = row("tradepost.order.paid.v1", json!({"version": 2}));
    assert_eq!(records(&settings(&[]), &paid, None).unwrap().len(), 1);
    let off = settings(&[("events.order_created_topic", Value::from(""))]);
    assert_eq!(records(&off, &created(), None).unwrap().len(), 1);
    assert_eq!(off.first_topics(), ["tradepost.orders.v1"]);
}

#[test]
fn the_email_is_there_only_when_it_is_wanted() {
    let row = created();
    assert_eq!(settings(&[]).wants_email_of(&row), None);
    let wanted = settings(&[("events.include_email", Value::from(true))]);
    assert_eq!(wanted.wants_email_of(&row), Some(USER.parse().unwrap()));
    let records = records(&wanted, &row, Some("a@example.com")).unwrap();
    assert_eq!(body(&records[1])["user_email"], "a@example.com");
    assert!(body(&records[0]).get("user_email").is_none());
}

#[test]
fn the_time_of_recording_stands_beside_an_earlier_time_of_the_event() {
    let mut row = created();
    row.created_at = "2025-11-19T23:00:00Z".parse().unwrap();
    let record = main(&settings(&[]), &row).unwrap();
    assert_eq!(
        record.header("ce_time"),
        Some("2025-11-19T23:00:00.000000Z")
    );
    assert_eq!(
        record.header("ce_recordedtime"),
        Some("2025-11-19T23:03:43.617000Z")
    );
}

#[test]
fn written_headers_become_attributes() {
    let mut row = created();
    row.headers = json!({"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"});
    let record = main(&settings(&[]), &row).unwrap();
    assert_eq!(
        record.header("ce_traceparent"),
        Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    );
}

#[test]
fn each_aggregate_has_its_topic_and_an_unknown_one_cannot_be_sent() {
    let settings = settings(&[("events.topic_prefix", Value::from("shop"))]);
    let topic = |aggregate: &str| {
        let mut row = row("tradepost.thing.changed.v1", json!({}));
        row.aggregate_type = aggregate.to_owned();
        row.aggregate_version = None;
        main(&settings, &row).map(|record| record.topic)
    };
    assert_eq!(topic("product").unwrap(), "shop.catalog.v1");
    assert_eq!(topic("category").unwrap(), "shop.catalog.v1");
    assert_eq!(topic("variant").unwrap(), "shop.inventory.v1");
    assert_eq!(topic("user").unwrap(), "shop.accounts.v1");
    assert!(matches!(topic("moon"), Err(Unsendable::Aggregate(_))));
    assert_eq!(
        settings.topics(),
        [
            "shop.orders.v1",
            "shop.catalog.v1",
            "shop.inventory.v1",
            "shop.accounts.v1"
        ]
    );
}

#[test]
fn a_created_order_without_a_total_cannot_be_sent() {
    let row = row(ORDER_CREATED, json!({"orderId": ORDER, "userId": USER}));
    assert!(matches!(
        records(&settings(&[]), &row, None),
        Err(Unsendable::Missing("/total/amount"))
    ));
}
