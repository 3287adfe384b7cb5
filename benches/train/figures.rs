//! Figures on sources left out, and the calibration from them.

use std::collections::BTreeMap;

/// One text that the model had not seen, nor its kin.
pub struct Scored {
    pub source: String,
    pub attack: bool,
    pub score: f32,
    /// Whether the best window touches the labelled span.
    pub hit: Option<bool>,
}

/// Chance that an attack scores above an honest text; ties count half.
fn auroc(attacks: &[f32], honest: &[f32]) -> f64 {
    let mut honest = honest.to_vec();
    honest.sort_by(f32::total_cmp);
    let won: usize =
        attacks.iter().map(|a| honest.partition_point(|h| h < a) + honest.partition_point(|h| h <= a)).sum();
    won as f64 / 2.0 / (attacks.len() * honest.len()).max(1) as f64
}

fn scores(scored: &[Scored], attack: bool) -> Vec<f32> {
    scored.iter().filter(|s| s.attack == attack).map(|s| s.score).collect()
}

/// The score above which at most one honest text in `one_in` lies.
pub fn threshold(scored: &[Scored], one_in: usize) -> f32 {
    let mut honest = scores(scored, false);
    honest.sort_by(f32::total_cmp);
    honest.get(honest.len().saturating_sub(1 + honest.len() / one_in)).copied().unwrap_or(0.0)
}

fn share(list: &[&Scored], above: f32) -> f64 {
    list.iter().filter(|s| s.score > above).count() as f64 / list.len().max(1) as f64
}

/// Recall and false alarms from a score on.
pub fn at(scored: &[Scored], least: f32) -> String {
    let part = |attack: bool| {
        let list: Vec<&Scored> = scored.iter().filter(|s| s.attack == attack).collect();
        list.iter().filter(|s| s.score >= least).count() as f64 / list.len().max(1) as f64
    };
    format!("recall {:.4}, honest flagged {:.4}", part(true), part(false))
}

/// Prints the figures, by source and together.
pub fn report(scored: &[Scored]) {
    let honest = scores(scored, false);
    let (one, five) = (threshold(scored, 100), threshold(scored, 20));
    let mut sources: BTreeMap<(bool, &str), Vec<&Scored>> = BTreeMap::new();
    for s in scored {
        sources.entry((s.attack, &s.source)).or_default().push(s);
    }
    println!("each source scored by a model that has not seen it nor its kin; false alarms 1 % and 5 % over all");
    let (mut recall, mut area, mut count) = (0.0, 0.0, 0.0);
    for ((attack, source), list) in &sources {
        let (a, b) = (share(list, one), share(list, five));
        if !attack {
            println!("  honest {source:24} {:6} texts  flagged {a:.4} {b:.4}", list.len());
            continue;
        }
        let own: Vec<f32> = list.iter().map(|s| s.score).collect();
        let own = auroc(&own, &honest);
        let located = list.iter().filter(|s| s.hit == Some(true)).count() as f64;
        let placed = list.iter().filter(|s| s.hit.is_some()).count() as f64;
        let located = if placed > 0.0 { format!("  located {:.3}", located / placed) } else { String::new() };
        println!("  attack {source:24} {:6} texts  recall {a:.3} {b:.3}  auroc {own:.3}{located}", list.len());
        if *source != "composed" {
            recall += a;
            area += own;
            count += 1.0;
        }
    }
    let attacks: Vec<&Scored> = scored.iter().filter(|s| s.attack).collect();
    let area_all = auroc(&scores(scored, true), &honest);
    println!("all attacks: recall at 1 % {:.4}, auroc {area_all:.4}", share(&attacks, one));
    println!("mean over sources: recall at 1 % {:.4}, auroc {:.4}", recall / count, area / count);
}

/// Shares of honest texts at or above the knots of the calibration.
const KNOTS: [f64; 17] =
    [0.999, 0.98, 0.95, 0.9, 0.8, 0.65, 0.5, 0.35, 0.2, 0.1, 0.05, 0.025, 0.0133, 0.0067, 0.0033, 0.0017, 0.0008];
/// Least rise between two knots, so that a higher score is always a higher probability.
const RISE: u16 = 60;

/// Score to probability in 1/65535, for an even chance of attack beforehand: how much likelier a score is among
/// attacks than among honest texts, made to rise.
pub fn calibrate(scored: &[Scored]) -> Vec<(f32, u16)> {
    let (attacks, mut honest) = (scores(scored, true), scores(scored, false));
    honest.sort_by(f32::total_cmp);
    let at = |share: f64| honest[((1.0 - share) * (honest.len() - 1) as f64) as usize];
    let mut cuts: Vec<f32> = KNOTS.iter().map(|&share| at(share)).filter(|&cut| cut > -15.0).collect();
    cuts.dedup_by(|next, before| *next - *before < 0.02);
    let mut knots: Vec<(f32, u16)> = Vec::new();
    for (i, &cut) in cuts.iter().enumerate() {
        let to = cuts.get(i + 1).copied().unwrap_or(f32::MAX);
        let part = |list: &[f32]| list.iter().filter(|s| **s >= cut && **s < to).count() as f64 + 0.5;
        let (a, h) = (part(&attacks) / attacks.len() as f64, part(&honest) / honest.len() as f64);
        let level = (a / (a + h) * 64000.0) as u16;
        let least = knots.last().map_or(0, |knot| knot.1.saturating_add(RISE));
        knots.push((cut, level.max(least)));
    }
    // Far outside what was seen: nearly impossible, nearly certain.
    let (low, high) = (knots[0], knots[knots.len() - 1]);
    knots.insert(0, (low.0 - 6.0, 0));
    knots.push((high.0 + 8.0, 65535));
    if knots[1].1 == 0 {
        knots[1].1 = 1;
    }
    knots
}
