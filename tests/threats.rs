//! The table of threats names only tests, cases and packs that exist.

use std::collections::BTreeSet;
use std::path::Path;

/// Rows of the table: threat, answer, what shows it.
fn rows() -> Vec<[String; 3]> {
    let text = std::fs::read_to_string(root().join("src/manual/threats.rs")).unwrap();
    let table = text.lines().filter_map(|line| line.strip_prefix("//! | T"));
    let table = table.filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
    table
        .map(|line| {
            let cells: Vec<&str> = line.trim_end().trim_end_matches('|').split(" | ").map(str::trim).collect();
            assert_eq!(cells.len(), 3, "a row has three columns: {line}");
            [format!("T{}", cells[0]), cells[1].to_owned(), cells[2].to_owned()]
        })
        .collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What stands between back quotes.
fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// True when the file, or the folder of files, has a test function of this name.
fn has_test(name: &str) -> bool {
    let mut parts: Vec<&str> = name.split("::").collect();
    let function = parts.pop().unwrap();
    parts.retain(|part| !matches!(*part, "tests" | "properties"));
    let room = parts.join("/");
    let places = [
        format!("tests/{room}.rs"),
        format!("src/{room}.rs"),
        format!("src/{room}/mod.rs"),
        format!("src/{room}/tests.rs"),
    ];
    places.iter().any(|place| {
        std::fs::read_to_string(root().join(place)).is_ok_and(|text| text.contains(&format!("fn {function}(")))
    })
}

#[test]
fn every_threat_has_a_row_in_order() {
    let ids: Vec<String> = rows().iter().map(|row| row[0].split(' ').next().unwrap().to_owned()).collect();
    let expected: Vec<String> = (1..=46).map(|number| format!("T{number:02}")).collect();
    assert_eq!(ids, expected);
}

#[test]
fn every_name_in_the_table_exists() {
    for [threat, answer, shown] in rows() {
        assert!(!answer.is_empty() && !shown.is_empty(), "{threat} has an empty column");
        assert!(shown.contains('`') || shown.contains("not yet"), "{threat}: name a test or say not yet");
        for name in names(&shown) {
            if name.contains("::") {
                assert!(has_test(name), "{threat}: there is no test {name}");
                continue;
            }
            let text = std::fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{threat}: {name}: {e}"));
            let id = threat.split(' ').next().unwrap();
            assert!(!name.starts_with("rules/") || text.contains(id), "{name} has no rule for {id}");
        }
    }
}

/// The figure of the README: rows with at least one test, case or pack.
#[test]
fn coverage_is_the_number_the_readme_states() {
    let rows = rows();
    let shown = rows.iter().filter(|row| names(&row[2]).next().is_some()).count();
    let whole = rows.iter().filter(|row| names(&row[2]).next().is_some() && !row[2].contains("not yet")).count();
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let figure = format!("| {shown}; {whole} of them without an open part |");
    assert!(readme.contains(&figure), "write `{figure}` in the README's table of figures");
}

#[test]
fn a_name_that_does_not_exist_is_found() {
    assert!(!has_test("detect::no_such_test"));
    assert!(has_test("threats::a_name_that_does_not_exist_is_found"));
    let unique: BTreeSet<String> = rows().into_iter().map(|row| row[2].clone()).collect();
    assert!(unique.len() > 40, "rows are not copies of one another");
}
