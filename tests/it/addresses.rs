//! Address books.

use crate::support::TestApp;
use crate::support::graph::Graph;
use entity::accounts::Role;
use futures::future::join_all;
use serde_json::{Value, json};
use tradepost::domain::accounts::model::ADDRESSES_MAX;

const CREATE: &str = "mutation($input: AddressInput!) { addressCreate(input: $input) {
  address { id name company line1 line2 city region postalCode countryCode phone isDefaultShipping isDefaultBilling version }
  userErrors { code message path } } }";
const UPDATE: &str =
    "mutation($id: ID!, $input: AddressUpdateInput!) { addressUpdate(id: $id, input: $input) {
  address { name company line1 phone version } userErrors { code message path } } }";
const DELETE: &str = "mutation($id: ID!) { addressDelete(id: $id) { address { id name } userErrors { code path } } }";
const DEFAULT: &str =
    "mutation($id: ID!, $kind: AddressKind!) { addressSetDefault(id: $id, kind: $kind) {
  address { isDefaultShipping isDefaultBilling } userErrors { code path } } }";
const BOOK: &str =
    "query($id: ID!) { user(id: $id) { addresses { id isDefaultShipping isDefaultBilling } } }";

fn ada() -> Value {
    json!({ "name": " Ada Lovelace ", "line1": "12 St James's Square", "city": "London",
        "postalCode": "SW1Y 4JH", "countryCode": "gb", "phone": "+44 20 7183 8750" })
}

async fn create(graph: &Graph) -> Value {
    graph.done(CREATE, json!({ "input": ada() })).await["address"].take()
}

async fn book(graph: &Graph, user: &str) -> Value {
    graph.data(BOOK, json!({ "id": user })).await["user"]["addresses"].take()
}

#[tokio::test]
async fn a_user_keeps_a_book_of_addresses() {
    let test = TestApp::new().await;
    let user = test.user("ada@example.org", Role::Customer).await;
    let graph = test.viewer_of(user, Role::Customer);
    let made = create(&graph).await;
    assert_eq!(made["name"], "Ada Lovelace");
    assert_eq!(
        (&made["countryCode"], &made["phone"]),
        (&json!("GB"), &json!("+442071838750"))
    );
    assert_eq!(
        (&made["isDefaultShipping"], &made["isDefaultBilling"]),
        (&json!(true), &json!(true))
    );
    let second = create(&graph).await;
    assert_eq!(
        (&second["isDefaultShipping"], &second["isDefaultBilling"]),
        (&json!(false), &json!(false))
    );
    let set = graph
        .done(DEFAULT, json!({ "id": second["id"], "kind": "SHIPPING" }))
        .await;
    assert_eq!(
        set["address"],
        json!({ "isDefaultShipping": true, "isDefaultBilling": false })
    );
    let shown = book(&graph, &user.to_string()).await;
    assert_eq!(
        shown,
        json!([
            { "id": made["id"], "isDefaultShipping": false, "isDefaultBilling": true },
            { "id": second["id"], "isDefaultShipping": true, "isDefaultBilling": false },
        ])
    );
    let input = json!({ "company": "Analytical Engines", "phone": null, "expectedVersion": 1 });
    let changed = graph
        .done(UPDATE, json!({ "id": made["id"], "input": input }))
        .await;
    assert_eq!(
        changed["address"],
        json!({ "name": "Ada Lovelace", "company": "Analytical Engines", "line1": "12 St James's Square", "phone": null, "version": 2 })
    );
    let stale = graph
        .refused(UPDATE, json!({ "id": made["id"], "input": input }))
        .await;
    assert_eq!(stale, ["VERSION_STALE input.expectedVersion"]);
    graph.done(DELETE, json!({ "id": made["id"] })).await;
    assert_eq!(
        graph.refused(DELETE, json!({ "id": made["id"] })).await,
        ["NOT_FOUND id"]
    );
    assert_eq!(
        book(&graph, &user.to_string())
            .await
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let kept = test.app.accounts();
    use tradepost::domain::accounts::model::AddressKind;
    assert_eq!(
        kept.address_default(user, AddressKind::Billing)
            .await
            .unwrap(),
        None
    );
    let shipping = kept
        .address_default(user, AddressKind::Shipping)
        .await
        .unwrap();
    assert_eq!(shipping.unwrap().city, "London");
}

#[tokio::test]
async fn every_mistake_of_an_address_is_told_at_once_with_its_path() {
    let test = TestApp::new().await;
    let user = test.user("ada@example.org", Role::Customer).await;
    let graph = test.viewer_of(user, Role::Customer);
    let input = json!({ "name": " ", "line1": "x".repeat(201), "city": "", "postalCode": "y".repeat(21),
        "countryCode": "ZZ", "phone": "none" });
    let mut refused = graph.refused(CREATE, json!({ "input": input })).await;
    refused.sort();
    let expected = [
        "INVALID input.countryCode",
        "INVALID input.phone",
        "REQUIRED input.city",
        "REQUIRED input.name",
        "TOO_LONG input.line1",
        "TOO_LONG input.postalCode",
    ];
    assert_eq!(refused, expected);
    let made = create(&graph).await;
    let input = json!({ "countryCode": "England", "name": "", "region": "r".repeat(121) });
    let mut refused = graph
        .refused(UPDATE, json!({ "id": made["id"], "input": input }))
        .await;
    refused.sort();
    let expected = [
        "INVALID input.countryCode",
        "REQUIRED input.name",
        "TOO_LONG input.region",
    ];
    assert_eq!(refused, expected);
    assert_eq!(
        graph.refused(DELETE, json!({ "id": "x" })).await,
        ["INVALID id"]
    );
}

#[tokio::test]
async fn addresses_are_their_users_own() {
    let test = TestApp::new().await;
    let ada = test.user("ada@example.org", Role::Customer).await;
    let eve = test.user("eve@example.org", Role::Customer).await;
    let (own, other) = (
        test.viewer_of(ada, Role::Customer),
        test.viewer_of(eve, Role::Customer),
    );
    let made = create(&own).await;
    let id = &made["id"];
    let change = json!({ "id": id, "input": { "name": "Eve" } });
    assert_eq!(other.refused(UPDATE, change).await, ["NOT_FOUND id"]);
    assert_eq!(
        other.refused(DELETE, json!({ "id": id })).await,
        ["NOT_FOUND id"]
    );
    let default = json!({ "id": id, "kind": "BILLING" });
    assert_eq!(other.refused(DEFAULT, default).await, ["NOT_FOUND id"]);
    assert_eq!(
        other.data(BOOK, json!({ "id": ada.to_string() })).await["user"],
        Value::Null
    );
    let found = test.app.accounts().address_of_user(
        eve,
        id.as_str().unwrap().parse::<uuid::Uuid>().unwrap().into(),
    );
    assert_eq!(
        found.await.unwrap(),
        None,
        "orders cannot copy another's address"
    );
    let staff = test.viewer(Role::Staff);
    assert_eq!(
        book(&staff, &ada.to_string())
            .await
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_and_the_defaults_hold_for_changes_at_the_same_time() {
    let test = TestApp::new().await;
    let user = test.user("ada@example.org", Role::Customer).await;
    let graph = test.viewer_of(user, Role::Customer);
    let made =
        join_all((0..ADDRESSES_MAX + 10).map(|_| graph.data(CREATE, json!({ "input": ada() }))))
            .await;
    let refused = made
        .iter()
        .filter(|data| data["addressCreate"]["userErrors"][0]["code"] == "TOO_LONG");
    assert_eq!(refused.count(), 10);
    let ids: Vec<&Value> = made
        .iter()
        .map(|data| &data["addressCreate"]["address"]["id"])
        .filter(|id| id.is_string())
        .collect();
    assert_eq!(ids.len(), ADDRESSES_MAX);
    let set = |id: &Value| graph.done(DEFAULT, json!({ "id": id, "kind": "SHIPPING" }));
    let sets: Vec<_> = ids.iter().take(16).map(|id| (*id).clone()).collect();
    join_all(sets.iter().map(set)).await;
    let shown = book(&graph, &user.to_string()).await;
    for kind in ["isDefaultShipping", "isDefaultBilling"] {
        let defaults = shown.as_array().unwrap().iter();
        assert_eq!(
            defaults.filter(|address| address[kind] == true).count(),
            1,
            "{kind}"
        );
    }
}
