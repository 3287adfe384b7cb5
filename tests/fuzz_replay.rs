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

/// Numbers that look random and are the same each time (xorshift).
struct Mixer(u64);

impl Mixer {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most.max(1) as u64) as usize
    }
    /// The seed with a few bytes changed, parts doubled, cut or taken from another seed.
    fn mutate(&mut self, seed: &[u8], other: &[u8]) -> Vec<u8> {
        let mut data = seed.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(data.len() + 1);
            let end = (at + self.below(24)).min(data.len());
            match self.below(6) {
                0 => data.truncate(at.max(1)),
                1 => drop(data.drain(at..end)),
                2 => {
                    let part = data[at..end].to_vec();
                    data.splice(at..at, part.repeat(1 + self.below(8)));
                }
                3 => {
                    let from = self.below(other.len());
                    let to = (from + self.below(48)).min(other.len());
                    data.splice(at..end, other[from..to].iter().copied());
                }
                4 => {
                    let signs = ["\u{2028}", "\u{200B}", "_", " ", "\n", "\u{301}", "\u{1F600}", "1-2-3", "%41", "\r"];
                    data.splice(at..at, signs[self.below(signs.len())].bytes());
                }
                _ => {
                    if let Some(byte) = data.get_mut(at) {
                        *byte ^= 1 << self.below(7);
                    }
                }
            }
        }
        data
    }
}

/// For want of libFuzzer: `MEMGATE_RUNS` mutations of the seeds of each target in `MEMGATE_TARGETS`, the same each time.
#[test]
#[ignore = "needs minutes; MEMGATE_RUNS=<mutations a target>, MEMGATE_TARGETS=<names>"]
fn mutated_seeds_keep_their_property() {
    let runs: usize = std::env::var("MEMGATE_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
    let only = std::env::var("MEMGATE_TARGETS").unwrap_or_default();
    let mut failed = Vec::new();
    for &(target, body) in bodies::TARGETS.iter().filter(|t| only.is_empty() || only.split(',').any(|o| o == t.0)) {
        let folder = fuzz().join("corpus").join(target);
        let seeds: Vec<Vec<u8>> = names(&folder).iter().map(|name| std::fs::read(folder.join(name)).unwrap()).collect();
        let mut mixer = Mixer(0x9E37_79B9_7F4A_7C15);
        for run in 0..runs {
            let (one, other) = (run % seeds.len(), mixer.below(seeds.len()));
            let data = mixer.mutate(&seeds[one], &seeds[other]);
            if std::panic::catch_unwind(|| body(&data)).is_err() {
                failed.push(format!("{target}: {:?}", String::from_utf8_lossy(&data)));
            }
        }
    }
    assert!(failed.is_empty(), "{} inputs break a property:\n{}", failed.len(), failed.join("\n"));
}
