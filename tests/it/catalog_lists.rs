//! Lists of products and categories: pages, filters, order, who sees what, and what they cost.

use crate::support::TestApp;
use crate::support::graph::Graph;
use entity::accounts::Role;
use serde_json::{Value, json};
use std::fmt::Write as _;

const CREATE: &str = "mutation($input: ProductCreateInput!) { productCreate(input: $input) {
    product { id } userErrors { code path message } } }";
const CATEGORY: &str = "mutation($input: CategoryCreateInput!) { categoryCreate(input: $input) {
    category { id } userErrors { code path message } } }";
const PAGE: &str = "query($first: Int, $after: String, $last: Int, $before: String, $page: Int,
        $filter: ProductFilter, $order: ProductOrder) {
    products(first: $first, after: $after, last: $last, before: $before, page: $page, filter: $filter, orderBy: $order) {
        nodes { name } edges { cursor } totalCount totalPages
        pageInfo { startCursor endCursor hasNextPage hasPreviousPage page pageSize } } }";

async fn product(staff: &Graph, input: Value) -> Value {
    staff.done(CREATE, json!({ "input": input })).await["product"]["id"].take()
}

async fn category(staff: &Graph, name: &str, parent: Option<&Value>) -> Value {
    let input = json!({"name": name, "parentId": parent});
    staff.done(CATEGORY, json!({ "input": input })).await["category"]["id"].take()
}

fn names(list: &Value) -> Vec<String> {
    let nodes = list["nodes"].as_array().unwrap().iter();
    nodes
        .map(|node| node["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Names of the products under a filter.
async fn filtered(viewer: &Graph, filter: Value) -> Vec<String> {
    let variables = json!({"filter": filter, "order": {"field": "NAME", "direction": "ASC"}});
    let list = viewer.data(PAGE, variables).await["products"].take();
    assert_eq!(list["totalCount"], list["nodes"].as_array().unwrap().len());
    names(&list)
}

/// Ten products of three prices, so that every order by price has equal values.
async fn ten(staff: &Graph) {
    for n in 0..10 {
        let input =
            json!({"name": format!("P{n}"), "sku": format!("s{n}"), "price": format!("{}", n % 3)});
        product(staff, input).await;
    }
}

#[tokio::test]
async fn cursors_walk_both_ways_through_equal_values() {
    let test = TestApp::new().await;
    let (staff, guest) = (test.viewer(Role::Staff), test.guest());
    ten(&staff).await;
    for direction in ["ASC", "DESC"] {
        for field in ["PRICE", "NAME", "CREATED_AT"] {
            let order = json!({"field": field, "direction": direction});
            let whole = guest
                .data(PAGE, json!({"first": 100, "order": order}))
                .await["products"]
                .take();
            let whole = names(&whole);
            assert_eq!(whole.len(), 10);
            let (mut forward, mut after) = (Vec::new(), json!(null));
            loop {
                let page = guest
                    .data(PAGE, json!({"first": 3, "after": after, "order": order}))
                    .await;
                let page = &page["products"];
                assert_eq!(page["pageInfo"]["hasPreviousPage"], !forward.is_empty());
                forward.extend(names(page));
                after = page["pageInfo"]["endCursor"].clone();
                if page["pageInfo"]["hasNextPage"] == json!(false) {
                    break;
                }
            }
            assert_eq!(forward, whole);
            let (mut backward, mut before) = (Vec::new(), json!(null));
            loop {
                let page = guest
                    .data(PAGE, json!({"last": 4, "before": before, "order": order}))
                    .await;
                let page = &page["products"];
                assert_eq!(page["pageInfo"]["hasNextPage"], !backward.is_empty());
                backward.splice(0..0, names(page));
                before = page["pageInfo"]["startCursor"].clone();
                if page["pageInfo"]["hasPreviousPage"] == json!(false) {
                    break;
                }
            }
            assert_eq!(backward, whole);
            let mut numbered = Vec::new();
            for number in 1..=4 {
                let page = guest
                    .data(PAGE, json!({"first": 3, "page": number, "order": order}))
                    .await;
                let page = &page["products"];
                assert_eq!(
                    (&page["totalCount"], &page["totalPages"]),
                    (&json!(10), &json!(4))
                );
                assert_eq!(page["pageInfo"]["page"], number);
                assert_eq!(page["pageInfo"]["hasNextPage"], number < 4);
                numbered.extend(names(page));
            }
            assert_eq!(numbered, whole);
        }
    }
    let beyond = guest.data(PAGE, json!({"first": 3, "page": 9})).await;
    assert_eq!(beyond["products"]["nodes"], json!([]));
}

#[tokio::test]
async fn a_walk_neither_repeats_nor_misses_when_products_are_added_meanwhile() {
    let test = TestApp::new().await;
    let (staff, guest) = (test.viewer(Role::Staff), test.guest());
    ten(&staff).await;
    let order = json!({"field": "PRICE", "direction": "ASC"});
    let mut seen = Vec::new();
    let mut after = json!(null);
    for round in 0..5 {
        let page = guest
            .data(PAGE, json!({"first": 2, "after": after, "order": order}))
            .await;
        seen.extend(names(&page["products"]));
        after = page["products"]["pageInfo"]["endCursor"].clone();
        // Before everything that was seen, so no page that follows has it.
        product(
            &staff,
            json!({"name": format!("New {round}"), "sku": format!("n{round}"), "price": "0"}),
        )
        .await;
    }
    let old: Vec<&String> = seen.iter().filter(|name| name.starts_with('P')).collect();
    let mut distinct = seen.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), seen.len(), "{seen:?}");
    assert!(old.len() + seen.iter().filter(|name| name.starts_with("New")).count() == 10);
}

#[tokio::test]
async fn bad_pages_are_refused_with_a_reason() {
    let test = TestApp::new().await;
    let (staff, guest) = (test.viewer(Role::Staff), test.guest());
    ten(&staff).await;
    let by_name = json!({"field": "NAME", "direction": "ASC"});
    let page = guest
        .data(PAGE, json!({"first": 1, "order": by_name}))
        .await;
    let cursor = page["products"]["edges"][0]["cursor"].clone();
    for variables in [
        json!({"first": 0}),
        json!({"first": -1}),
        json!({"first": 101}),
        json!({"last": 0}),
        json!({"last": 101}),
        json!({"first": 1, "last": 1}),
        json!({"after": cursor, "before": cursor}),
        json!({"last": 1, "after": cursor}),
        json!({"first": 1, "before": cursor}),
        json!({"page": 0}),
        json!({"page": 1, "after": cursor}),
        json!({"page": 1, "last": 2}),
        json!({"after": "junk"}),
        json!({"after": ""}),
        json!({"before": "AAAA", "last": 2}),
        json!({"after": cursor}),
        json!({"after": cursor, "order": {"field": "NAME", "direction": "DESC"}}),
        json!({"filter": {"category": {"eq": "7"}}}),
        json!({"filter": {"price": {"gte": "0.001"}}}),
        json!({"filter": {"price": {"gte": "99999999999999999999"}}}),
        json!({"filter": {"name": {"contains": ""}}}),
        json!({"filter": {"category": {"in": vec!["x"; 101]}}}),
    ] {
        assert_eq!(
            guest.error(PAGE, variables.clone()).await,
            "BAD_USER_INPUT",
            "{variables}"
        );
    }
    // The same below a list, where a batch reads the pages: the mistake fails its own field.
    category(&staff, "Teas", None).await;
    let nested = "{ categories { nodes { products(after: \"junk\") { nodes { id } } } } }";
    let answer = guest.ask(nested, json!({})).await;
    assert_eq!(
        answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT",
        "{answer}"
    );
}

#[tokio::test]
async fn filters_combine_and_an_empty_list_matches_nothing() {
    let test = TestApp::new().await;
    let (staff, guest) = (test.viewer(Role::Staff), test.guest());
    let food = category(&staff, "Food", None).await;
    let teas = category(&staff, "Teas", Some(&food)).await;
    let green = category(&staff, "Green", Some(&teas)).await;
    let cups = category(&staff, "Cups", None).await;
    for (name, price, categories) in [
        ("Bread", "1", vec![&food]),
        ("Sencha", "8", vec![&green]),
        ("Earl Grey", "5.50", vec![&teas]),
        ("Tea cup 100%", "6", vec![&cups, &teas]),
        ("Saucer", "2", vec![&cups]),
        ("Nowhere", "3", vec![]),
    ] {
        let input = json!({"name": name, "sku": name, "price": price, "categoryIds": categories});
        product(&staff, input).await;
    }
    for (filter, expected) in [
        (
            json!({}),
            vec![
                "Bread",
                "Earl Grey",
                "Nowhere",
                "Saucer",
                "Sencha",
                "Tea cup 100%",
            ],
        ),
        (
            json!({"category": {"eq": food}}),
            vec!["Bread", "Earl Grey", "Sencha", "Tea cup 100%"],
        ),
        (json!({"category": {"eq": green}}), vec!["Sencha"]),
        (
            json!({"category": {"in": [green, cups]}}),
            vec!["Saucer", "Sencha", "Tea cup 100%"],
        ),
        (json!({"category": {"eq": green, "in": [cups]}}), vec![]),
        (json!({"category": {"in": []}}), vec![]),
        (json!({"category": {"eq": uuid::Uuid::nil()}}), vec![]),
        (
            json!({"price": {"gte": "5.50", "lte": "6"}}),
            vec!["Earl Grey", "Tea cup 100%"],
        ),
        (json!({"price": {"gte": "9"}}), vec![]),
        (
            json!({"price": {"gte": "-1"}, "category": {"eq": cups}}),
            vec!["Saucer", "Tea cup 100%"],
        ),
        (json!({"availability": {"eq": "IN_STOCK"}}), vec![]),
        (json!({"availability": {"in": []}}), vec![]),
        (
            json!({"availability": {"in": ["OUT_OF_STOCK"]}, "price": {"lte": "2"}}),
            vec!["Bread", "Saucer"],
        ),
        (json!({"status": {"in": []}}), vec![]),
        (
            json!({"status": {"eq": "ACTIVE"}, "category": {"eq": green}}),
            vec!["Sencha"],
        ),
        (
            json!({"name": {"contains": "EA"}}),
            vec!["Bread", "Earl Grey", "Tea cup 100%"],
        ),
        (json!({"name": {"prefix": "s"}}), vec!["Saucer", "Sencha"]),
        (json!({"name": {"contains": "0%"}}), vec!["Tea cup 100%"]),
        (json!({"name": {"contains": "_"}}), vec![]),
        (json!({"name": {"contains": "!"}}), vec![]),
        (json!({"name": {"contains": "'"}}), vec![]),
        (
            json!({"category": {"eq": food}, "price": {"lte": "6"}, "name": {"prefix": "e"}}),
            vec!["Earl Grey"],
        ),
    ] {
        assert_eq!(filtered(&guest, filter.clone()).await, expected, "{filter}");
    }
    let below = "query($id: ID!) { category(by: {id: $id}) {
        products(orderBy: {field: NAME, direction: ASC}, filter: {price: {gte: \"2\"}}) { totalCount nodes { name } } } }";
    let found = guest.data(below, json!({"id": food})).await;
    let list = &found["category"]["products"];
    assert_eq!(names(list), ["Earl Grey", "Sencha", "Tea cup 100%"]);
    assert_eq!(list["totalCount"], 3);
    let both = "query($a: ID!, $b: ID!) { category(by: {id: $a}) {
        products(filter: {category: {eq: $b}}) { nodes { name } } } }";
    let found = guest.data(both, json!({"a": teas, "b": cups})).await;
    assert_eq!(names(&found["category"]["products"]), ["Tea cup 100%"]);

    let categories = "query($filter: CategoryFilter, $order: CategoryOrder) {
        categories(filter: $filter, orderBy: $order) { nodes { name } totalCount } }";
    let by_name = json!({"field": "NAME", "direction": "DESC"});
    for (filter, expected) in [
        (json!({}), vec!["Teas", "Green", "Food", "Cups"]),
        (json!({"isRoot": true}), vec!["Food", "Cups"]),
        (json!({"isRoot": false}), vec!["Teas", "Green"]),
        (json!({"parent": {"eq": food}}), vec!["Teas"]),
        (json!({"parent": {"in": []}}), vec![]),
    ] {
        let found = guest
            .data(categories, json!({"filter": filter, "order": by_name}))
            .await;
        assert_eq!(names(&found["categories"]), expected, "{filter}");
    }
}

#[tokio::test]
async fn the_public_never_sees_what_is_not_active() {
    let test = TestApp::new().await;
    let (staff, guest, customer) = (
        test.viewer(Role::Staff),
        test.guest(),
        test.viewer(Role::Customer),
    );
    let teas = category(&staff, "Teas", None).await;
    let hidden = category(&staff, "Hidden", Some(&teas)).await;
    let update = "mutation($id: ID!) { categoryUpdate(id: $id, input: {status: ARCHIVED}) { userErrors { code path } } }";
    staff.done(update, json!({"id": hidden})).await;
    let mut ids = Vec::new();
    for status in ["ACTIVE", "DRAFT", "ARCHIVED"] {
        let input = json!({"name": status, "sku": status, "price": "1", "status": status, "externalReference": status,
                           "categoryIds": [teas, hidden]});
        ids.push(product(&staff, input).await);
    }
    let all = json!({"status": {"in": ["ACTIVE", "DRAFT", "ARCHIVED"]}});
    for viewer in [&guest, &customer] {
        assert_eq!(filtered(viewer, json!({})).await, ["ACTIVE"]);
        assert_eq!(filtered(viewer, all.clone()).await, ["ACTIVE"]);
        assert_eq!(
            filtered(viewer, json!({"status": {"eq": "DRAFT"}})).await,
            Vec::<String>::new()
        );
        for id in &ids[1..] {
            let found = viewer
                .data(
                    "query($id: ID!) { product(by: {id: $id}) { id } }",
                    json!({"id": id}),
                )
                .await;
            assert_eq!(found["product"], json!(null));
        }
        for by in [
            "slug: \"draft\"",
            "sku: \"draft\"",
            "externalReference: \"DRAFT\"",
        ] {
            let found = viewer
                .data(&format!("{{ product(by: {{{by}}}) {{ id }} }}"), json!({}))
                .await;
            assert_eq!(found["product"], json!(null), "{by}");
        }
        let found = viewer.data(
            "query($id: ID!, $filter: ProductFilter) { category(by: {id: $id}) {
                children { name } products(filter: $filter) { totalCount totalPages nodes { name categories { name } } } } }",
            json!({"id": teas, "filter": all}),
        );
        let expected = json!({"children": [], "products": {"totalCount": 1, "totalPages": 1,
            "nodes": [{"name": "ACTIVE", "categories": [{"name": "Teas"}]}]}});
        assert_eq!(found.await["category"], expected);
        let found = viewer.data(
            "{ category(by: {slug: \"hidden\"}) { id }
            categories(filter: {status: {in: [ACTIVE, ARCHIVED]}}) { totalCount nodes { name } } }",
            json!({}),
        );
        let found = found.await;
        assert_eq!(found["category"], json!(null));
        assert_eq!(
            found["categories"],
            json!({"totalCount": 1, "nodes": [{"name": "Teas"}]})
        );
    }
    assert_eq!(filtered(&staff, json!({})).await, ["ACTIVE"]);
    assert_eq!(
        filtered(&staff, all.clone()).await,
        ["ACTIVE", "ARCHIVED", "DRAFT"]
    );
    let found = staff.data(
        "query($id: ID!, $filter: ProductFilter) { category(by: {id: $id}) {
            children { name status } products(filter: $filter) { totalCount } } }",
        json!({"id": teas, "filter": all}),
    );
    let expected = json!({"children": [{"name": "Hidden", "status": "ARCHIVED"}], "products": {"totalCount": 3}});
    assert_eq!(found.await["category"], expected);
}

#[tokio::test]
async fn statements_do_not_grow_with_rows() {
    let test = TestApp::alone(&[("limits.complexity", json!(100_000))]).await;
    let (staff, guest) = (test.viewer(Role::Staff), test.guest());
    let wide = "{ products(first: 100) { totalCount nodes { name
        defaultVariant { sku } variants { sku product { name } } images { url }
        categories { name parent { name } } } } }";
    let deep = "{ categories(first: 100, filter: {isRoot: true}) { totalCount nodes { name
        children { name parent { name } products(first: 3, filter: {price: {gte: \"0\"}}) {
            totalCount nodes { name variants { sku } } } }
        products(first: 2, orderBy: {field: PRICE, direction: ASC}) { nodes { name } } } } }";
    let filter =
        "query($filter: ProductFilter) { products(filter: $filter) { nodes { name } totalCount } }";
    let mut costs = Vec::new();
    let mut roots: Vec<Value> = Vec::new();
    for size in [2, 20] {
        for n in roots.len()..size {
            let root = category(&staff, &format!("Root {n}"), None).await;
            let child = category(&staff, &format!("Child {n}"), Some(&root)).await;
            let mut mutation = String::new();
            write!(mutation, "Product {n}").unwrap();
            let input = json!({"name": mutation, "categoryIds": [root, child],
                "images": [{"url": "https://example.com/a"}],
                "variants": [{"sku": format!("a{n}"), "price": "1"}, {"sku": format!("b{n}"), "price": "2"}]});
            product(&staff, input).await;
            roots.push(root);
        }
        let mut cost = Vec::new();
        for (query, variables) in [
            (wide, json!({})),
            (deep, json!({})),
            (filter, json!({"filter": {"category": {"in": roots}}})),
        ] {
            test.app.cache().clear();
            let before = test.app.db().statements();
            guest.data(query, variables).await;
            cost.push(test.app.db().statements() - before);
        }
        costs.push(cost);
    }
    assert_eq!(costs[0], costs[1]);
    // Wide: the total, the page, the four that make up products as the cache keeps them, and categories. With a filter: the
    // tree, the total, the page, and the same four.
    assert_eq!((costs[0][0], costs[0][2]), (7, 7));
}

#[tokio::test]
async fn more_parents_than_one_statement_holds_are_answered_alike() {
    let test = TestApp::with(&[
        ("limits.page_size_max", json!(1000)),
        ("limits.complexity", json!(1_000_000)),
    ])
    .await;
    let staff = test.viewer(Role::Staff);
    let mut tree = String::from("mutation {");
    for n in 0..4 {
        write!(
            tree,
            " c{n}: categoryCreate(input: {{name: \"x\"}}) {{ userErrors {{ code }} }}"
        )
        .unwrap();
    }
    tree.push('}');
    for _ in 0..60 {
        staff.data(&tree, json!({})).await;
    }
    let query =
        "{ categories(first: 1000) { nodes { products(first: 1) { totalCount nodes { id } } } } }";
    let found = test.guest().data(query, json!({})).await;
    let nodes = found["categories"]["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 240);
    for node in nodes {
        assert_eq!(node["products"], json!({"totalCount": 0, "nodes": []}));
    }
}
