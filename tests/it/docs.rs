//! Documentation that can be wrong is checked: made pages, links, names of files, functions and settings, examples.

use crate::support::{TestApp, env};
use async_graphql::Variables;
use async_graphql::parser::parse_query;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tradepost::graphql::docs::{TOP_LEVEL, errors_page};
use tradepost::graphql::schema;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Files with this ending in a folder, and below it when `deep`.
fn files(folder: &Path, ending: &str, deep: bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else {
        return found;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() && deep {
            found.extend(files(&path, ending, deep));
        } else if path
            .extension()
            .is_some_and(|extension| extension == ending)
        {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The pages for people, each with its path from the root.
fn pages() -> Vec<(PathBuf, String)> {
    let mut pages = files(root(), "md", false);
    pages.extend(files(&root().join("docs"), "md", true));
    pages.extend(files(&root().join("examples"), "md", true));
    let named = |path: PathBuf| {
        let text = read(&path);
        (path.strip_prefix(root()).unwrap().to_path_buf(), text)
    };
    pages.into_iter().map(named).collect()
}

#[test]
fn the_page_of_errors_is_what_the_program_makes() {
    let path = root().join("docs/errors.md");
    if env("TRADEPOST_WRITE_DOCS").is_some() {
        std::fs::write(&path, errors_page()).unwrap();
    }
    assert!(
        read(&path) == errors_page(),
        "docs/errors.md is out of date: TRADEPOST_WRITE_DOCS=1 cargo test --test it docs"
    );
}

#[test]
fn every_code_at_the_top_of_an_answer_is_on_the_page() {
    let told: BTreeSet<&str> = TOP_LEVEL.iter().map(|code| code.code).collect();
    let mut used = BTreeSet::new();
    let mut sources = files(&root().join("src/http"), "rs", true);
    sources.push(root().join("src/graphql/error.rs"));
    sources.push(root().join("src/graphql/engine.rs"));
    for path in sources {
        let text = read(&path);
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for literal in code.split('"').skip(1).step_by(2) {
            let is_code =
                literal.len() > 7 && literal.chars().all(|c| c.is_ascii_uppercase() || c == '_');
            // Reasons of UNAUTHENTICATED and RATE_LIMITED stand in their meanings.
            if is_code
                && !matches!(
                    literal,
                    "TOKEN_EXPIRED"
                        | "TOKEN_INVALID"
                        | "SESSION_REVOKED"
                        | "TOO_MANY_CONNECTIONS"
                        | "TOO_MANY_STREAMS"
                        | "SLOW_SUBSCRIBER"
                        | "OUT_DIR"
                        | "CARGO_PKG_VERSION"
                )
            {
                used.insert(literal.to_owned());
            }
        }
    }
    assert!(used.len() > 5, "the codes were not found: {used:?}");
    let missing: Vec<_> = used
        .iter()
        .filter(|code| !told.contains(code.as_str()))
        .collect();
    assert!(
        missing.is_empty(),
        "TOP_LEVEL in src/graphql/docs.rs has no {missing:?}"
    );
}

/// What stands between backticks, outside of fenced blocks.
fn quoted(text: &str) -> Vec<(usize, String)> {
    let mut fenced = false;
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            found.extend(
                line.split('`')
                    .skip(1)
                    .step_by(2)
                    .map(|part| (number + 1, part.to_owned())),
            );
        }
    }
    found
}

#[test]
fn files_and_functions_that_the_pages_name_are_there() {
    const FOLDERS: &[&str] = &[
        "src/",
        "entity/",
        "migration/",
        "tests/",
        "docs/",
        "scripts/",
        "config/",
        "examples/",
        "benches/",
        ".github/",
    ];
    let mut wrong = Vec::new();
    for (page, text) in pages() {
        for (line, part) in quoted(&text) {
            let is_pattern = part.contains(['<', '*', '{', ' ', '…']) || part.contains("NNNN");
            if is_pattern || !FOLDERS.iter().any(|folder| part.starts_with(folder)) {
                continue;
            }
            let (path, function) = part.split_once("::").unwrap_or((&part, ""));
            let is_there = root().join(path).exists();
            let has_function = function.is_empty()
                || (is_there && {
                    let text = read(&root().join(path));
                    let name = function.trim_end_matches("()");
                    [
                        format!("fn {name}("),
                        format!("fn {name}<"),
                        format!("{name}:"),
                        format!("struct {name}"),
                    ]
                    .iter()
                    .any(|form| text.contains(form))
                });
            if !is_there || !has_function {
                wrong.push(format!("{}:{line}: {part}", page.display()));
            }
        }
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let target = target.split('#').next().unwrap_or_default();
            let is_address =
                target.is_empty() || target.contains("://") || target.starts_with("mailto:");
            let folder = root().join(page.parent().unwrap());
            if !is_address && !folder.join(target).exists() {
                wrong.push(format!("{}: link to {target}", page.display()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "these are not there:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn settings_that_the_pages_name_are_there() {
    let settings: toml::Table = toml::from_str(&read(&root().join("config/default.toml"))).unwrap();
    let is_setting = |section: &str, key: &str| {
        settings
            .get(section)
            .and_then(toml::Value::as_table)
            .is_some_and(|table| table.contains_key(key))
    };
    let mut wrong = Vec::new();
    for (page, text) in pages() {
        for (line, part) in quoted(&text) {
            let name = part.split('=').next().unwrap_or_default().trim();
            let wrong_variable = name
                .strip_prefix("TRADEPOST_")
                .and_then(|name| name.split_once("__"))
                .is_some_and(|(section, key)| {
                    let named = |text: &str| {
                        !text.is_empty() && text.chars().all(|c| c.is_ascii_uppercase() || c == '_')
                    };
                    named(section)
                        && named(key)
                        && !is_setting(&section.to_lowercase(), &key.to_lowercase())
                });
            let wrong_key = name.split_once('.').is_some_and(|(section, key)| {
                let is_key =
                    !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
                // `config.rs` and the like are files.
                settings.contains_key(section)
                    && is_key
                    && !matches!(key, "rs" | "md" | "toml" | "py")
                    && !is_setting(section, key)
            });
            if wrong_variable || wrong_key {
                wrong.push(format!("{}:{line}: {part}", page.display()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "these are no settings:\n{}",
        wrong.join("\n")
    );
}

/// Each example passes the checks that a request passes, and leaves two thirds of the limit of cost to others.
#[tokio::test]
async fn every_example_operation_is_valid_and_cheap() {
    let t = TestApp::new().await;
    let engine = schema::build(&t.app);
    let examples = files(&root().join("examples/operations"), "graphql", false);
    assert!(examples.len() >= 11, "examples are missing");
    for path in examples {
        let text = read(&path);
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(text.starts_with("# "), "{name} begins with what it is for");
        let variables = text
            .lines()
            .find_map(|line| line.strip_prefix("# Variables: "))
            .unwrap_or("{}");
        let variables: serde_json::Value =
            serde_json::from_str(variables).unwrap_or_else(|error| panic!("{name}: {error}"));
        let document = parse_query(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let cost = engine
            .check(document, None, Variables::from_json(variables))
            .await
            .unwrap_or_else(|errors| panic!("{name}: {errors:?}"));
        let limit = t.app.config().limits.complexity / 3;
        assert!(
            cost <= limit,
            "{name} costs {cost}; at most {limit} leaves room for others"
        );
    }
}
