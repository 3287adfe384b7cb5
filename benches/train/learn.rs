//! Logistic regression on the likeliest window of each text.
//!
//! Honest texts are learned from by the window that looks worst, so the model mines its own hard
//! negatives; attacks by their likeliest window, inside the labelled span where there is one. One thread, one seed,
//! additions in one order, exponentials from `libm`: two runs write the same bytes.

use std::collections::BTreeMap;

use memgate::detect::model::WINDOW;

/// Xorshift. The seed is fixed by the caller.
pub struct Rng(u64);

impl Rng {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }
    pub const fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
    pub const fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n
    }
}

/// One sentence: bytes of the folded text and its features by number.
pub struct Piece {
    pub start: usize,
    pub end: usize,
    pub features: Vec<u32>,
}

/// One labelled text.
pub struct Text {
    pub source: String,
    /// Sources that are left out together with this one.
    pub group: String,
    pub attack: bool,
    /// Where the attack stands, in bytes of the folded text.
    pub span: Option<(usize, usize)>,
    pub pieces: Vec<Piece>,
    /// What it shares with others: hashes of words in a row.
    pub runs: Vec<u64>,
}

/// What a run of training may turn.
pub struct Options {
    pub rate: f32,
    /// Passes over all texts that choose the features, and that set their weights.
    pub first: usize,
    pub epochs: usize,
    /// Features that are chosen.
    pub kept: usize,
    pub shrink: f32,
    /// Share of all weight that attacks have.
    pub attacks: f32,
    /// A source of n texts counts `n^power`.
    pub power: f32,
    /// Weight of text around a labelled attack, as honest.
    pub around: f32,
    /// How fast weights that are used decay.
    pub decay: f32,
    /// Sources that count for less than their size: label noise, machine translation.
    pub discounts: &'static [(&'static str, f32)],
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rate: 0.3,
            first: 6,
            epochs: 10,
            kept: 120_000,
            shrink: 20.0,
            attacks: 0.6,
            power: 0.8,
            around: 1.0,
            decay: 1e-3,
            discounts: &[("cyberseceval", 0.3), ("cyberseceval_mt", 0.3)],
        }
    }
}

pub struct Weights {
    pub weights: Vec<f32>,
    pub bias: f32,
}

/// The best window that `allowed` lets through: score, first piece, pieces.
pub fn best(
    model: &Weights,
    text: &Text,
    shrink: f32,
    allowed: impl Fn(usize, usize) -> bool,
) -> Option<(f32, usize, usize)> {
    let sums: Vec<f32> =
        text.pieces.iter().map(|p| p.features.iter().fold(0.0, |sum, &f| sum + model.weights[f as usize])).collect();
    let mut best: Option<(f32, usize, usize)> = None;
    for first in 0..sums.len() {
        let (mut sum, mut features) = (0.0, 0);
        for len in 1..=WINDOW.min(sums.len() - first) {
            sum += sums[first + len - 1];
            features += text.pieces[first + len - 1].features.len();
            if !allowed(first, len) {
                continue;
            }
            let score = model.bias + sum / (features as f32 + shrink).sqrt();
            if best.is_none_or(|(other, _, width)| score > other || (score == other && len > width)) {
                best = Some((score, first, len));
            }
        }
    }
    best
}

/// How much one text of each source and label counts.
fn shares(texts: &[&Text], options: &Options) -> BTreeMap<(String, bool), f32> {
    let mut counts: BTreeMap<(String, bool), f32> = BTreeMap::new();
    for text in texts {
        *counts.entry((text.source.clone(), text.attack)).or_default() += 1.0;
    }
    let mut totals = [0.0_f32; 2];
    let weigh = |source: &str, count: f32| {
        let discount = options.discounts.iter().find(|(name, _)| *name == source).map_or(1.0, |d| d.1);
        libm::powf(count, options.power) * discount
    };
    for ((source, attack), count) in &counts {
        totals[usize::from(*attack)] += weigh(source, *count);
    }
    let all = texts.len() as f32;
    let share = |attack: bool| if attack { options.attacks } else { 1.0 - options.attacks };
    counts
        .into_iter()
        .map(|((source, attack), count)| {
            let weight = weigh(&source, count) / count * share(attack) * all / totals[usize::from(attack)];
            ((source, attack), weight.min(6.0))
        })
        .collect()
}

struct Learner<'a> {
    kept: &'a [bool],
    model: Weights,
    squares: Vec<f32>,
    bias_square: f32,
    shrink: f32,
    rate: f32,
    decay: f32,
}

impl Learner<'_> {
    /// One step of Adagrad on one window.
    fn step(&mut self, text: &Text, (first, len): (usize, usize), attack: bool, weight: f32) {
        let pieces = &text.pieces[first..first + len];
        let count: usize = pieces.iter().map(|p| p.features.len()).sum();
        let value = 1.0 / (count as f32 + self.shrink).sqrt();
        let sum = pieces.iter().flat_map(|p| &p.features).fold(0.0, |s, &f| s + self.model.weights[f as usize]);
        let score = self.model.bias + sum * value;
        let probability = 1.0 / (1.0 + libm::expf(-score));
        let gradient = (probability - f32::from(u8::from(attack))) * weight;
        let part = gradient * value;
        for &feature in pieces.iter().flat_map(|p| &p.features).filter(|f| self.kept[**f as usize]) {
            let square = &mut self.squares[feature as usize];
            let weight = &mut self.model.weights[feature as usize];
            let slope = part + self.decay * *weight;
            *square += slope * slope;
            *weight -= self.rate * slope / square.sqrt();
        }
        self.bias_square += gradient * gradient;
        self.model.bias -= self.rate * 0.1 * gradient / self.bias_square.sqrt();
    }
}

/// Learns from all texts: once to see which features decide most, once more with only those.
///
/// Cutting weights off afterwards costs a point of recall; learned anew, the kept ones make up for the others.
pub fn learn(texts: &[&Text], features: usize, options: &Options) -> Weights {
    let first = pass(texts, &vec![true; features], options.first, options);
    let mut uses = vec![0_u32; features];
    for feature in texts.iter().flat_map(|t| &t.pieces).flat_map(|p| &p.features) {
        uses[*feature as usize] += 1;
    }
    // By what a feature decides: its weight squared, times how often it comes up.
    let mut ranked: Vec<(f32, usize)> = (0..features)
        .filter(|&f| first.weights[f] != 0.0)
        .map(|f| (first.weights[f] * first.weights[f] * uses[f] as f32, f))
        .collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut kept = vec![false; features];
    for (_, feature) in ranked.into_iter().take(options.kept) {
        kept[feature] = true;
    }
    pass(texts, &kept, options.epochs, options)
}

/// Learns the weights of the `kept` features.
fn pass(texts: &[&Text], kept: &[bool], epochs: usize, options: &Options) -> Weights {
    let (features, shares) = (kept.len(), shares(texts, options));
    let mut learner = Learner {
        model: Weights { weights: vec![0.0; features], bias: -1.0 },
        squares: vec![1e-6; features],
        bias_square: 1e-3,
        shrink: options.shrink,
        rate: options.rate,
        decay: options.decay,
        kept,
    };
    let mut rng = Rng::new(0x1357_9BDF_2468_ACE0);
    let mut order: Vec<usize> = (0..texts.len()).collect();
    for epoch in 0..epochs {
        for i in (1..order.len()).rev() {
            order.swap(i, rng.below(i + 1));
        }
        learner.rate = options.rate * (1.0 - epoch as f32 / epochs as f32 * 0.8);
        for &i in &order {
            let text = texts[i];
            if text.pieces.is_empty() {
                continue;
            }
            let weight = shares[&(text.source.clone(), text.attack)];
            let window = |first: usize, len: usize| (text.pieces[first].start, text.pieces[first + len - 1].end);
            if !text.attack {
                if let Some((_, first, len)) = best(&learner.model, text, options.shrink, |_, _| true) {
                    learner.step(text, (first, len), false, weight);
                }
                continue;
            }
            let inside = |first: usize, len: usize| {
                let Some((from, to)) = text.span else { return true };
                let (start, end) = window(first, len);
                let shared = end.min(to).saturating_sub(start.max(from));
                shared > 0 && shared * 2 >= (to - from).min(end - start)
            };
            if let Some((_, first, len)) = best(&learner.model, text, options.shrink, inside) {
                learner.step(text, (first, len), true, weight);
            }
            let Some((from, to)) = text.span else { continue };
            let outside = |first: usize, len: usize| {
                let (start, end) = window(first, len);
                end <= from || start >= to
            };
            if let Some((_, first, len)) = best(&learner.model, text, options.shrink, outside) {
                learner.step(text, (first, len), false, weight * options.around);
            }
        }
    }
    learner.model
}
