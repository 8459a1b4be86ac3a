//! The placement rules of `docs/architecture.md`, checked on the sources.
//!
//! [`check`] is a function of paths and texts, so a second test shows with one broken example a rule that each rule
//! reports its breach at its line. A new domain is a line of [`ARROWS`]. Clippy checks what a compiler can see better
//! (`clippy.toml`); what is checked twice is cheap.

mod source;

use source::{Named, Source};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Which domains' services a domain may call; no cycles.
const ARROWS: &[(&str, &[&str])] = &[
    ("accounts", &[]),
    ("catalog", &[]),
    ("inventory", &["catalog"]),
    ("carts", &["catalog", "inventory"]),
    ("wallet", &["accounts"]),
    ("payments", &["wallet"]),
    (
        "orders",
        &[
            "carts",
            "catalog",
            "inventory",
            "payments",
            "wallet",
            "accounts",
        ],
    ),
    ("trading", &["wallet", "accounts"]),
    ("notifications", &["accounts", "orders"]),
    (
        "reports",
        &[
            "accounts",
            "catalog",
            "inventory",
            "carts",
            "wallet",
            "payments",
            "orders",
            "trading",
            "notifications",
        ],
    ),
];

/// Lines of a file, unit tests apart.
const LINES_MAX: usize = 500;

/// What lies above what: a module uses its own layer and those below. `domain` is split by kind of file.
const LAYERS: &[(&str, u8)] = &[
    ("cause", BASE),
    ("clock", BASE),
    ("config", BASE),
    ("error", BASE),
    ("health", BASE),
    ("money", BASE),
    ("page", BASE),
    ("random", BASE),
    ("cache", MEANS),
    ("db", MEANS),
    ("events", MEANS),
    ("mail", MEANS),
    ("telemetry", MEANS),
    ("workers", MEANS),
    ("shutdown", MEANS),
    ("domain", DOMAIN),
    ("app", APP),
    ("contract", APP),
    ("graphql", GRAPHQL),
    ("http", HTTP),
    ("event_tools", TOP),
    ("seed", TOP),
    ("import", TOP),
    ("export", TOP),
    ("cli", TOP),
    ("lib", TOP),
    ("main", TOP),
];
const BASE: u8 = 0;
const MEANS: u8 = 1;
const DOMAIN: u8 = 2;
const APP: u8 = 3;
const GRAPHQL: u8 = 4;
const HTTP: u8 = 5;
const TOP: u8 = 6;

/// Where statements are written beside the domains' stores.
#[rustfmt::skip]
const STATEMENTS: &[&str] = &[
    "src/db/", "src/events/outbox.rs", "src/events/store.rs", "src/events/store/", "src/events/consumer/store.rs", "src/cache/store.rs",
];

/// Breaches that are known and wait to be mended: path, rule, and what is to be done. The list only shrinks, and a
/// line that is not needed any more fails the test.
#[rustfmt::skip]
const KNOWN: &[(&str, &str, &str)] = &[
    ("src/events/store.rs", "tables", "ask accounts for the e-mail addresses: a function given to Events::new by the app"),
];

/// A breach of a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    line: usize,
    rule: &'static str,
    message: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}:{}: [{}] {}",
            self.path, self.line, self.rule, self.message
        )
    }
}

/// What a file is by its place. Files of a domain that have no name of their own are parts of its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `mod.rs` of a domain.
    Page,
    Model,
    Service,
    Store,
    Errors,
    Events,
    Graphql,
    Loaders,
    Tasks,
    Gateway,
    /// Outside of the domains.
    Other,
}

/// A file with what the rules ask of it.
struct File {
    source: Source,
    named: Vec<Named>,
    /// The domain it belongs to, or nothing.
    domain: String,
    kind: Kind,
    layer: Option<u8>,
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        let source = Source::new(path, text);
        let parts: Vec<&str> = path
            .trim_start_matches("src/")
            .trim_end_matches(".rs")
            .split('/')
            .collect();
        let (domain, kind) = match parts.as_slice() {
            ["domain", domain, "mod"] => (*domain, Kind::Page),
            ["domain", domain, kind, ..] => (*domain, kind_of(kind)),
            _ => ("", Kind::Other),
        };
        let layer = match kind {
            Kind::Graphql | Kind::Loaders => Some(GRAPHQL),
            _ => layer_of(parts[0]),
        };
        Self {
            named: source.named(),
            source,
            domain: domain.to_owned(),
            kind,
            layer,
        }
    }

    fn is_in(&self, homes: &[&str]) -> bool {
        homes.iter().any(|home| match home.strip_suffix('/') {
            Some(_) => self.source.path.starts_with(home),
            None => self.source.path == *home,
        })
    }

    fn is(&self, kinds: &[Kind]) -> bool {
        kinds.contains(&self.kind)
    }
}

fn kind_of(name: &str) -> Kind {
    match name {
        "model" => Kind::Model,
        "store" => Kind::Store,
        "error" => Kind::Errors,
        "events" => Kind::Events,
        "graphql" => Kind::Graphql,
        "loaders" => Kind::Loaders,
        "tasks" => Kind::Tasks,
        "gateway" => Kind::Gateway,
        _ => Kind::Service,
    }
}

fn layer_of(module: &str) -> Option<u8> {
    LAYERS
        .iter()
        .find(|(name, _)| *name == module)
        .map(|(_, layer)| *layer)
}

fn arrows(domain: &str) -> Option<&'static [&'static str]> {
    ARROWS
        .iter()
        .find(|(name, _)| *name == domain)
        .map(|(_, arrows)| *arrows)
}

/// Every breach of a rule in these files, given as path and text.
fn check(files: &[(String, String)]) -> Vec<Finding> {
    let mut findings = BTreeSet::new();
    for (path, text) in files {
        let file = File::new(path, text);
        let mut report = |line: usize, rule: &'static str, message: String| {
            findings.insert(Finding {
                path: path.clone(),
                line,
                rule,
                message,
            });
        };
        layers(&file, &mut report);
        domains(&file, &mut report);
        tables(&file, &mut report);
        kinds(&file, &mut report);
        homes(&file, &mut report);
        form(&file, &mut report);
    }
    for folder in domain_folders(files) {
        let page = format!("src/domain/{folder}/mod.rs");
        let has_page = files
            .iter()
            .any(|(path, text)| *path == page && text.trim_start().starts_with("//!"));
        let mut report = |rule, message: &str| {
            findings.insert(Finding {
                path: page.clone(),
                line: 1,
                rule,
                message: message.to_owned(),
            });
        };
        if !has_page {
            report(
                "page",
                "a domain begins with a mod.rs that says what it is for, its tables, states and invariants",
            );
        }
        if arrows(&folder).is_none() {
            report(
                "arrows",
                "a domain states in ARROWS which others it may call",
            );
        }
    }
    findings.into_iter().collect()
}

fn domain_folders(files: &[(String, String)]) -> BTreeSet<String> {
    let inner = |(path, _): &(String, String)| {
        let (folder, _) = path.strip_prefix("src/domain/")?.split_once('/')?;
        Some(folder.to_owned())
    };
    files.iter().filter_map(inner).collect()
}

/// Data flow one way: `http → graphql → domain → db, events, cache`.
fn layers(file: &File, report: &mut impl FnMut(usize, &'static str, String)) {
    let Some(own) = file.layer else {
        let message =
            "a new module states its layer in LAYERS of tests/it/architecture.rs".to_owned();
        return report(1, "layers", message);
    };
    for named in file.named.iter().filter(|named| named.is_under("crate")) {
        let module = named.part(1);
        // Of a domain, only what stands in the GraphQL layer; the rest is the business of `domains`.
        let of_domain = matches!(named.part(3), "graphql" | "loaders").then_some(GRAPHQL);
        let layer = if module == "domain" {
            of_domain.or(Some(DOMAIN))
        } else {
            layer_of(module)
        };
        if layer.is_some_and(|layer| layer > own) {
            report(
                named.line,
                "layers",
                format!("{} lies above this file", named.parts.join("::")),
            );
        }
    }
}

/// Services call services along the arrows, and nobody looks into another domain's store.
fn domains(file: &File, report: &mut impl FnMut(usize, &'static str, String)) {
    for named in file
        .named
        .iter()
        .filter(|named| named.is_under("crate::domain"))
    {
        let (other, part) = (named.part(2), named.part(3));
        if other.is_empty() || other == file.domain {
            continue;
        }
        if matches!(part, "store" | "tasks") && !(part == "tasks" && file.layer >= Some(APP)) {
            report(
                named.line,
                "arrows",
                format!("{part} of {other} is its own domain's; call its service"),
            );
        }
        // GraphQL and what is above it may ask any domain.
        let is_top = file.layer >= Some(APP);
        let is_allowed = arrows(&file.domain).is_some_and(|arrows| arrows.contains(&other));
        if !is_top && !is_allowed {
            let from = if file.domain.is_empty() {
                file.source.path.as_str()
            } else {
                file.domain.as_str()
            };
            report(named.line, "arrows", format!("{from} may not use {other}"));
        }
    }
}

/// A store touches its own domain's tables; other files name rows along the arrows; statements are written in stores.
fn tables(file: &File, report: &mut impl FnMut(usize, &'static str, String)) {
    for named in file.named.iter().filter(|named| named.is_under("entity")) {
        let owner = named.part(1);
        let is_own = owner == "ids" || owner == file.domain;
        let is_allowed = match (file.kind, file.layer) {
            // Reports read every table, and have none.
            (Kind::Store, _) => is_own || file.domain == "reports",
            (_, Some(MEANS)) => matches!(owner, "ids" | "platform" | "events" | "TextEnum"),
            (Kind::Other | Kind::Graphql | Kind::Loaders, _) => true,
            _ => is_own || arrows(&file.domain).is_some_and(|arrows| arrows.contains(&owner)),
        };
        if !is_allowed {
            report(
                named.line,
                "tables",
                format!("entity::{owner} is not this file's to use"),
            );
        }
        let is_of_query = |part: &String| {
            matches!(
                part.as_str(),
                "Entity" | "Column" | "COLUMN" | "ActiveModel"
            )
        };
        if named.parts.iter().any(is_of_query)
            && file.kind != Kind::Store
            && !file.is_in(STATEMENTS)
        {
            report(
                named.line,
                "tables",
                format!(
                    "{}: every query is written in a store",
                    named.parts.join("::")
                ),
            );
        }
    }
}

/// The table of what each kind of file may use.
fn kinds(file: &File, report: &mut impl FnMut(usize, &'static str, String)) {
    const PURE: &[Kind] = &[Kind::Model, Kind::Errors, Kind::Page];
    let forbidden: &[&str] = match file.kind {
        Kind::Model => &[
            "crate::db",
            "crate::cache",
            "crate::events",
            "crate::config",
            "crate::random",
            "crate::workers",
            "tokio",
            "std::fs",
            "std::net",
            "std::io",
        ],
        Kind::Errors | Kind::Page => &["crate::db", "crate::cache", "crate::events", "tokio"],
        Kind::Events => &["crate::db", "crate::cache"],
        Kind::Store => &[
            "crate::db::Db",
            "crate::db::Tx",
            "crate::db::idempotency",
            "crate::cache",
            "crate::events",
            "crate::clock",
            "crate::random",
            "crate::config",
        ],
        Kind::Graphql => &["crate::db", "crate::cache", "crate::events"],
        Kind::Tasks => &["crate::db"],
        Kind::Gateway => &["crate::db", "crate::cache", "crate::events"],
        Kind::Service | Kind::Loaders | Kind::Other => &[],
    };
    // Of its own domain: GraphQL and tasks go through the service, and nothing lower looks up.
    let own_forbidden: &[&str] = match file.kind {
        Kind::Model | Kind::Errors | Kind::Events | Kind::Gateway => &["service", "store", "tasks"],
        Kind::Store => &["service", "tasks", "events"],
        Kind::Graphql | Kind::Tasks => &["store"],
        Kind::Service => &["tasks"],
        Kind::Page | Kind::Loaders | Kind::Other => &[],
    };
    for named in &file.named {
        let breaks = forbidden.iter().any(|root| named.is_under(root))
            || (named.is_under("crate::domain")
                && named.part(2) == file.domain
                && own_forbidden.contains(&named.part(3)));
        if breaks {
            report(
                named.line,
                "kinds",
                format!(
                    "{} has no place in this kind of file",
                    named.parts.join("::")
                ),
            );
        }
    }
    if file.is(PURE) {
        for line in file.source.sequence(&["async", "fn"]) {
            report(
                line,
                "kinds",
                "rules and errors do no I/O: no async fn".to_owned(),
            );
        }
    }
}

/// Libraries and means that have one home.
fn homes(file: &File, report: &mut impl FnMut(usize, &'static str, String)) {
    // Rule, roots, homes, and where the thing belongs instead.
    const ONE_HOME: &[(&str, &[&str], &[&str], &str)] = &[
        (
            "env",
            &["std::env"],
            &["src/config/"],
            "settings are read in src/config only",
        ),
        (
            "clock",
            &[
                "chrono::Utc::now",
                "chrono::Local",
                "std::time::SystemTime",
                "std::time::UNIX_EPOCH",
            ],
            &["src/clock.rs"],
            "take a Clock (src/clock.rs), which tests can move",
        ),
        (
            "clock",
            &["uuid::Uuid::now_v7", "uuid::Uuid::new_v7"],
            &["src/clock.rs"],
            "ids are made by Clock::id",
        ),
        (
            "random",
            &["rand", "getrandom", "fastrand", "uuid::Uuid::new_v4"],
            &["src/random.rs"],
            "randomness comes from src/random.rs",
        ),
        (
            "cause",
            &["crate::cause"],
            &["src/http/", "src/workers/", "src/cli/", "src/events/"],
            "a cause is set where work begins (src/cause.rs), and told by the outbox",
        ),
        (
            "spawn",
            &[
                "tokio::spawn",
                "tokio::task::spawn",
                "tokio::task::spawn_local",
                "tokio::task::JoinSet",
                "std::thread::spawn",
            ],
            &["src/workers/"],
            "Workers::spawn knows its tasks and ends them at shutdown",
        ),
    ];
    for named in &file.named {
        let name = named.parts.join("::");
        let is_error_only = file.kind == Kind::Service && named.is_under("sea_orm::DbErr");
        if named.is_under("sea_orm")
            && file.kind != Kind::Store
            && !is_error_only
            && !file.is_in(STATEMENTS)
            && file.source.path != "src/error.rs"
        {
            report(
                named.line,
                "sea_orm",
                format!("{name}: queries are written in a store"),
            );
        }
        let is_graphql =
            file.is(&[Kind::Graphql, Kind::Loaders]) || file.is_in(&["src/graphql/", "src/http/"]);
        if named.is_under("async_graphql") && !is_graphql {
            report(
                named.line,
                "async_graphql",
                format!("{name}: GraphQL stays in graphql, loaders and http"),
            );
        }
        for (rule, roots, homes, instead) in ONE_HOME {
            if roots.iter().any(|root| named.is_under(root)) && !file.is_in(homes) {
                report(named.line, rule, format!("{name}: {instead}"));
            }
        }
    }
}

/// What holds for every file.
fn form(file: &File, report: &mut impl FnMut(usize, &'static str, String)) {
    let source = &file.source;
    for texts in [
        &["#", "[", "allow", "("][..],
        &["#", "!", "[", "allow", "("],
    ] {
        for line in source.sequence(texts) {
            report(
                line,
                "allow",
                "say #[expect(lint, reason = \"…\")]".to_owned(),
            );
        }
    }
    for name in ["todo", "unimplemented", "dbg"] {
        for line in source.sequence(&[name, "!"]) {
            report(line, "unfinished", format!("{name}! is not finished work"));
        }
    }
    if source.lines > LINES_MAX && !source.path.ends_with("_tests.rs") {
        let message = format!(
            "{} lines: past {LINES_MAX} a file becomes a folder of the same name",
            source.lines
        );
        report(LINES_MAX + 1, "length", message);
    }
    if !source.text.trim_start().starts_with("//!") {
        report(
            1,
            "docs",
            "a file begins with what it is for (//!)".to_owned(),
        );
    }
}

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path
                    .strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .replace('\\', "/");
                files.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn the_sources_keep_the_rules_of_placement() {
    let files = sources();
    assert!(files.len() > 20, "the sources were not found");
    let found = check(&files);
    let is_known = |finding: &Finding| {
        KNOWN
            .iter()
            .any(|(path, rule, _)| finding.path == *path && finding.rule == *rule)
    };
    let new: Vec<String> = found
        .iter()
        .filter(|finding| !is_known(finding))
        .map(Finding::to_string)
        .collect();
    assert!(
        new.is_empty(),
        "{} breaches:\n{}",
        new.len(),
        new.join("\n")
    );
    for (path, rule, what) in KNOWN {
        let is_needed = found
            .iter()
            .any(|finding| finding.path == *path && finding.rule == *rule);
        assert!(
            is_needed,
            "{path} keeps [{rule}] now ({what}): take it off KNOWN"
        );
    }
}

#[test]
fn the_arrows_have_no_cycle_and_nothing_uses_reports() {
    // Kahn: take away what calls nobody who is left, until nothing is left.
    let mut left: Vec<_> = ARROWS.to_vec();
    while !left.is_empty() {
        let names: Vec<&str> = left.iter().map(|(name, _)| *name).collect();
        let before = left.len();
        left.retain(|(_, arrows)| arrows.iter().any(|arrow| names.contains(arrow)));
        assert!(
            left.len() < before,
            "these call each other in a circle: {names:?}"
        );
    }
    for (name, arrows) in ARROWS {
        assert!(!arrows.contains(&"reports"), "{name} uses reports");
        assert!(
            arrows.iter().all(|arrow| self::arrows(arrow).is_some()),
            "{name} names a domain that is not there"
        );
    }
}

/// One broken example a line: rule, path, line of the breach, text.
#[rustfmt::skip]
const BROKEN: &[(&str, &str, usize, &str)] = &[
    ("layers", "src/db/page.rs", 2, "//! Pages.\nuse crate::domain::orders::service::Service;"),
    ("layers", "src/events/log.rs", 2, "//! Log.\nuse crate::app::App;"),
    ("layers", "src/domain/orders/service.rs", 2, "//! Service.\nuse crate::graphql::error::ApiError;"),
    ("layers", "src/domain/orders/service.rs", 2, "//! Service.\nuse super::graphql::Order;"),
    ("layers", "src/domain/orders/service.rs", 3, "//! Service.\nuse crate::domain::catalog;\nfn f() { catalog::loaders::load() }"),
    ("layers", "src/graphql/schema.rs", 2, "//! Schema.\nuse crate::http::Server;"),
    ("layers", "src/surprise.rs", 1, "//! A module that nobody placed."),
    ("arrows", "src/domain/catalog/service.rs", 2, "//! Service.\nuse crate::domain::orders::service::Service;"),
    ("arrows", "src/domain/catalog/service/products.rs", 3, "//! Service.\nuse crate::domain::{\n    inventory, catalog::model};"),
    ("arrows", "src/domain/catalog/model.rs", 2, "//! Model.\nuse crate::domain::inventory::model::Available;"),
    ("arrows", "src/domain/orders/service.rs", 2, "//! Service.\nuse crate::domain::catalog::store;"),
    ("arrows", "src/domain/orders/service.rs", 2, "//! Service.\nuse super::super::reports::service::Service;"),
    ("arrows", "src/domain/catalog/graphql.rs", 2, "//! GraphQL.\nuse crate::domain::orders::store::order_by_id;"),
    ("arrows", "src/seed.rs", 2, "//! Seed.\nuse crate::domain::catalog::store;"),
    ("arrows", "src/domain/gifts/mod.rs", 1, "//! A domain that nobody placed."),
    ("tables", "src/domain/orders/store.rs", 2, "//! Store.\nuse entity::{ids::OrderId, inventory::stock};"),
    ("tables", "src/domain/catalog/service.rs", 2, "//! Service.\nuse entity::orders::order;"),
    ("tables", "src/domain/orders/service.rs", 3, "//! Service.\nuse entity::orders::order;\nfn f() { order::Entity::find() }"),
    ("tables", "src/events/store.rs", 2, "//! Store.\nuse entity::accounts::user;"),
    ("tables", "src/seed.rs", 2, "//! Seed.\nuse entity::catalog::product::ActiveModel;"),
    ("kinds", "src/domain/orders/model.rs", 2, "//! Model.\npub async fn total() {}"),
    ("kinds", "src/domain/orders/model.rs", 2, "//! Model.\nuse crate::db::Db;"),
    ("kinds", "src/domain/orders/store.rs", 2, "//! Store.\nuse crate::db::{Tx, error};"),
    ("kinds", "src/domain/orders/store.rs", 2, "//! Store.\nuse crate::events::outbox;"),
    ("kinds", "src/domain/orders/graphql/query.rs", 2, "//! Query.\nuse super::super::store::Filter;"),
    ("kinds", "src/domain/orders/graphql.rs", 2, "//! GraphQL.\nuse crate::db::Db;"),
    ("kinds", "src/domain/orders/tasks.rs", 2, "//! Tasks.\nuse super::store;"),
    ("kinds", "src/domain/orders/error.rs", 2, "//! Errors.\nuse crate::db::Db;"),
    ("kinds", "src/domain/orders/events.rs", 2, "//! Events.\nuse crate::db::Db;"),
    ("sea_orm", "src/domain/orders/model.rs", 2, "//! Model.\nuse sea_orm::DbErr;"),
    ("sea_orm", "src/domain/orders/service.rs", 2, "//! Service.\nuse sea_orm::{DbErr, EntityTrait};"),
    ("sea_orm", "src/domain/orders/loaders.rs", 2, "//! Loaders.\nfn f() -> sea_orm::Select<E> {}"),
    ("sea_orm", "src/http/mod.rs", 2, "//! HTTP.\nuse sea_orm as orm;"),
    ("async_graphql", "src/domain/orders/service.rs", 2, "//! Service.\nuse async_graphql::ID;"),
    ("async_graphql", "src/events/mod.rs", 2, "//! Events.\nfn f(id: async_graphql::ID) {}"),
    ("env", "src/app.rs", 2, "//! App.\nfn f() { std::env::var(\"PATH\") }"),
    ("env", "src/app.rs", 3, "//! App.\nuse std::env;\nfn f() { env::var(\"PATH\") }"),
    ("clock", "src/app.rs", 3, "//! App.\nuse chrono::Utc;\nfn f() { Utc::now() }"),
    ("clock", "src/app.rs", 2, "//! App.\nuse std::time::{Duration, SystemTime};"),
    ("clock", "src/app.rs", 2, "//! App.\nfn f() { uuid::Uuid::now_v7() }"),
    ("random", "src/domain/orders/numbers.rs", 2, "//! Numbers.\nfn f() { rand::random() }"),
    ("cause", "src/domain/orders/service.rs", 2, "//! Service.\nuse crate::cause::Cause;"),
    ("spawn", "src/http/server.rs", 2, "//! Server.\nfn f() { tokio::spawn(async {}) }"),
    ("spawn", "src/http/server.rs", 3, "//! Server.\nuse tokio::task;\nfn f() { task::spawn(async {}) }"),
    ("allow", "src/app.rs", 2, "//! App.\n#[allow(dead_code)]\nfn f() {}"),
    ("allow", "src/app.rs", 2, "//! App.\n#![allow(dead_code)]"),
    ("unfinished", "src/app.rs", 2, "//! App.\nfn f() { todo!() }"),
    ("unfinished", "src/app.rs", 3, "//! App.\nfn f() {\n    dbg!(1); }"),
    ("docs", "src/app.rs", 1, "fn f() {}"),
    ("page", "src/domain/carts/mod.rs", 1, "pub mod model;"),
    ("page", "src/domain/carts/mod.rs", 1, ""),
];

#[test]
fn each_rule_reports_its_breach_at_its_line() {
    for (rule, path, line, text) in BROKEN {
        let found = check(&[((*path).to_owned(), (*text).to_owned())]);
        let is_reported = found
            .iter()
            .any(|finding| finding.rule == *rule && finding.line == *line && finding.path == *path);
        assert!(
            is_reported,
            "{path} breaks [{rule}] in line {line}, but the report is {found:?}\n{text}"
        );
    }
    let long = format!("//! Long.\n{}", "fn f() {}\n".repeat(LINES_MAX));
    let found = check(&[("src/app.rs".to_owned(), long)]);
    assert!(
        found.iter().any(|finding| finding.rule == "length"),
        "{found:?}"
    );
    let tried: BTreeSet<&str> = BROKEN
        .iter()
        .map(|(rule, ..)| *rule)
        .chain(["length"])
        .collect();
    let rules = [
        "allow",
        "arrows",
        "async_graphql",
        "cause",
        "clock",
        "docs",
        "env",
        "kinds",
        "layers",
        "length",
        "page",
        "random",
        "sea_orm",
        "spawn",
        "tables",
        "unfinished",
    ];
    assert!(tried.into_iter().eq(rules), "each rule has an example");
}

#[test]
fn what_only_looks_like_a_breach_is_none() {
    #[rustfmt::skip]
    const RIGHT: &[(&str, &str)] = &[
        ("src/app.rs", "//! `sea_orm`, todo!(), tokio::spawn.\n// use sea_orm::DbErr;\n/* std::env /* rand:: */ todo!() */"),
        ("src/app.rs", "//! App.\nconst A: &str = \"tokio::spawn\"; const B: &str = r#\"todo!() \"rand::x\"#; const C: char = '\"';"),
        ("src/app.rs", "//! App.\nfn f<'a>(x: &'a str) { Instant::now(); }\n#[cfg(test)]\nmod tests { use sea_orm::DbErr; fn f() { todo!() } }"),
        ("src/domain/orders/service.rs", "//! Service.\nuse super::store;\nuse crate::domain::{catalog, inventory::model::Need};\nuse sea_orm::DbErr;"),
        ("src/domain/orders/plan.rs", "//! Plan.\nuse entity::inventory::{ReservationStatus, reservation};"),
        ("src/domain/orders/store.rs", "//! Store.\nuse crate::db::{error, page};\nuse entity::ids::ProductId;\nuse entity::orders::order::{self, Entity};"),
        ("src/domain/catalog/graphql/types.rs", "//! Types.\nuse crate::app::App;\nuse crate::domain::orders::graphql::Order;"),
        ("src/config/mod.rs", "//! Settings.\nfn f() { std::env::var(\"X\") }"),
    ];
    for (path, text) in RIGHT {
        let page = |domain: &str| {
            (
                format!("src/domain/{domain}/mod.rs"),
                "//! A domain.".to_owned(),
            )
        };
        let found = check(&[
            page("orders"),
            page("catalog"),
            ((*path).to_owned(), (*text).to_owned()),
        ]);
        assert!(found.is_empty(), "{found:?}\n{text}");
    }
}
