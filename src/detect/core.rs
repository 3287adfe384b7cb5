//! One text through every view, rule and detector.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::budget::{Budget, Limit};
use super::detectors::{Spot, invisible, opaque, personal, secrets};
use super::engine::{Engine, Hit, Probe, Scratch, Target};
use super::kind;
use super::model::{self, Model};
use super::normalize::{self, Folded, Form};
use super::score::Levels;
use super::span::{floor_char, on_borders};
use super::views::{Job, Meter, walk};
use crate::domain::{Channel, Confidence, Finding, Kind, RuleId, Severity, Span, Stage, View};
use crate::ruleset::{Matcher, Rule, RuleSet};

/// Longest excerpt, bytes, as the finding type documents it.
const EXCERPT_BYTES: usize = 240;
/// Stands in when the ruleset names no rule for the `scan-incomplete` detector: a gap is never silent.
const INCOMPLETE_ID: &str = "integrity.scan-incomplete";

/// Detector slugs of the classifier: its score holds a text alone, or is only worth knowing.
const CERTAIN: &str = "classifier";
const WEAK: &str = "classifier-weak";

/// Tells whether a span of the text came by one of some channels.
pub(super) type CameBy<'a> = dyn Fn(&Span, &[Channel]) -> bool + 'a;

/// Everything found in one text.
#[derive(Clone)]
pub(super) struct Raw {
    pub(super) findings: Vec<Finding>,
    pub(super) cues: Vec<(Kind, Span)>,
    pub(super) raised: Vec<(Kind, Span)>,
    pub(super) limits: Vec<Limit>,
    /// The classifier's probability of the likeliest window of any reading, in 1/65535.
    pub(super) likely: u16,
}

/// Rules, automaton and ceilings.
#[derive(Debug)]
pub(super) struct Core {
    rules: Arc<RuleSet>,
    budget: Budget,
    levels: Levels,
    engine: Engine,
    /// Probes that run, by stage; the kind cues always do.
    active: [Vec<bool>; 3],
    /// Rules by the coded detector they name.
    detectors: BTreeMap<String, Vec<usize>>,
    /// Rules about findings that stand together.
    composites: Vec<usize>,
    /// The classifier, where a rule names it.
    classifier: Option<Result<&'static Model, model::ModelError>>,
    /// Working memory that finished scans left for the next.
    pool: Mutex<Vec<Scratch>>,
}

const fn stage_index(stage: Stage) -> usize {
    match stage {
        Stage::Ingest => 0,
        Stage::Write => 1,
        Stage::Consolidate => 2,
    }
}

impl Core {
    pub(super) fn new(rules: Arc<RuleSet>, budget: Budget, levels: Levels) -> Self {
        let mut items: Vec<(Probe, Vec<String>)> = Vec::new();
        let mut detectors: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let mut composites = Vec::new();
        for (i, rule) in rules.rules().iter().enumerate().filter(|(_, rule)| rule.paranoia <= levels.detection) {
            match &rule.matcher {
                Matcher::Pattern { pattern, lines } => {
                    let raw = rule.views == [View::Raw];
                    let probe = Probe::new(Target::Rule(i), pattern.clone(), raw, *lines);
                    items.push((probe, rule.keywords.clone()));
                }
                Matcher::Detector(slug) => detectors.entry(slug.clone()).or_default().push(i),
                Matcher::Composite(_) => composites.push(i),
            }
        }
        items.extend(secrets::probes());
        items.extend(kind::probes());
        let engine = Engine::new(items);
        let secret_rules = detectors.get("secrets").cloned().unwrap_or_default();
        let active = [Stage::Ingest, Stage::Write, Stage::Consolidate].map(|stage| {
            let runs = |i: &usize| rules.rules().get(*i).is_some_and(|r| r.runs_at(stage));
            engine
                .probes()
                .iter()
                .map(|probe| match probe.target {
                    Target::Rule(i) => runs(&i),
                    Target::Shape(_) => secret_rules.iter().any(runs),
                    Target::Cue(_) => true,
                })
                .collect()
        });
        let named = detectors.contains_key(CERTAIN) || detectors.contains_key(WEAK);
        let classifier = named.then(Model::builtin);
        Self { rules, budget, levels, engine, active, detectors, composites, classifier, pool: Mutex::new(Vec::new()) }
    }

    pub(super) fn rules(&self) -> &RuleSet {
        &self.rules
    }

    pub(super) const fn budget(&self) -> &Budget {
        &self.budget
    }

    pub(super) const fn levels(&self) -> Levels {
        self.levels
    }

    /// Rules about findings that stand together, those that run at this stage.
    pub(super) fn composites(&self, stage: Stage) -> impl Iterator<Item = &Rule> + Clone {
        self.composites.iter().filter_map(|&i| self.rules.rules().get(i)).filter(move |rule| rule.runs_at(stage))
    }

    /// The first rule that names this coded detector.
    pub(super) fn detector_rule(&self, slug: &str) -> Option<RuleId> {
        let first = self.detectors.get(slug)?.first()?;
        self.rules.rules().get(*first).map(|rule| rule.id.clone())
    }

    /// Findings of the rules that name a coded detector which looks at more than one text.
    pub(super) fn found(&self, slug: &str, span: Span, stage: Stage, what: &str) -> Vec<Finding> {
        let named = self.detectors.get(slug).map(Vec::as_slice).unwrap_or_default();
        named
            .iter()
            .filter_map(|&i| self.rules.rules().get(i))
            .filter(|rule| rule.runs_at(stage))
            .map(|rule| finding(rule, View::Structure, span, Vec::new(), what, None, ""))
            .collect()
    }

    /// Examines one text at one stage.
    pub(super) fn run(&self, text: &str, stage: Stage, came_by: &CameBy<'_>) -> Raw {
        let mut pass = Pass {
            core: self,
            text,
            stage,
            came_by,
            findings: Vec::new(),
            cues: Vec::new(),
            raised: Vec::new(),
            memory: model::Memory::default(),
            likely: 0,
        };
        let mut meter = Meter::new(text.len());
        let mut scratch = self.pool.lock().ok().and_then(|mut pool| pool.pop()).unwrap_or_default();
        if matches!(self.classifier, Some(Err(_))) {
            meter.reach(Limit::Model);
        }
        walk(text, &self.budget, &mut meter, &mut |job, folded, opaque, meter| {
            pass.job(job, folded, opaque, meter, &mut scratch);
        });
        if let Ok(mut pool) = self.pool.lock() {
            pool.push(scratch);
        }
        pass.finish(meter)
    }
}

struct Pass<'a> {
    core: &'a Core,
    text: &'a str,
    stage: Stage,
    came_by: &'a CameBy<'a>,
    findings: Vec<Finding>,
    cues: Vec<(Kind, Span)>,
    raised: Vec<(Kind, Span)>,
    memory: model::Memory,
    likely: u16,
}

impl Pass<'_> {
    fn job(&mut self, job: &Job<'_>, folded: &Folded, opaque_runs: &[Span], meter: &mut Meter, scratch: &mut Scratch) {
        // Far more hits than are ever kept: the rest would only cost memory.
        if self.findings.len() > self.core.budget.findings.saturating_mul(8) {
            meter.reach(Limit::Findings);
            return;
        }
        let mut hits = Vec::new();
        let (engine, active) = (&self.core.engine, &self.core.active[stage_index(self.stage)]);
        engine.run(&job.text, folded, active, scratch, &mut meter.steps, &mut |hit| hits.push(hit));
        if folded.skeleton_differs {
            let other = normalize::fold(&job.text, Form::Skeleton);
            engine.run(&job.text, &other, active, scratch, &mut meter.steps, &mut |hit| {
                if hit.changed {
                    hits.push(hit);
                }
            });
            self.classify(job, &other, true, meter);
        }
        self.classify(job, folded, false, meter);
        for hit in hits {
            self.hit(job, hit);
        }
        let mut spots = Vec::new();
        if !folded.dropped.is_empty() || !folded.mixed.is_empty() {
            spots.extend(invisible::spots(&job.text, folded));
        }
        spots.extend(opaque::spots(&job.text, opaque_runs));
        spots.extend(personal::spots(&job.text));
        if job.view == View::Hidden {
            spots.push(Spot { slug: "hidden-text", span: Span::new(0, job.text.len()), what: "" });
        }
        for spot in spots {
            self.spot(job, &spot);
        }
    }

    /// What the classifier says of one reading. Of the skeleton only what differs from the main form counts.
    fn classify(&mut self, job: &Job<'_>, folded: &Folded, skeleton: bool, meter: &mut Meter) {
        let Some(Ok(model)) = self.core.classifier else { return };
        meter.steps += folded.text.len() as u64;
        let (report, hold) = model.thresholds();
        let Some(best) = model.scan(folded, report, &mut self.memory) else { return };
        if job.is_new(Span::new(0, job.text.len())) {
            self.likely = self.likely.max(model.level_of(best));
        }
        for found in std::mem::take(&mut self.memory.found) {
            let part = on_borders(&job.text, folded.map.to_raw(found.shown()));
            if !job.is_new(part) || (skeleton && !folded.map.is_changed(found.span)) {
                continue;
            }
            let span = on_borders(self.text, job.to_raw(part));
            let shown = part.slice(&job.text).unwrap_or_default();
            let gist = model.gist(&found, folded);
            self.detector(WEAK, job, View::Raw, span, &gist, None, shown);
            if found.score >= hold {
                self.detector(CERTAIN, job, View::Raw, span, &gist, None, shown);
            }
        }
    }

    fn hit(&mut self, job: &Job<'_>, hit: Hit) {
        if !job.is_new(hit.span) {
            return;
        }
        let span = on_borders(self.text, job.to_raw(hit.span));
        let matched = hit.span.slice(&job.text).unwrap_or_default();
        match hit.target {
            Target::Cue(_) => {
                if let Some(kind) = kind::accept(hit.target, matched) {
                    self.cues.push((kind, span));
                }
            }
            Target::Shape(number) => {
                let Some((value, sure)) = secrets::confirm(number, &job.text, hit.span) else { return };
                let span = on_borders(self.text, job.to_raw(value));
                let name = secrets::SHAPES.get(number).map_or("", |s| s.name);
                self.detector("secrets", job, View::Raw, span, name, Some(sure), "");
            }
            Target::Rule(number) => {
                let rules = Arc::clone(&self.core.rules);
                let Some(rule) = rules.rules().get(number) else { return };
                let view = match (job.map.is_some(), hit.changed) {
                    (true, _) => job.view,
                    (false, true) => View::Folded,
                    (false, false) => View::Raw,
                };
                if rule.reads(view) {
                    self.push(rule, job, view, span, "", None, matched);
                }
            }
        }
    }

    fn spot(&mut self, job: &Job<'_>, spot: &Spot) {
        let span = on_borders(self.text, job.to_raw(spot.span));
        // The excerpt of hidden text is what it spells; of other spots it would be invisible.
        let shown = if spot.slug == "hidden-text" { job.text.as_ref() } else { "" };
        let view = if spot.slug == "hidden-text" { View::Hidden } else { View::Structure };
        self.detector(spot.slug, job, view, span, spot.what, None, shown);
    }

    #[allow(clippy::too_many_arguments, reason = "one finding has that many parts")]
    fn detector(
        &mut self,
        slug: &str,
        job: &Job<'_>,
        view: View,
        span: Span,
        what: &str,
        sure: Option<Confidence>,
        shown: &str,
    ) {
        let rules = Arc::clone(&self.core.rules);
        let core = self.core;
        let named = core.detectors.get(slug).map(Vec::as_slice).unwrap_or_default();
        for rule in named.iter().filter_map(|&i| rules.rules().get(i)) {
            let view = if job.map.is_some() && view != View::Structure { job.view } else { view };
            self.push(rule, job, view, span, what, sure, shown);
        }
    }

    #[allow(clippy::too_many_arguments, reason = "one finding has that many parts")]
    fn push(
        &mut self,
        rule: &Rule,
        job: &Job<'_>,
        view: View,
        span: Span,
        what: &str,
        sure: Option<Confidence>,
        shown: &str,
    ) {
        if !rule.runs_at(self.stage) || (!rule.channels.is_empty() && !(self.came_by)(&span, &rule.channels)) {
            return;
        }
        // A kind holds, so only what may hold sets one.
        if let Some(raises) = rule.raises.filter(|_| rule.paranoia <= self.core.levels.blocking) {
            self.raised.push((raises.kind, span));
        }
        self.findings.push(finding(rule, view, span, job.steps(), what, sure, shown));
    }

    fn finish(mut self, mut meter: Meter) -> Raw {
        let cap = self.core.budget.findings;
        let mut findings = distinct(std::mem::take(&mut self.findings));
        if findings.len() > cap {
            meter.reach(Limit::Findings);
            findings.sort_by(|a, b| (b.severity, b.confidence, a.span, a).cmp(&(a.severity, a.confidence, b.span, b)));
            findings.truncate(cap);
        }
        meter.limits.sort_unstable();
        for limit in &meter.limits {
            findings.extend(self.incomplete(*limit));
        }
        self.hide_secrets(&mut findings);
        findings.sort_by(|a, b| (a.span, &a.rule, a.view, a).cmp(&(b.span, &b.rule, b.view, b)));
        self.cues.sort_by_key(|c| c.1);
        self.raised.sort_by_key(|c| c.1);
        Raw { findings, cues: self.cues, raised: self.raised, limits: meter.limits, likely: self.likely }
    }

    /// Another rule's excerpt may not carry a secret, or a number of a person.
    fn hide_secrets(&self, findings: &mut [Finding]) {
        let slugs = ["secrets", "payment-card", "bank-account", "national-id"];
        let named = slugs.iter().filter_map(|slug| self.core.detectors.get(*slug)).flatten();
        let ids: Vec<&RuleId> = named.filter_map(|&i| self.core.rules.rules().get(i)).map(|r| &r.id).collect();
        let mut secret: Vec<Span> = findings.iter().filter(|f| ids.contains(&&f.rule)).map(|f| f.span).collect();
        secret.sort_unstable();
        // Values of several rules may overlap: joined, their ends ascend.
        secret.dedup_by(|next, before| {
            let joins = next.start < before.end;
            if joins {
                *before = before.cover(next);
            }
            joins
        });
        for finding in findings.iter_mut().filter(|f| !f.excerpt.is_empty()) {
            let from = secret.partition_point(|s| s.end <= finding.span.start);
            if secret.get(from).is_some_and(|s| s.overlaps(&finding.span)) {
                finding.excerpt.clear();
            }
        }
    }

    fn incomplete(&self, limit: Limit) -> Vec<Finding> {
        let span = Span::new(0, self.text.len());
        let named = self.core.detectors.get("scan-incomplete").map(Vec::as_slice).unwrap_or_default();
        let mut list: Vec<Finding> = named
            .iter()
            .filter_map(|&i| self.core.rules.rules().get(i))
            .map(|rule| finding(rule, View::Structure, span, Vec::new(), limit.name(), None, ""))
            .collect();
        if list.is_empty() {
            list.push(Finding {
                rule: RuleId::new(INCOMPLETE_ID),
                title: format!("The text could not be examined completely: {limit}"),
                severity: Severity::High,
                confidence: Confidence::High,
                span,
                view: View::Structure,
                decoding: Vec::new(),
                threats: vec!["T31".to_owned()],
                excerpt: String::new(),
                level: Finding::FIRST_LEVEL,
            });
        }
        list
    }
}

fn finding(
    rule: &Rule,
    view: View,
    span: Span,
    decoding: Vec<String>,
    what: &str,
    sure: Option<Confidence>,
    shown: &str,
) -> Finding {
    Finding {
        rule: rule.id.clone(),
        title: if what.is_empty() { rule.title.clone() } else { format!("{}: {what}", rule.title) },
        severity: rule.severity,
        confidence: sure.map_or(rule.confidence, |s| s.min(rule.confidence)),
        span,
        view,
        decoding,
        threats: rule.threats.clone(),
        excerpt: shown[..floor_char(shown, EXCERPT_BYTES)].to_owned(),
        level: rule.paranoia,
    }
}

/// How telling a view is when one rule matched the same bytes in several.
const fn telling(view: View) -> u8 {
    match view {
        View::Hidden => 0,
        View::Markup => 1,
        View::Raw => 2,
        View::Folded => 3,
        View::Decoded => 4,
        View::Structure => 5,
    }
}

/// One finding per rule and place. Findings without an excerpt (secrets, structure) that overlap
/// are joined, so that a mask covers all of a value.
fn distinct(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by(|a, b| (&a.rule, telling(a.view), a.span, a).cmp(&(&b.rule, telling(b.view), b.span, b)));
    let mut kept: Vec<Finding> = Vec::new();
    // Of the current rule: start of a kept span → its position.
    let mut starts: BTreeMap<usize, usize> = BTreeMap::new();
    for mut finding in findings {
        if kept.last().is_none_or(|k| k.rule != finding.rule) {
            starts.clear();
        }
        let before = starts.range(..finding.span.end.max(finding.span.start + 1)).next_back().map(|(_, &i)| i);
        match before.and_then(|i| kept.get_mut(i)).filter(|k| k.span.overlaps(&finding.span) || k.span == finding.span)
        {
            Some(same) => {
                if same.excerpt.is_empty() && finding.excerpt.is_empty() && same.view == finding.view {
                    let cover = same.span.cover(&finding.span);
                    if cover.start < same.span.start {
                        let at = starts.remove(&same.span.start);
                        if let Some(at) = at {
                            starts.insert(cover.start, at);
                        }
                    }
                    same.span = cover;
                    same.confidence = same.confidence.max(finding.confidence);
                }
            }
            None => {
                starts.insert(finding.span.start, kept.len());
                finding.decoding.shrink_to_fit();
                kept.push(finding);
            }
        }
    }
    kept
}
