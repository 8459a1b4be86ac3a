//! The search: who finds what, how it goes together with filters, orders and cursors, and that its words are always
//! those of the catalogue.

use crate::support::TestApp;
use crate::support::graph::Graph;
use entity::accounts::Role;
use entity::catalog::product_term;
use futures::future::join_all;
use sea_orm::EntityTrait;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tradepost::error::Fault;

const CREATE: &str = "mutation($input: ProductCreateInput!) { productCreate(input: $input) {
    product { id variants { id } } userErrors { code path message } } }";
const UPDATE: &str =
    "mutation($id: ID!, $input: ProductUpdateInput!) { productUpdate(id: $id, input: $input) {
    userErrors { code path message } } }";
const VARIANT: &str =
    "mutation($id: ID!, $input: VariantUpdateInput!) { variantUpdate(id: $id, input: $input) {
    userErrors { code path message } } }";
const VARIANT_CREATE: &str = "mutation($id: ID!, $input: VariantCreateInput!) { variantCreate(productId: $id, input: $input) {
    variant { id } userErrors { code path message } } }";
const CATEGORY: &str = "mutation($input: CategoryCreateInput!) { categoryCreate(input: $input) {
    category { id } userErrors { code path message } } }";
const CATEGORY_UPDATE: &str =
    "mutation($id: ID!, $input: CategoryUpdateInput!) { categoryUpdate(id: $id, input: $input) {
    userErrors { code path message } } }";
const SEARCH: &str = "query($search: String!, $filter: ProductFilter, $order: ProductOrder, $first: Int, $after: String,
        $last: Int, $before: String) {
    found: products(filter: {search: $search}, orderBy: $order) { totalCount nodes { name } }
    page: products(filter: $filter, orderBy: $order, first: $first, after: $after, last: $last, before: $before) {
        totalCount nodes { name } pageInfo { startCursor endCursor hasNextPage hasPreviousPage } } }";

fn names(list: &Value) -> Vec<String> {
    let nodes = list["nodes"].as_array().unwrap().iter();
    nodes
        .map(|node| node["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Names of what is found, in its order.
async fn found(viewer: &Graph, search: &str) -> Vec<String> {
    let list = viewer.data(SEARCH, json!({ "search": search })).await["found"].take();
    assert_eq!(list["totalCount"], list["nodes"].as_array().unwrap().len());
    names(&list)
}

async fn category(staff: &Graph, name: &str) -> Value {
    let input = json!({ "name": name });
    staff.done(CATEGORY, json!({ "input": input })).await["category"]["id"].take()
}

async fn product(staff: &Graph, name: &str, sku: &str, more: Value) -> Value {
    let mut input = json!({"name": name, "sku": sku, "price": "5"});
    let fields = input.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    if fields.contains_key("variants") {
        fields.remove("sku");
        fields.remove("price");
    }
    staff.done(CREATE, json!({ "input": input })).await["product"].take()
}

/// The words that stand in the database.
async fn terms(test: &TestApp) -> BTreeSet<(String, uuid::Uuid, uuid::Uuid, i32)> {
    let read = test.app.db().read("test.terms", async |c| {
        Ok::<_, Fault>(product_term::Entity::find().all(&*c).await?)
    });
    let rows = read.await.unwrap().into_iter();
    rows.map(|row| (row.term, row.product_id.into(), row.source_id, row.distance))
        .collect()
}

/// The words that stand there are those that are found when all are made anew.
async fn assert_in_step(test: &TestApp) {
    let kept = terms(test).await;
    test.app.catalog().search_rebuild(|_| ()).await.unwrap();
    assert_eq!(kept, terms(test).await);
}

#[tokio::test]
async fn words_stand_in_sku_name_category_and_description_and_the_nearest_come_first() {
    let test = TestApp::new().await;
    let (staff, guest) = (test.viewer(Role::Staff), test.guest());
    let teas = category(&staff, "Fine Teas").await;
    product(
        &staff,
        "Crème Brûlée",
        "CB-1",
        json!({"description": "Goes with tea"}),
    )
    .await;
    product(&staff, "Tea", "X-1", json!({})).await;
    product(&staff, "Teapot", "X-2", json!({})).await;
    product(&staff, "Sencha", "X-3", json!({"categoryIds": [teas]})).await;
    product(&staff, "Cup", "TEA-9", json!({})).await;
    product(
        &staff,
        "Bancha",
        "X-4",
        json!({"description": "A teatime classic"}),
    )
    .await;
    for (search, expected) in [
        // SKU 0, name 1, the name only begun 3, the category only begun 6, the description 6, only begun 8.
        (
            "tea",
            vec!["Cup", "Tea", "Teapot", "Crème Brûlée", "Sencha", "Bancha"],
        ),
        ("TEAP", vec!["Teapot"]),
        ("teas", vec!["Sencha"]),
        ("creme", vec!["Crème Brûlée"]),
        ("BRÛLEE crème", vec!["Crème Brûlée"]),
        ("brulee cre", vec!["Crème Brûlée"]),
        ("brul creme", vec![]),
        ("tea-9", vec!["Cup"]),
        ("x", vec!["Bancha", "Sencha", "Tea", "Teapot"]),
        ("x 3 x", vec!["Sencha"]),
        ("fine sencha", vec!["Sencha"]),
        ("coffee", vec![]),
        (
            "%",
            vec!["Bancha", "Cup", "Sencha", "Teapot", "Tea", "Crème Brûlée"],
        ),
        (
            "",
            vec!["Bancha", "Cup", "Sencha", "Teapot", "Tea", "Crème Brûlée"],
        ),
    ] {
        assert_eq!(found(&guest, search).await, expected, "{search}");
    }
    let long = "x".repeat(201);
    let many = "a b c d e f g h i";
    for search in [long.as_str(), many] {
        let code = guest.error(SEARCH, json!({ "search": search })).await;
        assert_eq!(code, "BAD_USER_INPUT", "{search}");
    }
    assert_eq!(found(&guest, "a a a a a a a a a a").await, ["Bancha"]);
    assert_in_step(&test).await;
}

#[tokio::test]
async fn a_search_goes_with_filters_orders_cursors_and_categories() {
    let test = TestApp::new().await;
    let (staff, guest) = (test.viewer(Role::Staff), test.guest());
    let pots = category(&staff, "Pots").await;
    for n in 0..9 {
        // Three distances with three names each, of which two are equal.
        let (name, description) = match n % 3 {
            0 => (format!("Tea {}", n / 6), ""),
            1 => (format!("Teacup {}", n / 6), ""),
            _ => (format!("Pot {}", n / 6), "tea"),
        };
        let categories = if n % 2 == 0 { vec![&pots] } else { vec![] };
        let more =
            json!({"description": description, "price": n.to_string(), "categoryIds": categories});
        product(&staff, &name, &format!("s{n}"), more).await;
    }
    let draft = json!({"status": "DRAFT"});
    product(&staff, "Tea draft", "draft", draft).await;
    let all = found(&guest, "tea").await;
    assert_eq!(
        all,
        [
            "Tea 0", "Tea 0", "Tea 1", "Teacup 0", "Teacup 0", "Teacup 1", "Pot 0", "Pot 0",
            "Pot 1"
        ]
    );
    let filter = json!({"search": "tea"});
    let (mut forward, mut after) = (Vec::new(), json!(null));
    loop {
        let variables = json!({"search": "tea", "filter": filter, "first": 2, "after": after});
        let page = guest.data(SEARCH, variables).await["page"].take();
        assert_eq!(page["totalCount"], 9);
        assert_eq!(page["pageInfo"]["hasPreviousPage"], !forward.is_empty());
        forward.extend(names(&page));
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            break;
        }
    }
    assert_eq!(forward, all);
    let (mut backward, mut before) = (Vec::new(), json!(null));
    loop {
        let variables = json!({"search": "tea", "filter": filter, "last": 4, "before": before});
        let page = guest.data(SEARCH, variables).await["page"].take();
        backward.splice(0..0, names(&page));
        before = page["pageInfo"]["startCursor"].clone();
        if page["pageInfo"]["hasPreviousPage"] == json!(false) {
            break;
        }
    }
    assert_eq!(backward, all);
    // A cursor of one order is none of another.
    for order in [
        json!({"field": "NAME", "direction": "ASC"}),
        json!({"field": "PRICE", "direction": "DESC"}),
    ] {
        let variables =
            json!({"search": "tea", "filter": filter, "order": order, "first": 2, "after": after});
        assert_eq!(guest.error(SEARCH, variables).await, "BAD_USER_INPUT");
    }
    let dearest = json!({"field": "PRICE", "direction": "DESC"});
    for (filter, order, expected) in [
        (
            json!({"search": "tea", "price": {"gte": "6"}}),
            json!(null),
            vec!["Tea 1", "Teacup 1", "Pot 1"],
        ),
        (
            json!({"search": "tea", "price": {"gte": "6"}}),
            dearest,
            vec!["Pot 1", "Teacup 1", "Tea 1"],
        ),
        (
            json!({"search": "teac", "category": {"eq": pots}}),
            json!(null),
            vec!["Teacup 0"],
        ),
        (
            json!({"search": "tea", "name": {"prefix": "pot"}}),
            json!(null),
            vec!["Pot 0", "Pot 0", "Pot 1"],
        ),
        (
            json!({"search": "tea", "status": {"eq": "DRAFT"}}),
            json!(null),
            vec![],
        ),
    ] {
        let variables = json!({"search": "tea", "filter": filter, "order": order});
        let page = guest.data(SEARCH, variables).await["page"].take();
        assert_eq!(names(&page), expected, "{filter}");
        assert_eq!(page["totalCount"], expected.len(), "{filter}");
    }
    let drafts = json!({"search": "tea", "filter": {"search": "tea", "status": {"in": ["DRAFT"]}}});
    let drafts = staff.data(SEARCH, drafts).await["page"].take();
    assert_eq!(names(&drafts), ["Tea draft"]);
    // Below a category, beside another list of it, and with cursors.
    let below = "query($id: ID!) { category(by: {id: $id}) {
        found: products(filter: {search: \"tea\"}, first: 2) { totalCount nodes { name } pageInfo { endCursor } }
        dear: products(filter: {search: \"tea\"}, first: 1, orderBy: {field: PRICE, direction: DESC}) { nodes { name } } } }";
    let list = guest.data(below, json!({ "id": pots })).await["category"].take();
    assert_eq!(names(&list["found"]), ["Tea 0", "Tea 1"]);
    assert_eq!(list["found"]["totalCount"], 5);
    assert_eq!(names(&list["dear"]), ["Pot 1"]);
    let next = "query($id: ID!, $after: String) { category(by: {id: $id}) {
        products(filter: {search: \"tea\"}, first: 2, after: $after) { nodes { name } } } }";
    let variables = json!({"id": pots, "after": list["found"]["pageInfo"]["endCursor"]});
    let list = guest.data(next, variables).await["category"]["products"].take();
    assert_eq!(names(&list), ["Teacup 0", "Pot 0"]);
}

#[tokio::test]
async fn every_change_of_the_catalogue_changes_what_is_found() {
    let test = TestApp::new().await;
    let (staff, guest) = (test.viewer(Role::Staff), test.guest());
    let (teas, gifts) = (
        category(&staff, "Teas").await,
        category(&staff, "Gifts for tea").await,
    );
    let sencha = product(&staff, "Sencha", "s-1", json!({"categoryIds": [teas, gifts], "variants":
        [{"sku": "leaf", "price": "1", "name": "Loose"}, {"sku": "bags", "price": "2", "name": "Sachets"}]})).await;
    let id = &sencha["id"];
    let other = product(&staff, "Cup", "c-1", json!({"categoryIds": [gifts]})).await;
    assert_eq!(found(&guest, "sachets bags").await, ["Sencha"]);
    assert_eq!(found(&guest, "tea sencha").await, ["Sencha"]);

    staff
        .done(UPDATE, json!({"id": id, "input": {"name": "Gyokuro"}}))
        .await;
    assert_eq!(found(&guest, "sencha").await, Vec::<String>::new());
    assert_eq!(found(&guest, "gyok").await, ["Gyokuro"]);
    staff
        .done(
            UPDATE,
            json!({"id": id, "input": {"description": "From Uji"}}),
        )
        .await;
    assert_eq!(found(&guest, "uji loose").await, ["Gyokuro"]);
    staff
        .done(
            VARIANT,
            json!({"id": sencha["variants"][0]["id"], "input": {"name": "Whole", "sku": "leaves"}}),
        )
        .await;
    assert_eq!(found(&guest, "loose").await, Vec::<String>::new());
    assert_eq!(found(&guest, "whole leaves").await, ["Gyokuro"]);
    let delete = "mutation($id: ID!) { variantDelete(id: $id) { userErrors { code path } } }";
    staff
        .done(delete, json!({"id": sencha["variants"][1]["id"]}))
        .await;
    assert_eq!(found(&guest, "bags").await, Vec::<String>::new());
    let input = json!({"sku": "tin", "price": "9", "name": "Tin"});
    staff
        .done(VARIANT_CREATE, json!({"id": id, "input": input}))
        .await;
    assert_eq!(found(&guest, "tin").await, ["Gyokuro"]);
    assert_in_step(&test).await;

    staff
        .done(
            CATEGORY_UPDATE,
            json!({"id": gifts, "input": {"name": "Présents"}}),
        )
        .await;
    assert_eq!(found(&guest, "gifts").await, Vec::<String>::new());
    assert_eq!(found(&guest, "presents").await, ["Cup", "Gyokuro"]);
    assert_eq!(found(&guest, "teas").await, ["Gyokuro"]);
    staff
        .done(
            CATEGORY_UPDATE,
            json!({"id": gifts, "input": {"status": "ARCHIVED"}}),
        )
        .await;
    assert_eq!(found(&guest, "presents").await, Vec::<String>::new());
    assert_in_step(&test).await;
    staff
        .done(
            CATEGORY_UPDATE,
            json!({"id": gifts, "input": {"status": "ACTIVE"}}),
        )
        .await;
    assert_eq!(found(&guest, "presents").await.len(), 2);
    staff
        .done(UPDATE, json!({"id": id, "input": {"categoryIds": [teas]}}))
        .await;
    assert_eq!(found(&guest, "presents").await, ["Cup"]);
    assert_in_step(&test).await;

    let archive = json!({"id": other["id"], "input": {"status": "DRAFT"}});
    staff.done(UPDATE, archive).await;
    assert_eq!(found(&guest, "cup").await, Vec::<String>::new());
    let delete = "mutation($id: ID!) { categoryDelete(id: $id) { userErrors { code path } } }";
    staff.done(delete, json!({ "id": gifts })).await;
    assert_in_step(&test).await;
    let delete = "mutation($id: ID!) { productDelete(id: $id) { userErrors { code path } } }";
    staff.done(delete, json!({ "id": id })).await;
    assert_eq!(found(&guest, "uji").await, Vec::<String>::new());
    assert!(
        terms(&test)
            .await
            .iter()
            .all(|term| term.1.to_string() == other["id"].as_str().unwrap())
    );

    // The same by an import: a new product, then other words for it, then nothing new.
    let head = "sku,name,price,description,categories,variant\n";
    test.import(format!(
        "{head}i-1,Kettle,5,Whistles,teas|kitchen-tools,Red\n"
    ))
    .await;
    for search in [
        "kettle whis",
        "i-1",
        "kitchen kettle",
        "teas kettle",
        "red kettle",
    ] {
        assert_eq!(found(&guest, search).await, ["Kettle"], "{search}");
    }
    assert_in_step(&test).await;
    test.import(format!("{head}i-1,Urn,6,Hums,kitchen-tools,Blue\n"))
        .await;
    assert_eq!(found(&guest, "kettle").await, Vec::<String>::new());
    assert_eq!(found(&guest, "teas").await, Vec::<String>::new());
    assert_eq!(found(&guest, "tools blue hums urn").await, ["Urn"]);
    test.import(format!("{head}i-1,,7,,,\n")).await;
    assert_eq!(found(&guest, "urn").await, ["Urn"]);
    assert_in_step(&test).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_category_that_is_renamed_while_products_enter_it_leaves_no_old_word() {
    let test = TestApp::new().await;
    let staff = test.viewer(Role::Staff);
    for round in 0..6 {
        let shelf = category(&staff, &format!("Shelf {round}")).await;
        let (staff, shelf) = (&staff, &shelf);
        let enter = (0..8).map(|n| async move {
            let more = json!({"categoryIds": [shelf]});
            product(
                staff,
                &format!("P{round} {n}"),
                &format!("p-{round}-{n}"),
                more,
            )
            .await;
        });
        let rename = (0..4).map(|n| async move {
            let input = json!({"name": format!("Board {round} {n}")});
            staff
                .done(CATEGORY_UPDATE, json!({"id": shelf, "input": input}))
                .await;
        });
        tokio::join!(join_all(enter), join_all(rename));
    }
    assert_eq!(found(&test.guest(), "shelf").await, Vec::<String>::new());
    assert_in_step(&test).await;
}

#[tokio::test]
async fn a_search_costs_the_same_statements_however_many_words_and_hits() {
    let test = TestApp::alone(&[]).await;
    let (staff, guest) = (test.viewer(Role::Staff), test.guest());
    let mut costs = Vec::new();
    for n in 0..12 {
        product(&staff, &format!("Red tea {n}"), &format!("s{n}"), json!({})).await;
        if n == 1 || n == 11 {
            for search in ["tea", "red tea s"] {
                let query = "query($search: String) { products(filter: {search: $search}) { totalCount nodes { name } } }";
                let before = test.app.db().statements();
                guest.data(query, json!({ "search": search })).await;
                costs.push(test.app.db().statements() - before);
            }
        }
    }
    assert_eq!(costs, [2, 2, 2, 2], "the total and the page");
}
