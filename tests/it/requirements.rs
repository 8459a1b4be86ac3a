//! `docs/requirements.md` is complete and names only tests that are there.

use std::collections::BTreeMap;
use std::path::Path;

/// Every line of the five systems, as ranges of numbers, both ends included.
const LINES: &[(&str, &[(u16, u16)])] = &[
    (
        "S0",
        &[
            (1, 8),
            (10, 21),
            (30, 55),
            (60, 65),
            (70, 85),
            (90, 103),
            (110, 114),
            (120, 124),
            (130, 138),
            (140, 149),
        ],
    ),
    ("S1", &[(1, 16)]),
    ("S2", &[(1, 20)]),
    (
        "S3",
        &[
            (1, 23),
            (30, 43),
            (50, 58),
            (60, 63),
            (70, 83),
            (90, 97),
            (100, 100),
            (110, 110),
        ],
    ),
    (
        "S4",
        &[
            (1, 7),
            (10, 14),
            (20, 22),
            (30, 32),
            (40, 44),
            (50, 51),
            (60, 78),
            (80, 81),
        ],
    ),
];

/// The issues that deliver lines.
const ISSUES: std::ops::RangeInclusive<u8> = 3..=8;
/// What comes after them.
const LATER: &[&str] = &["trading", "security", "release"];

fn lines() -> Vec<String> {
    let of_system = |(system, ranges): &(&str, &[(u16, u16)])| {
        let numbers = ranges.iter().flat_map(|(first, last)| *first..=*last);
        numbers
            .map(|number| format!("{system}-{number:03}"))
            .collect::<Vec<_>>()
    };
    LINES.iter().flat_map(of_system).collect()
}

/// Everything that is wrong with a page. `file` gives the text of a file of the repository, if it is there.
fn check(page: &str, file: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, line) in page.lines().enumerate() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let is_row = matches!(cells[0].as_bytes(), [b'S', b'0'..=b'9', b'-', ..]);
        if !is_row {
            continue;
        }
        *rows.entry(cells[0]).or_default() += 1;
        let [id, text, state] = cells.as_slice() else {
            wrong.push(format!("line {}: a row has three cells", number + 1));
            continue;
        };
        if text.is_empty() || state.is_empty() {
            wrong.push(format!("{id} has no text or no state"));
        }
        for part in state.split(", ") {
            if let Some(problem) = problem(part, page, &file) {
                wrong.push(format!("{id}: {problem}"));
            }
        }
    }
    for id in lines() {
        match rows.remove(id.as_str()) {
            Some(1) => {}
            Some(times) => wrong.push(format!("{id} stands {times} times")),
            None => wrong.push(format!("{id} is missing")),
        }
    }
    wrong.extend(
        rows.keys()
            .map(|id| format!("{id} is no line of the requirements")),
    );
    wrong
}

/// What is wrong with one part of a state.
fn problem(part: &str, page: &str, file: &impl Fn(&str) -> Option<String>) -> Option<String> {
    if let Some(issue) = part.strip_prefix("issue ") {
        let is_known = issue
            .parse()
            .is_ok_and(|number: u8| ISSUES.contains(&number));
        return (!is_known).then(|| format!("no issue {issue}"));
    }
    if let Some(later) = part.strip_prefix("later: ") {
        return (!LATER.contains(&later)).then(|| format!("nothing later is called {later}"));
    }
    if part.starts_with("ruling ") {
        let is_told = page.contains(&format!("- {part}: "));
        return (!is_told).then(|| format!("the page does not say what {part} is"));
    }
    if part == "structure" {
        return None;
    }
    let Some(test) = part
        .strip_prefix('`')
        .and_then(|rest| rest.strip_suffix('`'))
    else {
        return Some(format!("`{part}` is not a state"));
    };
    let (path, name) = test.split_once("::")?;
    let path = if path.ends_with(".rs") {
        path.to_owned()
    } else {
        format!("tests/it/{path}.rs")
    };
    match file(&path) {
        None => Some(format!("{path} is not there")),
        Some(text) if has_test(&text, name) => None,
        Some(_) => Some(format!("{path} has no test {name}")),
    }
}

/// Whether a source has a function of this name with a test's attribute before it.
fn has_test(source: &str, name: &str) -> bool {
    let Some((before, _)) = source.split_once(&format!("fn {name}(")) else {
        return false;
    };
    // Attributes and doc comments may stand between.
    before
        .rsplit("\n\n")
        .next()
        .is_some_and(|near| near.contains("test]") || near.contains("test("))
}

#[test]
fn every_line_has_a_test_or_an_issue() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/requirements.md")).unwrap();
    let wrong = check(&page, |path| std::fs::read_to_string(root.join(path)).ok());
    assert!(
        wrong.is_empty(),
        "docs/requirements.md:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn the_check_finds_what_is_wrong() {
    let file = |path: &str| {
        (path == "tests/it/orders.rs")
            .then(|| "#[tokio::test]\nasync fn one() {}\n\nfn two() {}".to_owned())
    };
    let page = |row: &str| {
        let others = lines()
            .into_iter()
            .filter(|id| !row.starts_with(&format!("| {id} ")));
        let others = others
            .map(|id| format!("| {id} | Text | structure |"))
            .collect::<Vec<_>>()
            .join("\n");
        format!("- ruling 15: Words.\n{row}\n{others}\n")
    };
    for right in [
        "`orders::one`",
        "`tests/it/orders.rs::one`, issue 8",
        "later: trading",
        "ruling 15",
        "structure",
    ] {
        let wrong = check(&page(&format!("| S0-001 | Text | {right} |")), file);
        assert!(wrong.is_empty(), "{right}: {wrong:?}");
    }
    for (state, told) in [
        ("", "no text or no state"),
        ("TODO-TEST: accounts", "is not a state"),
        ("`orders::two`", "has no test two"),
        ("`orders::three`", "has no test three"),
        ("`carts::one`", "is not there"),
        ("issue 2", "no issue 2"),
        ("later: never", "nothing later is called never"),
        ("ruling 99", "does not say what ruling 99 is"),
    ] {
        let wrong = check(&page(&format!("| S0-001 | Text | {state} |")), file);
        assert!(
            wrong.iter().any(|line| line.contains(told)),
            "{state}: {wrong:?}"
        );
    }
    for (row, told) in [
        ("", "S0-001 is missing"),
        (
            "| S0-001 | Text | structure |\n| S0-001 | Text | structure |",
            "S0-001 stands 2 times",
        ),
        (
            "| S0-001 | Text | structure |\n| S0-009 | Text | structure |",
            "S0-009 is no line",
        ),
    ] {
        let page = if row.is_empty() {
            page("| S0-001 ").replace("| S0-001 \n", "")
        } else {
            page(row)
        };
        let wrong = check(&page, file);
        assert!(
            wrong.iter().any(|line| line.contains(told)),
            "{row}: {wrong:?}"
        );
    }
}
