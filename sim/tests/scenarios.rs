//! The scenario files: each reads, each is what the published schema says, and each plan survives being written down.

use std::path::{Path, PathBuf};

use keyway_sim::scenario::{files_below, parse, read, schema, to_text};

fn scenarios() -> Vec<PathBuf> {
    let files = files_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")).expect("the scenarios");
    assert!(!files.is_empty());
    files
}

#[test]
fn the_schema() {
    insta::assert_snapshot!(format!("{:#}", schema()));
}

#[test]
fn every_file_reads_and_survives_being_written() {
    let mut names = Vec::new();
    for file in scenarios() {
        for plan in read(&file).unwrap_or_else(|bad| panic!("{}", bad.render(false, 100))) {
            let again = parse("again.json", &to_text(&plan)).unwrap_or_else(|bad| panic!("{}", bad.render(false, 100)));
            assert_eq!(again, std::slice::from_ref(&plan), "{}", file.display());
            names.push(plan.name);
        }
    }
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "two stories of one name");
}

#[test]
fn every_file_is_what_the_schema_says() {
    let validator = jsonschema::validator_for(&schema()).expect("the schema is one");
    for file in scenarios() {
        let text = std::fs::read_to_string(&file).expect("a file");
        let value = serde_json::from_str(&text).expect("JSON");
        let wrong: Vec<String> = validator.iter_errors(&value).map(|wrong| format!("{}: {wrong}", wrong.instance_path())).collect();
        assert_eq!(wrong, Vec::<String>::new(), "{}", file.display());
    }
}

#[test]
fn the_schema_refuses_what_the_reader_refuses() {
    let validator = jsonschema::validator_for(&schema()).expect("the schema is one");
    let right = r#"{ "name": "n", "horizon": "1h", "devices": [{ "name": "L1", "vendor": "august" }] }"#;
    assert!(validator.is_valid(&serde_json::from_str(right).expect("JSON")));
    for (from, to) in [("august", "augst"), ("\"1h\"", "\"soon\""), ("\"name\": \"n\",", ""), ("\"devices\"", "\"device\"")] {
        let wrong = right.replacen(from, to, 1);
        assert!(!validator.is_valid(&serde_json::from_str(&wrong).expect("JSON")), "{wrong}");
        assert!(parse("wrong.json", &wrong).is_err(), "{wrong}");
    }
}
