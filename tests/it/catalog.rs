//! Categories, products and variants: what staff change, what is refused, and what other domains are told.

use crate::support::TestApp;
use crate::support::graph::Graph;
use entity::accounts::Role;
use entity::catalog::Availability;
use entity::ids::{OrderId, OrderLineId, ProductId, VariantId};
use entity::orders::{OrderOrigin, OrderStatus, PaymentStatus, order, order_line};
use sea_orm::{EntityTrait, IntoActiveModel};
use serde_json::{Value, json};
use tradepost::domain::catalog::service::{ResolveError, VariantReference};
use tradepost::error::Fault;
use uuid::Uuid;

const CREATE: &str = "mutation($input: ProductCreateInput!, $key: String) {
    productCreate(input: $input, idempotencyKey: $key) {
        product { id slug name status version externalReference availability description
            price { amount currencyCode } priceRange { min { amount } max { amount } }
            defaultVariant { id sku }
            variants { id sku name version isArchived price { amount } options { name value } }
            images { url alt } categories { id name } }
        userErrors { code path message }
    } }";
const UPDATE: &str = "mutation($id: ID!, $input: ProductUpdateInput!) {
    productUpdate(id: $id, input: $input) {
        product { id slug name status version externalReference description
            price { amount } defaultVariant { sku } images { url } categories { name } }
        userErrors { code path message }
    } }";
const DELETE: &str = "mutation($id: ID!) { productDelete(id: $id) {
    product { id status version } userErrors { code path } warnings { message path } } }";
const VARIANT_CREATE: &str = "mutation($id: ID!, $input: VariantCreateInput!, $key: String) {
    variantCreate(productId: $id, input: $input, idempotencyKey: $key) {
        variant { id sku name product { version price { amount } priceRange { min { amount } max { amount } } } }
        userErrors { code path } } }";
const VARIANT_UPDATE: &str = "mutation($id: ID!, $input: VariantUpdateInput!) {
    variantUpdate(id: $id, input: $input) {
        variant { id sku name version price { amount } options { name value }
            product { version price { amount } priceRange { min { amount } max { amount } } } }
        userErrors { code path } } }";
const VARIANT_DELETE: &str = "mutation($id: ID!) { variantDelete(id: $id) {
    variant { id isArchived product { defaultVariant { sku } price { amount } variants { sku isArchived } } }
    userErrors { code path } warnings { message } } }";
const CATEGORY_CREATE: &str = "mutation($input: CategoryCreateInput!, $key: String) {
    categoryCreate(input: $input, idempotencyKey: $key) {
        category { id slug name status position version parent { slug } } userErrors { code path } } }";
const CATEGORY_UPDATE: &str = "mutation($id: ID!, $input: CategoryUpdateInput!) {
    categoryUpdate(id: $id, input: $input) {
        category { id slug name description status position version } userErrors { code path } } }";
const CATEGORY_MOVE: &str =
    "mutation($id: ID!, $parent: ID) { categoryMove(id: $id, parentId: $parent) {
    category { position version parent { slug } } userErrors { code path } } }";
const CATEGORY_DELETE: &str = "mutation($id: ID!) { categoryDelete(id: $id) {
    category { slug } userErrors { code path } } }";

/// Makes a product with one variant.
async fn product(staff: &Graph, name: &str, sku: &str, price: &str) -> Value {
    let input = json!({"name": name, "sku": sku, "price": price});
    staff.done(CREATE, json!({ "input": input })).await["product"].take()
}

async fn category(staff: &Graph, name: &str, parent: Option<&Value>) -> Value {
    let input = json!({"name": name, "parentId": parent.map(|parent| &parent["id"])});
    staff.done(CATEGORY_CREATE, json!({ "input": input })).await["category"].take()
}

fn uuid(id: &Value) -> Uuid {
    id.as_str().unwrap().parse().unwrap()
}

/// An order with one line of a variant, so that the variant cannot be deleted any more.
async fn ordered(test: &TestApp, product_id: &Value, variant_id: &Value) {
    let now = test.app.clock().now();
    let order_id: OrderId = test.app.clock().id();
    let order = order::Model {
        id: order_id,
        number: format!("TEST-{order_id}").chars().take(24).collect(),
        user_id: None,
        status: OrderStatus::Paid,
        payment_status: PaymentStatus::Paid,
        origin: OrderOrigin::Live,
        source: None,
        external_reference: None,
        customer_reference: None,
        client_reference: None,
        note: None,
        shipping_address: None,
        billing_address: None,
        cancel_reason: None,
        subtotal_minor: 100,
        total_minor: 100,
        refunded_minor: 0,
        currency: "GBP".to_owned(),
        reservation_expires_at: None,
        reservation_extended_at: None,
        version: 1,
        created_at: now,
        updated_at: now,
        paid_at: None,
        cancelled_at: None,
        fulfilled_at: None,
    };
    let line = order_line::Model {
        id: test.app.clock().id::<OrderLineId>(),
        order_id,
        position: 0,
        product_id: ProductId(uuid(product_id)),
        variant_id: VariantId(uuid(variant_id)),
        sku: "X".to_owned(),
        name: "X".to_owned(),
        quantity: 1,
        unit_price_minor: 100,
        total_minor: 100,
        fulfilled: 0,
        refunded: 0,
        dropped: 0,
        restocked: 0,
    };
    let (order, line) = (&order, &line);
    let written = test.app.db().write("test.order", async |tx| {
        let (order, line) = (
            order.clone().into_active_model(),
            line.clone().into_active_model(),
        );
        order::Entity::insert(order)
            .exec_without_returning(&*tx)
            .await?;
        order_line::Entity::insert(line)
            .exec_without_returning(&*tx)
            .await?;
        Ok::<_, Fault>(())
    });
    written.await.unwrap();
}

#[tokio::test]
async fn a_product_is_made_and_found_by_every_name() {
    let test = TestApp::new().await;
    let (staff, guest) = (test.viewer(Role::Staff), test.guest());
    let teas = category(&staff, "Teas", None).await;
    let input = json!({
        "name": " Crème de Thé ", "description": "Smooth.", "externalReference": "erp-7",
        "categoryIds": [teas["id"], teas["id"]],
        "images": [{"url": "https://example.com/1.jpg", "alt": "A cup"}, {"url": "https://example.com/2.jpg"}],
        "variants": [
            {"sku": "CT-100", "price": "4.50", "options": [{"name": "Size", "value": "100 g"}]},
            {"sku": "CT-250", "price": "9", "name": "Large"},
        ],
    });
    let made = staff.done(CREATE, json!({ "input": input })).await["product"].take();
    let first = made["variants"][0]["id"].clone();
    let second = made["variants"][1]["id"].clone();
    assert_eq!(
        made,
        json!({
            "id": made["id"], "slug": "creme-de-the", "name": "Crème de Thé", "status": "ACTIVE", "version": 1,
            "externalReference": "erp-7", "availability": "OUT_OF_STOCK", "description": "Smooth.",
            "price": {"amount": "4.50", "currencyCode": "GBP"},
            "priceRange": {"min": {"amount": "4.50"}, "max": {"amount": "9.00"}},
            "defaultVariant": {"id": first, "sku": "CT-100"},
            "variants": [
                {"id": first, "sku": "CT-100", "name": "100 g", "version": 1, "isArchived": false,
                 "price": {"amount": "4.50"}, "options": [{"name": "Size", "value": "100 g"}]},
                {"id": second, "sku": "CT-250", "name": "Large", "version": 1, "isArchived": false,
                 "price": {"amount": "9.00"}, "options": []},
            ],
            "images": [{"url": "https://example.com/1.jpg", "alt": "A cup"},
                       {"url": "https://example.com/2.jpg", "alt": ""}],
            "categories": [{"id": teas["id"], "name": "Teas"}],
        })
    );
    let query = "query($by: ProductBy!) { product(by: $by) { id } }";
    for by in [
        json!({"id": made["id"]}),
        json!({"slug": "creme-de-the"}),
        json!({"sku": "ct-250"}),
        json!({"externalReference": "erp-7"}),
    ] {
        let found = guest.data(query, json!({ "by": by })).await;
        assert_eq!(found["product"]["id"], made["id"], "{by}");
    }
    for by in [
        json!({"slug": "CREME-DE-THE"}),
        json!({"id": Uuid::nil()}),
        json!({"sku": ""}),
    ] {
        assert_eq!(
            guest.data(query, json!({ "by": by })).await["product"],
            json!(null),
            "{by}"
        );
    }
    assert_eq!(
        guest.error(query, json!({"by": {"id": "7"}})).await,
        "BAD_USER_INPUT"
    );
}

#[tokio::test]
async fn every_mistake_of_a_new_product_is_told_at_once() {
    let test = TestApp::new().await;
    let staff = test.viewer(Role::Staff);
    let input = json!({
        "name": " ", "slug": "No Slug", "description": "x".repeat(10_001), "externalReference": "r".repeat(65),
        "categoryIds": ["7"], "sku": "A", "price": "1",
        "images": [{"url": "javascript:alert(1)", "alt": "x".repeat(251)}],
        "variants": [
            {"sku": " ", "price": "0.001"},
            {"sku": "s".repeat(65), "price": "-1", "options": [{"name": "", "value": "v".repeat(121)}]},
            {"sku": "ok", "price": "10000000000.01", "name": "n".repeat(121)},
        ],
    });
    let mut wrong = staff.refused(CREATE, json!({ "input": input })).await;
    wrong.sort();
    let mut expected = vec![
        "REQUIRED input.name",
        "INVALID input.slug",
        "TOO_LONG input.description",
        "TOO_LONG input.externalReference",
        "INVALID input.categoryIds.0",
        "INVALID input.sku",
        "INVALID input.price",
        "INVALID input.images.0.url",
        "TOO_LONG input.images.0.alt",
        "REQUIRED input.variants.0.sku",
        "PRECISION input.variants.0.price",
        "TOO_LONG input.variants.1.sku",
        "OUT_OF_RANGE input.variants.1.price",
        "REQUIRED input.variants.1.options.0.name",
        "TOO_LONG input.variants.1.options.0.value",
        "OUT_OF_RANGE input.variants.2.price",
        "TOO_LONG input.variants.2.name",
    ];
    expected.sort_unstable();
    assert_eq!(wrong, expected);
    let nothing = json!({"input": {"name": "Tea", "variants": []}});
    let expected = ["REQUIRED input.sku", "REQUIRED input.price"];
    assert_eq!(staff.refused(CREATE, nothing).await, expected);
    let many: Vec<Value> = (0..101)
        .map(|n| json!({"sku": format!("s{n}"), "price": "1"}))
        .collect();
    let many = json!({"input": {"name": "Tea", "variants": many}});
    assert_eq!(
        staff.refused(CREATE, many).await,
        ["TOO_LONG input.variants"]
    );
    let number = "mutation { productCreate(input: {name: \"Tea\", sku: \"a\", price: 1.5}) { userErrors { code } } }";
    assert_eq!(staff.error(number, json!({})).await, "BAD_USER_INPUT");
}

#[tokio::test]
async fn what_is_taken_or_unknown_is_told_at_once() {
    let test = TestApp::new().await;
    let staff = test.viewer(Role::Staff);
    let input = json!({"name": "Tea", "slug": "tea", "externalReference": "r", "sku": "Tea-1", "price": "1"});
    staff.done(CREATE, json!({ "input": input })).await;
    let input = json!({
        "name": "Other", "slug": "tea", "externalReference": "r", "categoryIds": [Uuid::nil()],
        "variants": [{"sku": "new", "price": "1"}, {"sku": "TEA-1", "price": "1"}, {"sku": "NEW ", "price": "1"}],
    });
    assert_eq!(
        staff.refused(CREATE, json!({ "input": input })).await,
        [
            "ALREADY_EXISTS input.slug",
            "ALREADY_EXISTS input.externalReference",
            "NOT_FOUND input.categoryIds.0",
            "ALREADY_EXISTS input.variants.1.sku",
            "ALREADY_EXISTS input.variants.2.sku",
        ]
    );
    let input = json!({"input": {"name": "Other", "sku": "tEA-1", "price": "1"}});
    assert_eq!(
        staff.refused(CREATE, input).await,
        ["ALREADY_EXISTS input.sku"]
    );
}

#[tokio::test]
async fn products_of_one_name_made_at_once_get_slugs_of_their_own() {
    let test = TestApp::new().await;
    let staff = test.viewer(Role::Staff);
    let made =
        futures::future::join_all(
            (0..12).map(|n| {
                let staff = staff.clone();
                async move {
                    product(&staff, "Green Tea", &format!("sku-{n}"), "1").await["slug"].take()
                }
            }),
        );
    let mut slugs: Vec<String> = made
        .await
        .iter()
        .map(|slug| slug.as_str().unwrap().to_owned())
        .collect();
    slugs.sort();
    let mut expected: Vec<String> = (2..=12).map(|n| format!("green-tea-{n}")).collect();
    expected.push("green-tea".to_owned());
    expected.sort();
    assert_eq!(slugs, expected);
}

#[tokio::test]
async fn one_of_many_requests_for_one_sku_wins() {
    let test = TestApp::new().await;
    let staff = test.viewer(Role::Staff);
    let tries = futures::future::join_all((0..8).map(|n| {
        let staff = staff.clone();
        let input = json!({"name": format!("Tea {n}"), "sku": if n % 2 == 0 { "TEA" } else { "tea" }, "price": "1"});
        async move { staff.ask(CREATE, json!({ "input": input })).await["data"]["productCreate"].take() }
    }));
    let tries = tries.await;
    let (won, lost): (Vec<_>, Vec<_>) = tries
        .iter()
        .partition(|payload| payload["userErrors"] == json!([]));
    assert_eq!(won.len(), 1, "{tries:?}");
    for payload in lost {
        assert_eq!(
            payload["userErrors"][0]["code"], "ALREADY_EXISTS",
            "{payload}"
        );
        assert_eq!(payload["userErrors"][0]["path"], json!(["input", "sku"]));
    }
}

#[tokio::test]
async fn one_key_makes_one_product() {
    let test = TestApp::new().await;
    let staff = test.viewer(Role::Staff);
    let input = json!({"name": "Tea", "sku": "tea", "price": "1"});
    let variables = json!({"input": input, "key": "k"});
    let made =
        futures::future::join_all((0..8).map(|_| staff.done(CREATE, variables.clone()))).await;
    for payload in &made {
        assert_eq!(payload["product"]["id"], made[0]["product"]["id"]);
    }
    let other = json!({"input": {"name": "Tea", "sku": "tea", "price": "2"}, "key": "k"});
    let reused = ["IDEMPOTENCY_KEY_REUSED idempotencyKey"];
    assert_eq!(staff.refused(CREATE, other).await, reused);
    let empty = json!({"input": {"name": "Tea", "sku": "x", "price": "2"}, "key": ""});
    assert_eq!(
        staff.refused(CREATE, empty).await,
        ["INVALID idempotencyKey"]
    );
    let id = &made[0]["product"]["id"];
    let add = json!({"id": id, "input": {"sku": "tea-2", "price": "3"}, "key": "k"});
    let first = staff.done(VARIANT_CREATE, add.clone()).await;
    assert_eq!(
        staff.done(VARIANT_CREATE, add).await["variant"]["id"],
        first["variant"]["id"]
    );
    let teas = json!({"input": {"name": "Teas"}, "key": "k"});
    let first = staff.done(CATEGORY_CREATE, teas.clone()).await;
    assert_eq!(
        staff.done(CATEGORY_CREATE, teas).await["category"]["id"],
        first["category"]["id"]
    );
    staff.done(DELETE, json!({ "id": id })).await;
    assert_eq!(
        staff.refused(CREATE, variables).await,
        ["NOT_FOUND idempotencyKey"]
    );
}

#[tokio::test]
async fn a_change_touches_only_what_it_names() {
    let test = TestApp::new().await;
    let staff = test.viewer(Role::Staff);
    let teas = category(&staff, "Teas", None).await;
    let input = json!({
        "name": "Tea", "externalReference": "r", "description": "d", "categoryIds": [teas["id"]],
        "images": [{"url": "https://example.com/1.jpg"}],
        "variants": [{"sku": "a", "price": "1"}, {"sku": "b", "price": "2"}],
    });
    let made = staff.done(CREATE, json!({ "input": input })).await["product"].take();
    let id = &made["id"];
    let change = async |input: Value| {
        staff.done(UPDATE, json!({"id": id, "input": input})).await["product"].take()
    };
    let same = change(json!({})).await;
    assert_eq!(same["version"], 2);
    for field in ["slug", "name", "externalReference", "description", "status"] {
        assert_eq!(same[field], made[field], "{field}");
    }
    assert_eq!(
        same["images"],
        json!([{"url": "https://example.com/1.jpg"}])
    );
    let changed = change(json!({
        "name": "Black tea", "slug": "black-tea", "description": null, "externalReference": null, "status": "DRAFT",
        "categoryIds": [], "images": [], "defaultVariantId": made["variants"][1]["id"], "expectedVersion": 2,
    }));
    let changed = changed.await;
    let expected = json!({
        "id": id, "slug": "black-tea", "name": "Black tea", "status": "DRAFT", "version": 3, "externalReference": null,
        "description": "", "price": {"amount": "2.00"}, "defaultVariant": {"sku": "b"}, "images": [], "categories": [],
    });
    assert_eq!(changed, expected);
}

#[tokio::test]
async fn a_change_that_cannot_be_is_refused() {
    let test = TestApp::new().await;
    let staff = test.viewer(Role::Staff);
    let input =
        json!({"input": {"name": "Tea", "externalReference": "r", "sku": "a", "price": "1"}});
    let other = staff.done(CREATE, input).await["product"].take();
    let made = product(&staff, "Coffee", "b", "1").await;
    let refused = async |id: &Value, input: Value| {
        staff
            .refused(UPDATE, json!({"id": id, "input": input}))
            .await
    };
    let wrong = json!({
        "slug": "tea", "externalReference": "r", "categoryIds": [Uuid::nil()],
        "defaultVariantId": other["defaultVariant"]["id"],
    });
    assert_eq!(
        refused(&made["id"], wrong).await,
        [
            "ALREADY_EXISTS input.slug",
            "ALREADY_EXISTS input.externalReference",
            "NOT_FOUND input.categoryIds.0",
            "NOT_FOUND input.defaultVariantId",
        ]
    );
    let stale = refused(&made["id"], json!({"expectedVersion": 7})).await;
    assert_eq!(stale, ["VERSION_STALE input.expectedVersion"]);
    let empty = refused(
        &json!("7"),
        json!({"name": null, "slug": "", "externalReference": ""}),
    )
    .await;
    let expected = [
        "INVALID id",
        "REQUIRED input.externalReference",
        "REQUIRED input.name",
        "REQUIRED input.slug",
    ];
    assert_eq!(empty, expected);
    assert_eq!(
        refused(&json!(Uuid::nil()), json!({})).await,
        ["NOT_FOUND id"]
    );
    // Its own slug and reference are not another's.
    let own = json!({"slug": "tea", "externalReference": "r"});
    staff
        .done(UPDATE, json!({"id": other["id"], "input": own}))
        .await;
}

#[tokio::test]
async fn what_orders_refer_to_is_archived_and_the_rest_deleted() {
    let test = TestApp::new().await;
    let (staff, guest) = (test.viewer(Role::Staff), test.guest());
    let find = "query($id: ID!) { product(by: {id: $id}) { status } }";
    let never = product(&staff, "Never", "never", "1").await;
    let gone = staff.done(DELETE, json!({"id": never["id"]})).await;
    assert_eq!(gone["product"]["status"], "ACTIVE");
    assert_eq!(gone["warnings"], json!([]));
    let found = staff.data(find, json!({"id": never["id"]})).await;
    assert_eq!(found["product"], json!(null));
    assert_eq!(
        staff.refused(DELETE, json!({"id": never["id"]})).await,
        ["NOT_FOUND id"]
    );

    let once = product(&staff, "Once", "once", "1").await;
    ordered(&test, &once["id"], &once["defaultVariant"]["id"]).await;
    let kept = staff.done(DELETE, json!({"id": once["id"]})).await;
    assert_eq!(
        kept["product"],
        json!({"id": once["id"], "status": "ARCHIVED", "version": 2})
    );
    assert_eq!(kept["warnings"][0]["path"], json!(["id"]));
    let variables = json!({"id": once["id"]});
    assert_eq!(
        guest.data(find, variables.clone()).await["product"],
        json!(null)
    );
    assert_eq!(
        staff.data(find, variables).await["product"]["status"],
        "ARCHIVED"
    );
}

#[tokio::test]
async fn variants_come_and_go_and_the_product_repeats_them() {
    let test = TestApp::new().await;
    let (staff, guest) = (test.viewer(Role::Staff), test.guest());
    let made = product(&staff, "Tea", "a", "5").await;
    let add = async |sku: &str, price: &str| {
        let input = json!({"sku": sku, "price": price});
        staff
            .done(VARIANT_CREATE, json!({"id": made["id"], "input": input}))
            .await["variant"]
            .take()
    };
    let b = add("b", "3").await;
    let c = add("c", "8").await;
    assert_eq!(
        c["product"],
        json!({"version": 3, "price": {"amount": "5.00"},
               "priceRange": {"min": {"amount": "3.00"}, "max": {"amount": "8.00"}}})
    );
    let input = json!({"sku": " B-2 ", "price": "9.99", "name": "Bee", "options": [{"name": "n", "value": "v"}],
                       "expectedVersion": 1});
    let changed = staff
        .done(VARIANT_UPDATE, json!({"id": b["id"], "input": input}))
        .await;
    assert_eq!(
        changed["variant"],
        json!({"id": b["id"], "sku": "B-2", "name": "Bee", "version": 2, "price": {"amount": "9.99"},
               "options": [{"name": "n", "value": "v"}],
               "product": {"version": 4, "price": {"amount": "5.00"},
                           "priceRange": {"min": {"amount": "5.00"}, "max": {"amount": "9.99"}}}})
    );
    // The default goes; the first of the others takes its place. The one that was ordered is kept for staff.
    ordered(&test, &made["id"], &b["id"]).await;
    let a = json!({"id": made["defaultVariant"]["id"]});
    let gone = staff.done(VARIANT_DELETE, a).await;
    assert_eq!(
        gone["variant"]["product"]["defaultVariant"],
        json!({"sku": "B-2"})
    );
    let kept = staff.done(VARIANT_DELETE, json!({"id": b["id"]})).await;
    assert_eq!(kept["warnings"].as_array().unwrap().len(), 1);
    assert_eq!(
        kept["variant"],
        json!({"id": b["id"], "isArchived": true, "product": {
            "defaultVariant": {"sku": "c"}, "price": {"amount": "8.00"},
            "variants": [{"sku": "B-2", "isArchived": true}, {"sku": "c", "isArchived": false}]}})
    );
    let query = "query($id: ID!) { product(by: {id: $id}) { variants { sku } } }";
    let seen = guest.data(query, json!({"id": made["id"]})).await;
    assert_eq!(seen["product"]["variants"], json!([{"sku": "c"}]));
    assert_eq!(
        staff.refused(VARIANT_DELETE, json!({"id": c["id"]})).await,
        ["INVALID id"]
    );
}

#[tokio::test]
async fn a_variant_that_cannot_be_is_refused() {
    let test = TestApp::new().await;
    let staff = test.viewer(Role::Staff);
    let made = product(&staff, "Tea", "a", "5").await;
    let a = &made["defaultVariant"]["id"];
    let input = json!({"sku": "b", "price": "1"});
    let b = staff
        .done(VARIANT_CREATE, json!({"id": made["id"], "input": input}))
        .await["variant"]
        .take();
    let wrong = json!({"sku": "A", "price": "1"});
    for (query, variables, expected) in [
        (
            VARIANT_CREATE,
            json!({"id": made["id"], "input": wrong}),
            vec!["ALREADY_EXISTS input.sku"],
        ),
        (
            VARIANT_CREATE,
            json!({"id": Uuid::nil(), "input": input}),
            vec!["NOT_FOUND productId"],
        ),
        (
            VARIANT_CREATE,
            json!({"id": "7", "input": {"sku": "", "price": "0.001"}}),
            vec![
                "INVALID productId",
                "REQUIRED input.sku",
                "PRECISION input.price",
            ],
        ),
        (
            VARIANT_UPDATE,
            json!({"id": b["id"], "input": {"sku": "A"}}),
            vec!["ALREADY_EXISTS input.sku"],
        ),
        (
            VARIANT_UPDATE,
            json!({"id": a, "input": {"expectedVersion": 3}}),
            vec!["VERSION_STALE input.expectedVersion"],
        ),
        (
            VARIANT_UPDATE,
            json!({"id": a, "input": {"position": -1}}),
            vec!["OUT_OF_RANGE input.position"],
        ),
        (
            VARIANT_UPDATE,
            json!({"id": Uuid::nil(), "input": {}}),
            vec!["NOT_FOUND id"],
        ),
        (
            VARIANT_DELETE,
            json!({"id": Uuid::nil()}),
            vec!["NOT_FOUND id"],
        ),
        (VARIANT_DELETE, json!({"id": "7"}), vec!["INVALID id"]),
    ] {
        assert_eq!(
            staff.refused(query, variables.clone()).await,
            expected,
            "{variables}"
        );
    }
    // Its own SKU in another case is not another's.
    staff
        .done(VARIANT_UPDATE, json!({"id": a, "input": {"sku": "A"}}))
        .await;
}

#[tokio::test]
async fn categories_stand_in_a_tree() {
    let test = TestApp::new().await;
    let staff = test.viewer(Role::Staff);
    let food = category(&staff, "Food", None).await;
    let teas = category(&staff, "Teas", Some(&food)).await;
    let green = category(&staff, "Green", Some(&teas)).await;
    let again = category(&staff, "Green", Some(&food)).await;
    assert_eq!(
        (&again["slug"], &again["position"]),
        (&json!("green-2"), &json!(1))
    );
    let query = "query { categories(filter: {isRoot: true}) { nodes { name children { name children { name } }
        parent { name } } } }";
    let tree = staff.data(query, json!({})).await;
    assert_eq!(
        tree["categories"]["nodes"],
        json!([{"name": "Food", "parent": null, "children": [
            {"name": "Teas", "children": [{"name": "Green"}]}, {"name": "Green", "children": []}]}])
    );
    for (id, parent, expected) in [
        (&food["id"], &green["id"], vec!["INVALID parentId"]),
        (&food["id"], &food["id"], vec!["INVALID parentId"]),
        (&food["id"], &json!(Uuid::nil()), vec!["NOT_FOUND parentId"]),
        (&json!(Uuid::nil()), &food["id"], vec!["NOT_FOUND id"]),
        (
            &json!("x"),
            &json!("y"),
            vec!["INVALID id", "INVALID parentId"],
        ),
    ] {
        let refused = staff
            .refused(CATEGORY_MOVE, json!({"id": id, "parent": parent}))
            .await;
        assert_eq!(refused, expected);
    }
    let moved = staff
        .done(CATEGORY_MOVE, json!({"id": green["id"], "parent": null}))
        .await;
    assert_eq!(
        moved["category"],
        json!({"position": 1, "version": 2, "parent": null})
    );

    let mut deepest = teas.clone();
    for level in 3..=8 {
        deepest = category(&staff, &format!("Level {level}"), Some(&deepest)).await;
    }
    let input = json!({"input": {"name": "Too deep", "parentId": deepest["id"]}});
    assert_eq!(
        staff.refused(CATEGORY_CREATE, input).await,
        ["OUT_OF_RANGE input.parentId"]
    );
    let variables = json!({"id": teas["id"], "parent": again["id"]});
    assert_eq!(
        staff.refused(CATEGORY_MOVE, variables).await,
        ["OUT_OF_RANGE parentId"]
    );
}

#[tokio::test]
async fn two_moves_at_once_make_no_cycle() {
    let test = TestApp::new().await;
    let staff = test.viewer(Role::Staff);
    for round in 0..5 {
        let a = category(&staff, &format!("A {round}"), None).await;
        let b = category(&staff, &format!("B {round}"), None).await;
        let moves = futures::future::join(
            staff.ask(CATEGORY_MOVE, json!({"id": a["id"], "parent": b["id"]})),
            staff.ask(CATEGORY_MOVE, json!({"id": b["id"], "parent": a["id"]})),
        );
        let (one, two) = moves.await;
        let done = [one, two]
            .iter()
            .filter(|answer| answer["data"]["categoryMove"]["userErrors"] == json!([]))
            .count();
        assert_eq!(done, 1);
    }
}

#[tokio::test]
async fn categories_are_changed_and_deleted_when_nothing_stands_in_them() {
    let test = TestApp::new().await;
    let (staff, guest) = (test.viewer(Role::Staff), test.guest());
    let food = category(&staff, "Food", None).await;
    let teas = category(&staff, "Teas", Some(&food)).await;
    let input = json!({"name": "Drinks", "slug": "drinks", "description": "d", "position": 4, "status": "ARCHIVED",
                       "expectedVersion": 1});
    let changed = staff
        .done(CATEGORY_UPDATE, json!({"id": food["id"], "input": input}))
        .await;
    assert_eq!(
        changed["category"],
        json!({"id": food["id"], "slug": "drinks", "name": "Drinks", "description": "d", "status": "ARCHIVED",
               "position": 4, "version": 2})
    );
    let by = "query($id: ID!) { category(by: {id: $id}) { name parent { name } } }";
    assert_eq!(
        guest.data(by, json!({"id": food["id"]})).await["category"],
        json!(null)
    );
    let below = guest.data(by, json!({"id": teas["id"]})).await;
    assert_eq!(below["category"], json!({"name": "Teas", "parent": null}));
    for (query, variables, expected) in [
        (
            CATEGORY_UPDATE,
            json!({"id": teas["id"], "input": {"slug": "drinks"}}),
            vec!["ALREADY_EXISTS input.slug"],
        ),
        (
            CATEGORY_UPDATE,
            json!({"id": teas["id"], "input": {"expectedVersion": 9}}),
            vec!["VERSION_STALE input.expectedVersion"],
        ),
        (
            CATEGORY_UPDATE,
            json!({"id": teas["id"], "input": {"name": null, "slug": "A"}}),
            vec!["REQUIRED input.name", "INVALID input.slug"],
        ),
        (
            CATEGORY_UPDATE,
            json!({"id": Uuid::nil(), "input": {}}),
            vec!["NOT_FOUND id"],
        ),
        (
            CATEGORY_CREATE,
            json!({"input": {"name": "", "slug": "drinks!", "parentId": "x"}}),
            vec![
                "REQUIRED input.name",
                "INVALID input.slug",
                "INVALID input.parentId",
            ],
        ),
        (
            CATEGORY_CREATE,
            json!({"input": {"name": "x", "slug": "drinks", "parentId": Uuid::nil()}}),
            vec!["ALREADY_EXISTS input.slug", "NOT_FOUND input.parentId"],
        ),
        (
            CATEGORY_DELETE,
            json!({"id": food["id"]}),
            vec!["CATEGORY_IN_USE id"],
        ),
        (
            CATEGORY_DELETE,
            json!({"id": Uuid::nil()}),
            vec!["NOT_FOUND id"],
        ),
    ] {
        assert_eq!(
            staff.refused(query, variables.clone()).await,
            expected,
            "{variables}"
        );
    }
    let input = json!({"name": "Tea", "sku": "a", "price": "1", "categoryIds": [teas["id"]]});
    let tea = staff.done(CREATE, json!({ "input": input })).await["product"].take();
    let delete = json!({"id": teas["id"]});
    assert_eq!(
        staff.refused(CATEGORY_DELETE, delete.clone()).await,
        ["CATEGORY_IN_USE id"]
    );
    staff
        .done(
            UPDATE,
            json!({"id": tea["id"], "input": {"status": "DRAFT"}}),
        )
        .await;
    assert_eq!(
        staff.done(CATEGORY_DELETE, delete).await["category"]["slug"],
        "teas"
    );
    staff.done(CATEGORY_DELETE, json!({"id": food["id"]})).await;
}

#[tokio::test]
async fn only_staff_change_the_catalogue() {
    let test = TestApp::new().await;
    let id = json!(Uuid::nil());
    for (query, variables) in [
        (CREATE, json!({"input": {"name": "x"}})),
        (UPDATE, json!({"id": id, "input": {}})),
        (DELETE, json!({ "id": id })),
        (
            VARIANT_CREATE,
            json!({"id": id, "input": {"sku": "a", "price": "1"}}),
        ),
        (VARIANT_UPDATE, json!({"id": id, "input": {}})),
        (VARIANT_DELETE, json!({ "id": id })),
        (CATEGORY_CREATE, json!({"input": {"name": "x"}})),
        (CATEGORY_UPDATE, json!({"id": id, "input": {}})),
        (CATEGORY_MOVE, json!({ "id": id })),
        (CATEGORY_DELETE, json!({ "id": id })),
    ] {
        assert_eq!(
            test.guest().error(query, variables.clone()).await,
            "UNAUTHENTICATED"
        );
        assert_eq!(
            test.viewer(Role::Customer)
                .error(query, variables.clone())
                .await,
            "FORBIDDEN"
        );
        assert!(
            test.viewer(Role::Admin)
                .ask(query, variables)
                .await
                .get("errors")
                .is_none()
        );
    }
}

#[tokio::test]
async fn references_are_resolved_in_their_order_with_one_statement_a_kind() {
    let test = TestApp::new().await;
    let staff = test.viewer(Role::Staff);
    let tea = product(&staff, "Tea", "Tea-1", "1.50").await;
    let input = json!({"name": "Cup", "variants": [{"sku": "c1", "price": "2", "name": "Blue"}, {"sku": "c2", "price": "3"}]});
    let cup = staff.done(CREATE, json!({ "input": input })).await["product"].take();
    let input = json!({"name": "Draft", "sku": "d", "price": "1", "status": "DRAFT"});
    let draft = staff.done(CREATE, json!({ "input": input })).await["product"].take();
    let product_of = |made: &Value| VariantReference::Product(ProductId(uuid(&made["id"])));
    let variant_of = |made: &Value, n: usize| {
        VariantReference::Variant(VariantId(uuid(&made["variants"][n]["id"])))
    };
    let mut references = vec![
        VariantReference::Sku("TEA-1".to_owned()),
        product_of(&cup),
        variant_of(&cup, 0),
        product_of(&tea),
        product_of(&draft),
        variant_of(&draft, 0),
        VariantReference::Sku("D".to_owned()),
        VariantReference::Sku("nothing".to_owned()),
        VariantReference::Sku("tea-1".to_owned()),
    ];
    references.extend((0..100).map(|n| VariantReference::Sku(format!("no-{n}"))));
    let before = test.app.db().statements();
    let found = test
        .app
        .catalog()
        .variants_resolve(&references)
        .await
        .unwrap();
    assert!(test.app.db().statements() - before <= 3);
    let skus: Vec<_> = found
        .iter()
        .take(9)
        .map(|found| found.as_ref().map(|v| v.sku.as_str()))
        .collect();
    let nothing = Err(&ResolveError::NotFound);
    let expected = vec![
        Ok("Tea-1"),
        Err(&ResolveError::VariantRequired),
        Ok("c1"),
        Ok("Tea-1"),
        nothing,
        nothing,
        nothing,
        nothing,
        Ok("Tea-1"),
    ];
    assert_eq!(skus, expected);
    let blue = found[2].as_ref().unwrap();
    assert_eq!(
        (
            blue.name.as_str(),
            blue.unit_price_minor,
            blue.currency.as_str()
        ),
        ("Cup – Blue", 200, "GBP")
    );
    assert_eq!(found.len(), references.len());
}

#[tokio::test]
async fn a_crossed_threshold_shows_in_variant_and_product_and_raises_no_version() {
    let test = TestApp::new().await;
    let (staff, guest) = (test.viewer(Role::Staff), test.guest());
    let input = json!({"name": "Cup", "variants": [{"sku": "c1", "price": "2"}, {"sku": "c2", "price": "3"}]});
    let cup = staff.done(CREATE, json!({ "input": input })).await["product"].take();
    let [one, two] = [0, 1].map(|n| VariantId(uuid(&cup["variants"][n]["id"])));
    let set = async |changes: &[(VariantId, Availability)]| {
        let catalog = test.app.catalog();
        let before = test.app.db().statements();
        let written = test.app.db().write("test.availability", async |tx| {
            catalog.availability_set_in(&tx, changes).await
        });
        written.await.unwrap();
        assert!(
            test.app.db().statements() - before <= 8,
            "at most five, and the transaction's own"
        );
        let query = "query($id: ID!) { product(by: {id: $id}) { availability version variants { availability } } }";
        let mut found = guest.data(query, json!({"id": cup["id"]})).await;
        let product = found["product"].take();
        assert_eq!(product["version"], 1);
        let variants = product["variants"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (
            text(&product["availability"]),
            variants
                .map(|v| text(&v["availability"]))
                .collect::<Vec<_>>(),
        )
    };
    use Availability::{InStock, LowStock, OutOfStock};
    for (changes, product, variants) in [
        (
            vec![(one, LowStock)],
            "LOW_STOCK",
            ["LOW_STOCK", "OUT_OF_STOCK"],
        ),
        (vec![(two, InStock)], "IN_STOCK", ["LOW_STOCK", "IN_STOCK"]),
        (
            vec![(two, OutOfStock), (one, OutOfStock), (two, LowStock)],
            "LOW_STOCK",
            ["OUT_OF_STOCK", "LOW_STOCK"],
        ),
        (
            vec![(two, OutOfStock)],
            "OUT_OF_STOCK",
            ["OUT_OF_STOCK", "OUT_OF_STOCK"],
        ),
        (vec![], "OUT_OF_STOCK", ["OUT_OF_STOCK", "OUT_OF_STOCK"]),
    ] {
        let (found, of_variants) = set(&changes).await;
        assert_eq!(
            (found.as_str(), of_variants),
            (product, variants.map(str::to_owned).to_vec())
        );
    }
}
