//! The fuzz bodies on every committed seed and regression, on the stable compiler.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[path = "../fuzz/bodies/mod.rs"]
mod bodies;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return BTreeSet::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The seeds of a target that fail, with what they said.
fn failures(target: &str, body: fn(&[u8])) -> Vec<String> {
    let mut failed = Vec::new();
    for kind in ["corpus", "regressions"] {
        let folder = fuzz().join(kind).join(target);
        for name in names(&folder) {
            let data = std::fs::read(folder.join(&name)).unwrap();
            if std::panic::catch_unwind(|| body(&data)).is_err() {
                failed.push(format!("{kind}/{target}/{name}"));
            }
        }
    }
    failed
}

#[test]
fn every_seed_and_regression_keeps_its_property() {
    // One thread a target: the slow ones do not add up.
    let failed: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            bodies::TARGETS.iter().map(|&(name, body)| scope.spawn(move || failures(name, body))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(failed.is_empty(), "these inputs break a property: {failed:#?}");
}

#[test]
fn every_target_has_a_wrapper_a_body_and_seeds() {
    let bodies: BTreeSet<String> = bodies::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let wrappers: BTreeSet<String> =
        names(&fuzz().join("fuzz_targets")).iter().map(|name| name.trim_end_matches(".rs").to_owned()).collect();
    assert_eq!(bodies, wrappers, "bodies::TARGETS and fuzz_targets/ differ");
    assert_eq!(bodies, names(&fuzz().join("corpus")), "bodies::TARGETS and corpus/ differ");
    let regressions = names(&fuzz().join("regressions"));
    assert!(regressions.is_subset(&bodies), "regressions of no target: {:?}", regressions.difference(&bodies));
    let manifest = std::fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in &bodies {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in fuzz/Cargo.toml");
        assert!(names(&fuzz().join("corpus").join(name)).len() >= 3, "{name} has fewer than three seeds");
    }
    for kind in ["corpus", "regressions"] {
        for name in &bodies {
            for file in names(&fuzz().join(kind).join(name)) {
                let size = std::fs::metadata(fuzz().join(kind).join(name).join(&file)).unwrap().len();
                assert!(size <= 16 * 1024, "{kind}/{name}/{file} has {size} bytes: seeds are small");
            }
        }
    }
}
