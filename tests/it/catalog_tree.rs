//! The tree of categories: moves, ways through it, products below a category and how many they are.

use crate::support::TestApp;
use crate::support::graph::Graph;
use entity::accounts::Role;
use entity::catalog::category;
use futures::future::join_all;
use sea_orm::EntityTrait;
use serde_json::{Value, json};
use std::collections::HashMap;
use tradepost::error::Fault;

const CATEGORY: &str = "mutation($input: CategoryCreateInput!) { categoryCreate(input: $input) {
    category { id } userErrors { code path message } } }";
const MOVE: &str = "mutation($id: ID!, $parent: ID) { categoryMove(id: $id, parentId: $parent) {
    category { id } userErrors { code path } } }";
const CREATE: &str = "mutation($input: ProductCreateInput!) { productCreate(input: $input) {
    product { id } userErrors { code path message } } }";

async fn category(staff: &Graph, name: &str, parent: Option<&Value>) -> Value {
    let input = json!({"name": name, "parentId": parent});
    staff.done(CATEGORY, json!({ "input": input })).await["category"]["id"].take()
}

async fn product(staff: &Graph, name: &str, status: &str, categories: &[&Value]) {
    let input = json!({"name": name, "sku": name, "price": "1", "status": status, "categoryIds": categories});
    staff.done(CREATE, json!({ "input": input })).await;
}

fn names(rows: &Value) -> Vec<String> {
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| row["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn breadcrumbs_and_counts_follow_a_subtree_when_it_moves() {
    let test = TestApp::new().await;
    let (staff, guest) = (test.viewer(Role::Staff), test.guest());
    let food = category(&staff, "Food", None).await;
    let drinks = category(&staff, "Drinks", None).await;
    let teas = category(&staff, "Teas", Some(&food)).await;
    let green = category(&staff, "Green", Some(&teas)).await;
    product(&staff, "Bread", "ACTIVE", &[&food]).await;
    product(&staff, "Sencha", "ACTIVE", &[&green, &teas]).await;
    product(&staff, "Assam", "ACTIVE", &[&teas]).await;
    product(&staff, "Secret", "DRAFT", &[&green]).await;
    let query = "query($id: ID!) { category(by: {id: $id}) { breadcrumb { name } productCount
        own: productCount(includeSubcategories: false)
        products { totalCount } direct: products(filter: {includeSubcategories: false}) { totalCount } } }";
    let expect = async |id: &Value, way: &[&str], all: i32, own: i32| {
        for viewer in [&guest, &staff] {
            let found = viewer.data(query, json!({ "id": id })).await["category"].take();
            assert_eq!(names(&found["breadcrumb"]), way);
            assert_eq!(
                (&found["productCount"], &found["own"]),
                (&json!(all), &json!(own))
            );
            assert_eq!(found["products"]["totalCount"], all);
            assert_eq!(found["direct"]["totalCount"], own);
        }
    };
    expect(&food, &[], 3, 1).await;
    expect(&drinks, &[], 0, 0).await;
    expect(&teas, &["Food"], 2, 2).await;
    expect(&green, &["Food", "Teas"], 1, 1).await;
    let filter =
        "query($in: [ID!], $below: Boolean) { products(orderBy: {field: NAME, direction: ASC},
        filter: {category: {in: $in}, includeSubcategories: $below}) { nodes { name } } }";
    for (below, expected) in [
        (json!(true), vec!["Assam", "Bread", "Sencha"]),
        (json!(false), vec!["Bread"]),
    ] {
        let found = guest
            .data(filter, json!({"in": [food], "below": below}))
            .await;
        assert_eq!(names(&found["products"]["nodes"]), expected);
    }

    staff
        .done(MOVE, json!({"id": teas, "parent": drinks}))
        .await;
    expect(&food, &[], 1, 1).await;
    expect(&drinks, &[], 2, 0).await;
    expect(&green, &["Drinks", "Teas"], 1, 1).await;
    for parent in [&teas, &green] {
        let refused = staff
            .refused(MOVE, json!({"id": teas, "parent": parent}))
            .await;
        assert_eq!(refused, ["INVALID parentId"]);
    }
    let unknown = json!({"id": teas, "parent": uuid::Uuid::nil()});
    assert_eq!(staff.refused(MOVE, unknown).await, ["NOT_FOUND parentId"]);

    // The public does not learn the names of archived categories on the way.
    let archive = "mutation($id: ID!) { categoryUpdate(id: $id, input: {status: ARCHIVED}) { userErrors { code path } } }";
    staff.done(archive, json!({ "id": teas })).await;
    let way = "query($id: ID!) { category(by: {id: $id}) { breadcrumb { name } } }";
    let seen = guest.data(way, json!({ "id": green })).await;
    assert_eq!(names(&seen["category"]["breadcrumb"]), ["Drinks"]);
    let seen = staff.data(way, json!({ "id": green })).await;
    assert_eq!(names(&seen["category"]["breadcrumb"]), ["Drinks", "Teas"]);
}

#[tokio::test]
async fn breadcrumbs_and_counts_cost_the_same_statements_for_any_number_of_categories() {
    let test = TestApp::alone(&[("limits.complexity", json!(100_000))]).await;
    let (staff, guest) = (test.viewer(Role::Staff), test.guest());
    let query = "{ categories(first: 100) { nodes { breadcrumb { name } productCount
        own: productCount(includeSubcategories: false) } }
        products(first: 100) { nodes { categories { breadcrumb { name } } } } }";
    let mut costs = Vec::new();
    for round in 0..2 {
        for n in 0..(1 + 9 * round) {
            let top = category(&staff, "Top", None).await;
            let middle = category(&staff, "Middle", Some(&top)).await;
            let bottom = category(&staff, "Bottom", Some(&middle)).await;
            product(&staff, &format!("P{round}-{n}"), "ACTIVE", &[&bottom, &top]).await;
        }
        test.app.cache().clear();
        let before = test.app.db().statements();
        guest.data(query, json!({})).await;
        costs.push(test.app.db().statements() - before);
    }
    // Batches form as the answers before them come in, over a network one by one now and then, so that some split. A
    // statement for each of the thirty categories would be more than that by far.
    assert!(costs.iter().all(|cost| *cost <= 12), "{costs:?}");
}

/// No category stands below itself.
async fn assert_no_cycle(test: &TestApp) {
    let read = test.app.db().read("test.categories", async |c| {
        Ok::<_, Fault>(category::Entity::find().all(&*c).await?)
    });
    let rows = read.await.unwrap();
    let parents: HashMap<_, _> = rows.iter().map(|row| (row.id, row.parent_id)).collect();
    for row in &rows {
        let mut above = row.parent_id;
        for _ in 0..rows.len() {
            above = above.and_then(|id| parents[&id]);
        }
        assert_eq!(above, None, "{} stands in a cycle", row.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn moves_that_would_make_a_cycle_together_are_not_all_done() {
    let test = TestApp::new().await;
    let staff = &test.viewer(Role::Staff);
    for round in 0..12 {
        // Three trees of two levels; each top wants to go below the bottom of the next one.
        let mut trees = Vec::new();
        for n in 0..3 {
            let top = category(staff, &format!("Top {round} {n}"), None).await;
            let bottom = category(staff, &format!("Bottom {round} {n}"), Some(&top)).await;
            trees.push((top, bottom));
        }
        let trees = &trees;
        let moves = join_all((0..3).map(|n| async move {
            let variables = json!({"id": trees[n].0, "parent": trees[(n + 1) % 3].1});
            let answer = staff.data(MOVE, variables).await;
            answer["categoryMove"]["userErrors"].clone()
        }));
        let errors: Vec<Value> = moves
            .await
            .into_iter()
            .filter(|e| *e != json!([]))
            .collect();
        assert_eq!(
            errors,
            [json!([{"code": "INVALID", "path": ["parentId"]}])],
            "one too many"
        );
        assert_no_cycle(&test).await;
    }
}
