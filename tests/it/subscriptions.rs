//! Subscriptions: every change of an order in order, on every replica, across reconnections; products and stock.

use crate::support::http::{Client, Running};
use crate::support::socket::{Heard, Member, Socket};
use crate::support::wait::eventually;
use crate::support::{Profile, Sold, TestApp, profile, spawn};
use entity::accounts::Role;
use entity::events::outbox_event;
use entity::ids::OrderId;
use futures::future::join_all;
use futures::{StreamExt as _, stream};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpSocket;
use tradepost::app::App;
use tradepost::error::Fault;
use tradepost::health::State;

const ORDER: &str = "subscription($id: ID, $after: Int) {
  orderUpdated(id: $id, afterVersion: $after) {
    id version status paymentStatus cancelReason
    lines { fulfilledQuantity refundedQuantity } history { version toStatus } } }";
const ORDERS: &str =
    "subscription($filter: OrderFilter) { ordersUpdated(filter: $filter) { id version status } }";
const STOCK: &str = "subscription($variant: ID) {
  stockUpdated(variantId: $variant) { variant { sku } warehouse { code } onHand reserved available } }";
const PRODUCT: &str = "subscription($id: ID) { productUpdated(id: $id) { id availability variants { availability } } }";
const NOTE: &str = "mutation($id: ID!, $text: String!) {
  orderNoteAdd(id: $id, text: $text) { order { version } userErrors { code } } }";
const CANCEL: &str = "mutation($id: ID!, $reason: String) {
  orderCancel(id: $id, reason: $reason) { order { version } userErrors { code } } }";

/// A shop on two replicas.
struct Shop {
    test: TestApp,
    other: App,
    servers: [Running; 2],
    staff: Member,
    sold: Sold,
}

/// Connects a process to the others.
async fn connect(app: &App) {
    app.push().start(app.workers());
    app.cache().start();
    if profile() == Profile::Services && !app.config().redis.url.expose().is_empty() {
        eventually("it is subscribed", async || {
            (app.push().state().state == State::Ok).then_some(())
        })
        .await;
    }
}

impl Shop {
    async fn open(changes: &[(&'static str, Value)]) -> Self {
        let test = TestApp::with(changes).await;
        let other = test.replica().await;
        connect(&test.app).await;
        connect(&other).await;
        let servers = [test.serve().await, test.serve_replica(&other).await];
        let staff = test.member("staff@example.org", Role::Staff).await;
        let warehouse = test.warehouse("MAIN", 0).await;
        let sold = test.product("TEA", 495, warehouse, 1_000_000).await;
        Self {
            test,
            other,
            servers,
            staff,
            sold,
        }
    }

    /// The address of a replica.
    fn address(&self, replica: usize) -> std::net::SocketAddr {
        self.servers[replica % 2].address
    }

    fn staff(&self, replica: usize) -> Client {
        self.staff.client(self.address(replica))
    }

    /// An order of somebody, at version 1.
    async fn order(&self, member: &Member) -> String {
        let query = "mutation { orderCreate(input: { lines: [{ sku: \"tea\", quantity: 1 }] }) {
          order { id } userErrors { code } } }";
        let data = member.client(self.address(0)).data(query, json!({})).await;
        data["orderCreate"]["order"]["id"]
            .as_str()
            .unwrap_or_else(|| panic!("{data}"))
            .to_owned()
    }

    async fn note(&self, replica: usize, id: &str) {
        let variables = json!({ "id": id, "text": "noted" });
        let data = self.staff(replica).data(NOTE, variables).await;
        assert_eq!(data["orderNoteAdd"]["userErrors"], json!([]), "{data}");
    }

    async fn cancel(&self, replica: usize, id: &str) {
        let variables = json!({ "id": id, "reason": "changed my mind" });
        let data = self.staff(replica).data(CANCEL, variables).await;
        assert_eq!(data["orderCancel"]["userErrors"], json!([]), "{data}");
    }

    async fn subscribers(&self, count: usize) {
        eventually("all subscribe", async || {
            let now = self.test.app.hub().subscribers() + self.other.hub().subscribers();
            (now == count).then_some(())
        })
        .await;
    }
}

/// What a subscriber of one order saw of it.
struct Seen {
    order: String,
    changes: Vec<(i64, String)>,
}

/// Follows an order from version 1 until it is cancelled; with `cuts`, the connection breaks after each so many changes,
/// and the next one is to the other replica.
async fn follow(
    shop: Arc<Shop>,
    member: Member,
    order: String,
    n: usize,
    cut_after: usize,
) -> Seen {
    let mut seen = Seen {
        order: order.clone(),
        changes: Vec::new(),
    };
    let (mut last, mut replica) = (1, n);
    loop {
        let mut socket = Socket::connect(shop.address(replica), Some(&member.token)).await;
        let variables = json!({ "id": order, "after": last });
        socket.subscribe("1", ORDER, variables).await;
        for _ in 0..cut_after {
            let change = socket.data("1").await["orderUpdated"].take();
            assert_eq!(change["id"], json!(order), "another one's order");
            last = change["version"].as_i64().unwrap();
            let status = change["status"].as_str().unwrap().to_owned();
            seen.changes.push((last, status.clone()));
            if status == "CANCELLED" {
                return seen;
            }
        }
        // Dropped without a goodbye.
        drop(socket);
        replica += 1;
    }
}

/// Follows all orders of a member over one connection, until one is cancelled.
async fn follow_all(shop: Arc<Shop>, member: Member, order: String, n: usize) -> Seen {
    let mut socket = Socket::connect(shop.address(n), Some(&member.token)).await;
    socket.subscribe("1", ORDER, json!({})).await;
    let mut seen = Seen {
        order,
        changes: Vec::new(),
    };
    loop {
        let change = socket.data("1").await["orderUpdated"].take();
        assert_eq!(change["id"], json!(seen.order), "another one's order");
        let status = change["status"].as_str().unwrap().to_owned();
        seen.changes
            .push((change["version"].as_i64().unwrap(), status.clone()));
        if status == "CANCELLED" {
            return seen;
        }
    }
}

/// Must-hold 5: `count` subscribers on two replicas, each with an order that is changed on either replica.
async fn each_sees_every_change(count: usize) {
    const NOTES: usize = 6;
    let shop = Arc::new(Shop::open(&[]).await);
    // A few at a time: more passwords than that are not hashed at once.
    let members: Vec<(Member, String)> = stream::iter(0..count)
        .map(|n| {
            let shop = Arc::clone(&shop);
            async move {
                let email = format!("customer-{n}@example.org");
                let member = shop.test.member(&email, Role::Customer).await;
                let order = shop.order(&member).await;
                (member, order)
            }
        })
        .buffered(16)
        .collect()
        .await;
    let following: Vec<_> = members
        .iter()
        .cloned()
        .enumerate()
        .map(|(n, (member, order))| {
            let shop = Arc::clone(&shop);
            // A third follows all that is theirs, a third one order, and a third reconnects after every second change.
            spawn(async move {
                match n % 3 {
                    0 => follow_all(shop, member, order, n).await,
                    1 => follow(shop, member, order, n, usize::MAX).await,
                    _ => follow(shop, member, order, n, 2).await,
                }
            })
        })
        .collect();
    shop.subscribers(count).await;

    let under_way = AtomicUsize::new(0);
    let most_under_way = AtomicUsize::new(0);
    stream::iter(members.iter().enumerate())
        .for_each_concurrent(24, |(n, (_, order))| {
            let (shop, under_way, most) = (&shop, &under_way, &most_under_way);
            async move {
                let now = under_way.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
                for change in 0..NOTES {
                    shop.note(n + change, order).await;
                }
                shop.cancel(n, order).await;
                under_way.fetch_sub(1, Ordering::SeqCst);
            }
        })
        .await;
    assert!(
        most_under_way.into_inner() >= 16,
        "nothing happened at the same time"
    );

    let expected: Vec<(i64, String)> = (2..=7)
        .map(|version| (version, "AWAITING_PAYMENT".to_owned()))
        .chain([(8, "CANCELLED".to_owned())])
        .collect();
    for (n, seen) in join_all(following).await.into_iter().enumerate() {
        let seen = seen.unwrap();
        assert_eq!(seen.changes, expected, "subscriber {n} of {}", seen.order);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_subscribers_on_two_replicas_see_every_change_of_their_order_in_order() {
    each_sees_every_change(40).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: runs with scripts/test --full"]
async fn two_hundred_subscribers_on_two_replicas_see_every_change_of_their_order_in_order() {
    each_sees_every_change(200).await;
}

#[tokio::test]
async fn a_subscriber_resumes_after_a_version_and_sees_the_order_as_it_was() {
    let shop = Shop::open(&[]).await;
    let member = shop
        .test
        .member("customer@example.org", Role::Customer)
        .await;
    let order = shop.order(&member).await;
    shop.note(0, &order).await;
    shop.cancel(1, &order).await;

    let mut socket = Socket::connect(shop.address(1), Some(&member.token)).await;
    socket
        .subscribe("1", ORDER, json!({ "id": order, "after": 0 }))
        .await;
    for (version, status) in [
        (1, "AWAITING_PAYMENT"),
        (2, "AWAITING_PAYMENT"),
        (3, "CANCELLED"),
    ] {
        let change = socket.data("1").await["orderUpdated"].take();
        assert_eq!(
            (change["version"].as_i64(), change["status"].as_str()),
            (Some(version), Some(status))
        );
        let history = change["history"].as_array().unwrap();
        assert_eq!(
            history.len() as i64,
            version,
            "later changes are not shown: {change}"
        );
        let reason = (version == 3).then_some("changed my mind");
        assert_eq!(change["cancelReason"], json!(reason));
    }
    // Nothing is sent twice, and what comes next follows.
    shop.note(0, &order).await;
    assert_eq!(socket.data("1").await["orderUpdated"]["version"], 4);

    let stranger = shop
        .test
        .member("stranger@example.org", Role::Customer)
        .await;
    let mut strangers = Socket::connect(shop.address(0), Some(&stranger.token)).await;
    let unknown = shop.test.app.clock().id::<uuid::Uuid>();
    for (variables, reason) in [
        (json!({ "id": order }), Some("NOT_FOUND")),
        (json!({ "id": unknown, "after": 1 }), Some("NOT_FOUND")),
        (json!({ "id": "7" }), None),
        (json!({ "after": 1 }), None),
    ] {
        strangers.subscribe("1", ORDER, variables.clone()).await;
        let expected = ("BAD_USER_INPUT".to_owned(), reason.map(str::to_owned));
        assert_eq!(strangers.refused("1").await, expected, "{variables}");
    }
    socket
        .subscribe("2", ORDER, json!({ "id": order, "after": 5 }))
        .await;
    assert_eq!(
        socket.refused("2").await.1.as_deref(),
        Some("VERSION_AHEAD")
    );

    // The second change is not kept any more: whoever knows it goes on, whoever does not is told.
    let id: uuid::Uuid = order.parse().unwrap();
    let delete = shop.test.app.db().write("test.forget", async |tx| {
        outbox_event::Entity::delete_many()
            .filter(outbox_event::COLUMN.aggregate_id.eq(id))
            .filter(outbox_event::Column::AggregateVersion.lte(2))
            .exec(&*tx)
            .await?;
        Ok::<_, Fault>(())
    });
    delete.await.unwrap();
    socket
        .subscribe("3", ORDER, json!({ "id": order, "after": 2 }))
        .await;
    assert_eq!(socket.data("3").await["orderUpdated"]["version"], 3);
    socket.say(json!({ "type": "complete", "id": "3" })).await;
    let mut late = Socket::connect(shop.address(0), Some(&member.token)).await;
    late.subscribe("1", ORDER, json!({ "id": order, "after": 1 }))
        .await;
    assert_eq!(
        late.refused("1").await.1.as_deref(),
        Some("VERSION_TOO_OLD")
    );
}

/// The events of an order, taken out of the outbox, to be put back as they appear when transactions commit.
async fn take_events(app: &App, order: OrderId) -> Vec<outbox_event::Model> {
    app.db()
        .write("test.take", async |tx| {
            let of_order = outbox_event::COLUMN.aggregate_id.eq(order.0);
            let rows = outbox_event::Entity::find()
                .filter(of_order.clone())
                .order_by_asc(outbox_event::Column::Id)
                .all(&*tx)
                .await?;
            outbox_event::Entity::delete_many()
                .filter(of_order)
                .exec(&*tx)
                .await?;
            Ok::<_, Fault>(rows)
        })
        .await
        .unwrap()
}

async fn put_event(app: &App, row: &outbox_event::Model) {
    app.db()
        .write("test.put", async |tx| {
            let mut row = row.clone().into_active_model();
            row.published_at = Set(None);
            row.log_position = Set(None);
            outbox_event::Entity::insert(row)
                .exec_without_returning(&*tx)
                .await?;
            Ok::<_, Fault>(())
        })
        .await
        .unwrap();
}

/// Ids are given before commits: what appears below the greatest id that was seen is not lost. Nobody says that
/// something was written, so all of it is found by the poll.
#[tokio::test]
async fn what_commits_late_below_a_greater_id_is_seen_and_a_hole_in_the_versions_is_read_back() {
    let shop = Shop::open(&[]).await;
    let (app, member) = (
        &shop.test.app,
        shop.test.member("c@example.org", Role::Customer).await,
    );
    let (first, second) = (shop.order(&member).await, shop.order(&member).await);
    let third = shop.order(&member).await;
    let events = |order: &str| take_events(app, order.parse::<uuid::Uuid>().unwrap().into());
    let (first, second, third) = (
        events(&first).await,
        events(&second).await,
        events(&third).await,
    );

    let mut own = Socket::connect(shop.address(0), Some(&member.token)).await;
    own.subscribe("own", ORDER, json!({})).await;
    shop.subscribers(1).await;
    for event in [&third[0], &first[0], &second[0]] {
        put_event(app, event).await;
        let change = own.data("own").await["orderUpdated"].take();
        assert_eq!(change["id"], json!(event.aggregate_id));
    }
    own.say(json!({ "type": "complete", "id": "own" })).await;
    shop.subscribers(0).await;

    // The hub gives up on ids that are missing for too long; those who follow an order find the hole themselves.
    let order = shop.order(&member).await;
    for _ in 0..3 {
        shop.note(0, &order).await;
    }
    let events = events(&order).await;
    put_event(app, &events[0]).await;
    let mut one = Socket::connect(shop.address(0), Some(&member.token)).await;
    // It knows version 1, the order's row is at 4, and 2 to 4 are not there.
    one.subscribe("1", ORDER, json!({ "id": order, "after": 1 }))
        .await;
    assert_eq!(one.refused("1").await.1.as_deref(), Some("VERSION_TOO_OLD"));
    for event in &events[1..] {
        put_event(app, event).await;
    }
    one.subscribe("1", ORDER, json!({ "id": order, "after": 1 }))
        .await;
    for version in 2..=4 {
        assert_eq!(one.data("1").await["orderUpdated"]["version"], version);
    }
}

#[tokio::test]
async fn a_replica_without_redis_sees_changes_by_its_poll() {
    let shop = Shop::open(&[]).await;
    let mut config = shop.test.app.config().clone();
    config.redis.url = tradepost::config::Config::with::<Value>([])
        .unwrap()
        .redis
        .url;
    let alone = shop.test.replica_with(config).await;
    let server = shop.test.serve_replica(&alone).await;
    let member = shop
        .test
        .member("customer@example.org", Role::Customer)
        .await;
    let order = shop.order(&member).await;
    let mut socket = Socket::connect(server.address, Some(&member.token)).await;
    socket
        .subscribe("1", ORDER, json!({ "id": order, "after": 1 }))
        .await;
    for version in 2..=5 {
        shop.note(version, &order).await;
        assert_eq!(socket.data("1").await["orderUpdated"]["version"], version);
    }
}

#[tokio::test]
async fn staff_follow_orders_under_a_filter_and_others_are_refused() {
    let shop = Shop::open(&[]).await;
    let member = shop
        .test
        .member("customer@example.org", Role::Customer)
        .await;
    let (kept, cancelled) = (shop.order(&member).await, shop.order(&member).await);
    let mut staff = Socket::connect(shop.address(1), Some(&shop.staff.token)).await;
    let filter = json!({ "filter": { "status": { "eq": "CANCELLED" } } });
    staff.subscribe("cancelled", ORDERS, filter).await;
    staff.subscribe("one", ORDER, json!({ "id": kept })).await;
    shop.subscribers(2).await;
    shop.cancel(0, &cancelled).await;
    let change = staff.data("cancelled").await["ordersUpdated"].take();
    assert_eq!(
        change,
        json!({ "id": cancelled, "version": 2, "status": "CANCELLED" })
    );
    shop.note(0, &kept).await;
    assert_eq!(
        staff.data("one").await["orderUpdated"]["version"],
        2,
        "staff follow any order"
    );

    let mut customer = Socket::connect(shop.address(0), Some(&member.token)).await;
    let mut guest = Socket::connect(shop.address(0), None).await;
    for query in [ORDERS, STOCK] {
        customer.subscribe("1", query, json!({})).await;
        assert_eq!(customer.refused("1").await.0, "FORBIDDEN", "{query}");
    }
    for query in [ORDERS, STOCK, ORDER] {
        guest.subscribe("1", query, json!({})).await;
        assert_eq!(guest.refused("1").await.0, "UNAUTHENTICATED", "{query}");
    }
}

#[tokio::test]
async fn stock_and_products_are_told_when_orders_or_staff_change_them() {
    let shop = Shop::open(&[]).await;
    let member = shop
        .test
        .member("customer@example.org", Role::Customer)
        .await;
    let few = shop.test.product("CUP", 900, shop.sold.warehouse, 7).await;
    let mut staff = Socket::connect(shop.address(1), Some(&shop.staff.token)).await;
    let mut guest = Socket::connect(shop.address(1), None).await;
    staff
        .subscribe("cup", STOCK, json!({ "variant": few.variant }))
        .await;
    guest
        .subscribe("cup", PRODUCT, json!({ "id": few.product }))
        .await;
    shop.subscribers(2).await;
    let row = |on_hand: i64, reserved: i64| {
        json!({ "stockUpdated": { "variant": { "sku": "CUP" }, "warehouse": { "code": "MAIN" },
            "onHand": on_hand, "reserved": reserved, "available": on_hand - reserved } })
    };
    // The other replica remembers the product as it was.
    let look =
        "query($id: ID!) { product(by: { id: $id }) { availability variants { availability } } }";
    let reader = Client::of(shop.address(1));
    let before = reader.data(look, json!({ "id": few.product })).await;
    assert_eq!(before["product"]["availability"], "IN_STOCK");

    let buy = "mutation { orderCreate(input: { lines: [{ sku: \"cup\", quantity: 3 }] }) {
      order { id } userErrors { code } } }";
    let data = member.client(shop.address(0)).data(buy, json!({})).await;
    let order = data["orderCreate"]["order"]["id"].as_str().unwrap();
    assert_eq!(staff.data("cup").await, row(7, 3), "an order reserves");
    let told = guest.data("cup").await["productUpdated"].take();
    assert_eq!(told["availability"], "LOW_STOCK", "{told}");
    assert_eq!(told["variants"], json!([{ "availability": "LOW_STOCK" }]));
    shop.cancel(0, order).await;
    assert_eq!(staff.data("cup").await, row(7, 0), "it gives back");

    let adjust = "mutation($input: StockAdjustInput!) { stockAdjust(input: $input) { userErrors { code } } }";
    let input = json!({ "variantId": few.variant, "warehouseId": few.warehouse, "delta": -7, "reason": "DAMAGED" });
    let data = shop.staff(0).data(adjust, json!({ "input": input })).await;
    assert_eq!(data["stockAdjust"]["userErrors"], json!([]), "{data}");
    assert_eq!(staff.data("cup").await, row(0, 0));
    let told = eventually("nothing is left", async || {
        let told = guest.data("cup").await["productUpdated"].take();
        (told["availability"] == "OUT_OF_STOCK").then_some(told)
    })
    .await;
    assert_eq!(
        told["variants"],
        json!([{ "availability": "OUT_OF_STOCK" }])
    );

    // A note changes no stock: nothing is told, and the next message is of the next change.
    staff.subscribe("all", STOCK, json!({})).await;
    shop.subscribers(3).await;
    shop.note(0, order).await;
    shop.order(&member).await;
    let tea = staff.data("all").await["stockUpdated"].take();
    let tea = if tea["variant"]["sku"] == "CUP" {
        // The first that is told of a variant.
        assert_eq!(tea["onHand"], 0);
        staff.data("all").await["stockUpdated"].take()
    } else {
        tea
    };
    assert_eq!(
        (&tea["variant"]["sku"], &tea["reserved"]),
        (&json!("TEA"), &json!(1))
    );
}

/// A subscriber that does not read is dropped with a reason, and others notice nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_subscriber_is_dropped_and_slows_nobody() {
    const CHANGES: i64 = 120;
    let shop = Shop::open(&[("subscriptions.queue_max", json!(8))]).await;
    let member = shop
        .test
        .member("customer@example.org", Role::Customer)
        .await;
    let create = "mutation($note: String) { orderCreate(input: { note: $note, lines: [{ sku: \"tea\", quantity: 1 }] }) {
      order { id } userErrors { code } } }";
    let note = "x".repeat(1_000);
    let client = member.client(shop.address(0));
    let data = client.data(create, json!({ "note": note })).await;
    let order = data["orderCreate"]["order"]["id"]
        .as_str()
        .unwrap()
        .to_owned();

    // Results of 90 KB fill what the system keeps for a reader that does not read.
    let many: String = (0..90).map(|n| format!("n{n}: note ")).collect();
    let bulky = format!(
        "subscription($id: ID!) {{ orderUpdated(id: $id, afterVersion: 1) {{ version {many} }} }}"
    );
    let small = TcpSocket::new_v4().unwrap();
    small.set_recv_buffer_size(4_096).unwrap();
    let mut slow = Socket::over(
        small.connect(shop.address(0)).await.unwrap(),
        shop.address(0),
    )
    .await;
    slow.init(Some(&member.token)).await;
    slow.subscribe("1", &bulky, json!({ "id": order })).await;
    let mut quick = Socket::connect(shop.address(0), Some(&member.token)).await;
    quick
        .subscribe("1", ORDER, json!({ "id": order, "after": 1 }))
        .await;
    shop.subscribers(2).await;
    for version in 2..2 + CHANGES {
        shop.note(0, &order).await;
        assert_eq!(quick.data("1").await["orderUpdated"]["version"], version);
    }
    // What was on its way arrives, then the reason.
    let mut last = 1;
    let reason = loop {
        match slow.hear().await {
            Heard::Message(message) if message["type"] == "next" => {
                let version = message["payload"]["data"]["orderUpdated"]["version"].as_i64();
                assert_eq!(version, Some(last + 1));
                last += 1;
            }
            Heard::Message(message) => break message["payload"][0]["extensions"]["reason"].clone(),
            heard => panic!("{heard:?}"),
        }
    };
    assert_eq!(reason, "SLOW_SUBSCRIBER");
    assert!(last < 1 + CHANGES, "it was not slow");
    // It reads again, and goes on where it was.
    slow.subscribe("1", ORDER, json!({ "id": order, "after": last }))
        .await;
    assert_eq!(slow.data("1").await["orderUpdated"]["version"], last + 1);
}
