//! Every attack again, disguised.

use super::figures::rate;
use super::read::Labelled;
use super::work::{self, Bench, Outcome};
use crate::cli::Context;
use crate::detect::disguise::{self, Transform};

/// How deep disguises are put into one another.
pub(super) const DEPTH: usize = 3;

/// What is left of recall under one disguise, or one stack of them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Loss {
    pub(super) name: String,
    pub(super) threat: String,
    pub(super) attacks: usize,
    /// Held by content.
    pub(super) content: usize,
    /// At or above the threshold.
    pub(super) over: usize,
}

/// All disguises.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Evasions {
    /// The attacks as they are.
    pub(super) plain: Loss,
    /// Each disguise.
    pub(super) single: Vec<Loss>,
    /// Each stack of [`DEPTH`] disguises.
    pub(super) stacks: Vec<Loss>,
    /// All stacks together.
    pub(super) nested: Loss,
}

impl Loss {
    fn new(name: String, threat: String) -> Self {
        Self { name, threat, attacks: 0, content: 0, over: 0 }
    }
    fn add(&mut self, content: bool, over: bool) {
        self.attacks += 1;
        self.content += usize::from(content);
        self.over += usize::from(over);
    }
    /// Points of recall by content lost against `plain`; negative when the disguise itself is found.
    pub(super) fn content_loss(&self, plain: &Self) -> Option<f64> {
        Some((rate(plain.content, plain.attacks)? - rate(self.content, self.attacks)?) * 100.0)
    }
    /// Points of recall at the threshold lost against `plain`.
    pub(super) fn over_loss(&self, plain: &Self) -> Option<f64> {
        Some((rate(plain.over, plain.attacks)? - rate(self.over, self.attacks)?) * 100.0)
    }
}

pub(super) fn measure(
    bench: &Bench,
    texts: &[Labelled],
    outcomes: &[Outcome],
    threshold: f64,
    threads: usize,
    context: &Context,
) -> Evasions {
    let attacks: Vec<&Labelled> = texts.iter().filter(|text| text.attack).collect();
    let mut plain = Loss::new("as it is".to_owned(), String::new());
    for (_, outcome) in texts.iter().zip(outcomes).filter(|(text, _)| text.attack) {
        plain.add(outcome.content, outcome.score >= threshold);
    }
    let mut ways: Vec<Vec<&'static Transform>> = disguise::all().iter().map(|one| vec![one]).collect();
    let singles = ways.len();
    ways.extend(disguise::nested(DEPTH));
    let count = ways.len() * attacks.len();
    let bar = context.bar(count as u64, "evasions");
    let found: Vec<(bool, bool)> = work::all(count, threads, &bar, |number| {
        let (way, attack) = (number / attacks.len(), number % attacks.len());
        let disguised = disguise::apply_nested(&ways[way], &attacks[attack].text);
        let outcome = bench.judge_text(&disguised, attacks[attack].came_by, None);
        (outcome.content, outcome.score >= threshold)
    });
    drop(bar);
    let mut losses: Vec<Loss> = ways
        .iter()
        .map(|way| {
            let name = way.iter().map(|one| one.slug).collect::<Vec<_>>().join(" > ");
            let mut threats: Vec<&str> = way.iter().map(|one| one.threat).collect();
            threats.sort_unstable();
            threats.dedup();
            Loss::new(name, threats.join(" "))
        })
        .collect();
    let mut nested = Loss::new(format!("{DEPTH} deep, {} stacks", ways.len() - singles), "T28".to_owned());
    for (number, (content, over)) in found.into_iter().enumerate() {
        let way = number / attacks.len();
        if let Some(loss) = losses.get_mut(way) {
            loss.add(content, over);
        }
        if way >= singles {
            nested.add(content, over);
        }
    }
    let stacks = losses.split_off(singles);
    Evasions { plain, single: losses, stacks, nested }
}
