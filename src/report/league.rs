//! Which of several choices is better, as far as their seeds can tell.

use serde::{Deserialize, Serialize};

use super::compared::{Better, Comparison, Order, Row};
use super::figure::{Unit, figure, magnitude, probability, signed};
use crate::metrics::Value;
use crate::statistics::{Difference, Method, holm, mean, median};
use crate::text::{Table, percent};

/// A difference is shown where it would be rarer than this if there were none.
pub const LEVEL: f64 = 0.05;
/// Of more choices than this, each is compared with the first of the table only.
const ALL_PAIRS: usize = 6;

/// A table of choices, the best first, and what can be said about each two of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct League {
    /// What it is sorted by.
    pub by: Order,
    /// What its numbers are.
    pub unit: Unit,
    /// The most seeds that a choice was run with.
    pub seeds: usize,
    /// The choices.
    pub standings: Vec<Standing>,
    /// Each two of them; of many, each with the first one.
    pub pairs: Vec<Pair>,
}

/// One choice's rank.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// One more than choices that are shown to be better: those with the same rank are not significantly different.
    pub rank: usize,
    /// The scenario, or the folder.
    pub scenario: String,
    /// The variant.
    pub variant: String,
    /// What the table calls it: as little of both as tells it from the others.
    pub name: String,
    /// The median over the seeds; none: infinite.
    pub median: Option<f64>,
    /// The mean; none where a seed has no value.
    pub mean: Option<f64>,
    /// How many seeds have a value, be it infinite.
    pub seeds: usize,
    /// With how many of them it is infinite: it never came.
    pub never: usize,
}

/// Two choices compared, on the same seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The one that is higher in the table.
    pub first: String,
    /// The other.
    pub second: String,
    /// What can be said, in a sentence.
    pub verdict: String,
    /// How likely such a difference is if there is none, in the metric that the table is sorted by, after Holm's correction
    /// for all pairs.
    pub p_corrected: Option<f64>,
    /// Whether that is at most [`LEVEL`].
    pub shown: bool,
    /// How the second differs from the first, metric by metric. The one that the table is sorted by comes first, and is the
    /// only one with a verdict. The others are exploratory: of nine metrics of two choices that are the same, some look
    /// different in a third of all comparisons.
    pub metrics: Vec<MetricDifference>,
}

/// How two choices differ in one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricDifference {
    /// The metric.
    pub metric: String,
    /// What its numbers are.
    pub unit: Unit,
    /// The difference.
    #[serde(flatten)]
    pub difference: Difference,
}

/// One choice with what it measured.
struct Candidate<'a> {
    name: String,
    scenario: &'a str,
    row: &'a Row,
}

impl Candidate<'_> {
    fn values(&self, path: &str, unit: Unit) -> Vec<(u64, f64)> {
        values(self.row, path, unit)
    }
}

/// Seeds and values of a metric; runs in which there was nothing to measure are left out.
fn values(row: &Row, path: &str, unit: Unit) -> Vec<(u64, f64)> {
    row.runs.iter().filter_map(|run| Some((run.seed, run.number(path, unit)?))).collect()
}

/// Values of two choices that are to be compared.
pub(super) enum Sample {
    /// Of the same seeds.
    Paired(Vec<(f64, f64)>),
    /// Of no seed in common.
    Apart(Vec<f64>, Vec<f64>),
}

/// What two choices have of a metric: seed by seed where they share any. Real runs of one seed alone are no pairs: they differ
/// by more than what is compared.
pub(super) fn sample(first: &Row, second: &Row, path: &str, unit: Unit) -> Sample {
    let (a, b) = (values(first, path, unit), values(second, path, unit));
    // Several live runs with one seed count as one: their mean.
    let of = |values: &[(u64, f64)], seed: u64| {
        let own: Vec<f64> = values.iter().filter(|(other, _)| *other == seed).map(|(_, value)| *value).collect();
        mean(&own)
    };
    let mut seeds: Vec<u64> = a.iter().map(|(seed, _)| *seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    let pairs: Vec<(f64, f64)> = seeds.iter().filter_map(|seed| Some((of(&a, *seed)?, of(&b, *seed)?))).collect();
    if pairs.is_empty() || pairs.len() == 1 && a.len() > 1 && b.len() > 1 {
        let values = |all: Vec<(u64, f64)>| all.into_iter().map(|(_, value)| value).collect();
        return Sample::Apart(values(a), values(b));
    }
    Sample::Paired(pairs)
}

/// What a metric's numbers are, if all runs that have it agree.
pub(super) fn unit(comparison: &Comparison, path: &str) -> Option<Unit> {
    let runs = || comparison.rows().flat_map(|row| &row.runs);
    let values = || runs().filter_map(|run| run.value(path));
    let whole = |value| matches!(value, Value::Part { .. } | Value::Ratio(_));
    match values().next()? {
        Value::Duration(_) => Some(Unit::Ms),
        _ if values().all(whole) => Some(Unit::Share),
        _ => Some(Unit::Count),
    }
}

/// The table; nothing where there are not two choices, or none of them has the metric.
pub fn league(comparison: &Comparison, order: &Order) -> Option<League> {
    let named = comparison.named().into_iter();
    let contestants: Vec<Candidate<'_>> =
        named.map(|(name, part, row)| Candidate { name, scenario: &part.scenario, row }).collect();
    let unit_of_order = unit(comparison, &order.metric)?;
    if contestants.len() < 2 {
        return None;
    }
    let mut metrics: Vec<(&str, Unit)> = vec![(&order.metric, unit_of_order)];
    for path in &comparison.metrics {
        if let Some(unit) = unit(comparison, path).filter(|_| metrics.iter().all(|(known, _)| known != path)) {
            metrics.push((path, unit));
        }
    }
    let mut standings: Vec<(usize, Standing)> = contestants
        .iter()
        .map(|contestant| {
            let mut values: Vec<f64> =
                contestant.values(&order.metric, unit_of_order).into_iter().map(|(_, value)| value).collect();
            values.sort_by(f64::total_cmp);
            let never = values.iter().filter(|value| value.is_infinite()).count();
            Standing {
                rank: 1,
                scenario: contestant.scenario.to_string(),
                variant: contestant.row.name.clone(),
                name: contestant.name.clone(),
                median: median(&values),
                mean: mean(&values).filter(|mean| mean.is_finite()),
                seeds: values.len(),
                never,
            }
        })
        .enumerate()
        .collect();
    // Nothing measured comes last; of those that never came, the one that most seeds lack.
    let key = |standing: &Standing| {
        let value = match (standing.seeds, standing.median) {
            (0, _) => return (2, 0.0, 0),
            (_, None) => f64::INFINITY,
            (_, Some(median)) => standing.mean.unwrap_or(median),
        };
        let signed = if order.better == Better::Higher { -value } else { value };
        (u8::from(standing.median.is_none()), signed, standing.never)
    };
    standings.sort_by(|(_, a), (_, b)| {
        let (a, b) = (key(a), key(b));
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2))
    });
    let order_of: Vec<usize> = standings.iter().map(|(number, _)| *number).collect();
    let mut standings: Vec<Standing> = standings.into_iter().map(|(_, standing)| standing).collect();
    let all: Vec<(usize, usize)> =
        (0..order_of.len()).flat_map(|first| (first + 1..order_of.len()).map(move |second| (first, second))).collect();
    let mut pairs: Vec<Pair> = all
        .iter()
        .map(|(first, second)| Pair {
            first: standings[*first].name.clone(),
            second: standings[*second].name.clone(),
            verdict: String::new(),
            p_corrected: None,
            shown: false,
            metrics: Vec::new(),
        })
        .collect();
    for (pair, (first, second)) in pairs.iter_mut().zip(&all) {
        let (first, second) = (&contestants[order_of[*first]], &contestants[order_of[*second]]);
        pair.metrics = metrics
            .iter()
            .filter_map(|(path, unit)| {
                let difference = difference(first, second, path, *unit)?;
                Some(MetricDifference { metric: path.to_string(), unit: *unit, difference })
            })
            .collect();
    }
    let tested: Vec<f64> = pairs.iter().filter_map(|pair| asked(pair, order)?.difference.p).collect();
    let mut corrected = holm(&tested).into_iter();
    for (pair, (first, second)) in pairs.iter_mut().zip(&all) {
        pair.p_corrected = asked(pair, order).and_then(|of| of.difference.p).and_then(|_| corrected.next());
        pair.shown = pair.p_corrected.is_some_and(|p| p <= LEVEL);
        pair.verdict = verdict(pair, order, all.len());
        // What is shown to be worse stands behind.
        if let Some(of) = asked(pair, order).filter(|_| pair.shown) {
            let worse = (of.difference.direction() > 0.0) == (order.better == Better::Lower);
            standings[if worse { *second } else { *first }].rank += 1;
        }
    }
    if order_of.len() > ALL_PAIRS {
        pairs.truncate(order_of.len() - 1);
    }
    let seeds = standings.iter().map(|standing| standing.seeds).max().unwrap_or(0);
    Some(League { by: order.clone(), unit: unit_of_order, seeds, standings, pairs })
}

/// The difference in the metric that the table is sorted by.
fn asked<'a>(pair: &'a Pair, order: &Order) -> Option<&'a MetricDifference> {
    pair.metrics.iter().find(|of| of.metric == order.metric)
}

/// How the second differs from the first: seed by seed where they share any.
fn difference(first: &Candidate, second: &Candidate, path: &str, unit: Unit) -> Option<Difference> {
    match sample(first.row, second.row, path, unit) {
        Sample::Paired(pairs) => Difference::paired(&pairs),
        Sample::Apart(first, second) => Difference::unpaired(&first, &second),
    }
}

/// What can be said about a pair.
fn verdict(pair: &Pair, order: &Order, pairs: usize) -> String {
    let (first, second, metric) = (&pair.first, &pair.second, &order.metric);
    let Some(of) = asked(pair, order) else {
        return format!("{first} and {second} can't be compared in {metric}: one of them has no value.");
    };
    let difference = &of.difference;
    let seeds = if difference.seeds == 1 { "1 seed".to_string() } else { format!("{} seeds", difference.seeds) };
    let typical = difference.typical.map(|typical| signed(typical, of.unit));
    let interval = interval(difference, of.unit);
    let Some(p) = difference.p else {
        let by = typical.map_or(String::new(), |typical| format!(" (here {typical})"));
        return format!("no difference shown between {first} and {second} in {metric}: {seeds} can't tell{by}.");
    };
    if !pair.shown {
        let mut text = format!("no difference shown between {first} and {second} in {metric}");
        if difference.larger + difference.smaller == 0 && difference.method != Method::Welch {
            return format!("{text}: the same with each of {seeds}.");
        }
        match (typical, interval) {
            (Some(typical), Some(interval)) => text += &format!(": {typical}, {interval}, {seeds}"),
            (Some(typical), None) => text += &format!(": {typical}, {seeds}"),
            (None, _) => {
                text +=
                    &format!(": larger with {} and smaller with {} of {seeds}", difference.larger, difference.smaller);
            }
        }
        if p <= LEVEL {
            let [p, corrected] = [p, pair.p_corrected.unwrap_or(1.0)].map(probability);
            text += &format!("; alone it would be ({p}), but not as one of {pairs} pairs ({corrected})");
        }
        return text + ".";
    }
    // The better one is the sentence's subject.
    let larger = difference.direction() > 0.0;
    let is_better = larger == (order.better == Better::Higher);
    let (better, other) = if is_better { (second, first) } else { (first, second) };
    let word = if order.better == Better::Higher { "higher" } else { "lower" };
    let with = match difference.method {
        Method::Welch => format!("{seeds}, none of them shared"),
        _ => format!("in {} of {seeds}", difference.larger.max(difference.smaller)),
    };
    match typical {
        Some(_) => {
            let by = magnitude(difference.typical.unwrap_or(0.0), of.unit);
            let share = difference.relative.map(|share| share.abs()).filter(|share| *share >= 0.0005);
            let share = share.map_or(String::new(), |share| format!(", {} of that of {first}", percent(share)));
            let mut ends = [difference.low, difference.high].map(|end| end.map(f64::abs));
            ends.sort_by(|a, b| a.unwrap_or(f64::INFINITY).total_cmp(&b.unwrap_or(f64::INFINITY)));
            let interval = match ends.map(|end| end.map(|end| magnitude(end, of.unit))) {
                _ if difference.low == difference.high && difference.low.is_some() => format!(" (no variation{share})"),
                [Some(low), Some(high)] => format!(" (95 % between {low} and {high}{share})"),
                [Some(low), None] => format!(" (95 % at least {low}{share})"),
                _ => String::new(),
            };
            format!("{better} has a {word} {metric} than {other}: by {by}{interval}, {with}.")
        }
        None => format!("{better} has a {word} {metric} than {other}, which mostly never comes to one: {with}."),
    }
}

/// `95 % between -1.20 s and 0.30 s`.
fn interval(difference: &Difference, unit: Unit) -> Option<String> {
    match (difference.low, difference.high) {
        (Some(low), Some(high)) => Some(format!("95 % between {} and {}", signed(low, unit), signed(high, unit))),
        (Some(low), None) => Some(format!("95 % at least {}", signed(low, unit))),
        (None, Some(high)) => Some(format!("95 % at most {}", signed(high, unit))),
        (None, None) => None,
    }
}

impl League {
    /// Rank, name and values of each, then how it differs from the first: rows of a table.
    pub fn table(&self) -> Table {
        let head = ["rank", "", "median", "mean", "never", "difference from the first"];
        let mut table = Table::new(2, head);
        let first = self.standings.first().map_or("", |standing| &standing.name);
        for (number, of) in self.standings.iter().enumerate() {
            let pair = self.pairs.iter().find(|pair| pair.first == first && pair.second == of.name);
            let against = pair.and_then(|pair| asked(pair, &self.by).map(|of| (pair.shown, of))).map(|(shown, of)| {
                let typical = of.difference.typical.map_or("for ever".into(), |typical| signed(typical, of.unit));
                let end = |end: Option<f64>| end.map_or("–".into(), |end| signed(end, of.unit));
                let mark = if shown { "" } else { " n.s." };
                match (of.difference.low, of.difference.high) {
                    (None, None) => format!("{typical}{mark}"),
                    (low, high) => format!("{typical} [{} … {}]{mark}", end(low), end(high)),
                }
            });
            let measured = of.seeds > 0;
            table.row([
                of.rank.to_string(),
                of.name.clone(),
                if measured { figure(of.median, self.unit) } else { "–".into() },
                of.mean.map_or("–".into(), |mean| figure(Some(mean), self.unit)),
                if of.never > 0 { format!("{}/{}", of.never, of.seeds) } else { String::new() },
                if number == 0 { String::new() } else { against.unwrap_or("–".into()) },
            ]);
        }
        table.without_empty_columns()
    }

    /// The same, shorter.
    pub fn short_note(&self) -> String {
        let word = if self.by.better == Better::Higher { "higher" } else { "lower" };
        let seeds = if self.seeds < 2 { "one seed each" } else { "n.s.: not significant" };
        format!("Sorted by {} ({word} is better); {seeds}. All metrics: --verbose", self.by.metric)
    }

    /// How the table was made, in a line.
    pub fn note(&self) -> String {
        let word = if self.by.better == Better::Higher { "higher" } else { "lower" };
        if self.seeds < 2 {
            return format!(
                "Sorted by {} ({word} is better), one seed each: of other seeds that says nothing. --seeds 0..10 would.",
                self.by.metric
            );
        }
        let choices = self.standings.len();
        let pairs = choices * (choices - 1) / 2;
        let corrected = if pairs > 1 { format!(", with Holm's correction for {pairs} pairs") } else { String::new() };
        format!(
            "Sorted by {} ({word} is better), {} seeds, the same for all. Differences are those within seeds, each with its \
             95 % confidence interval; they are tested at 5 %{corrected} (n.s.: not significant). Choices with the same rank \
             are not significantly different. No other metric is tested.",
            self.by.metric, self.seeds
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Driver;
    use crate::report::compared::{Part, Run};
    use crate::time::Nanos;

    /// A choice whose runs have these values, in milliseconds; none: it never came.
    fn row(name: &str, values: &[Option<u64>]) -> Row {
        let run = |(seed, ms): (u64, &Option<u64>)| Run {
            seed,
            digest: "00".into(),
            values: vec![("outage.p99".into(), Value::Duration(ms.map(Nanos::from_millis)))],
            unmeasured: Vec::new(),
        };
        let runs = (0..).zip(values).map(run).collect();
        Row {
            name: name.into(),
            variant: None,
            resolved: String::new(),
            driver: Driver::Sim,
            runs,
            errors: Vec::new(),
            lines: None,
        }
    }

    fn of(rows: Vec<Row>) -> League {
        let metrics = vec!["outage.p99".to_string()];
        let part = Part { scenario: "a".into(), title: "A".into(), metrics: metrics.clone(), rows };
        let by = Order { metric: metrics[0].clone(), better: Better::Lower };
        league(&Comparison { name: "a".into(), metrics, parts: vec![part], by: None, gate: None, command: None }, &by)
            .unwrap()
    }

    const TEN: [Option<u64>; 10] =
        [Some(10), Some(12), Some(9), Some(11), Some(10), Some(13), Some(8), Some(10), Some(11), Some(12)];

    #[test]
    fn the_best_comes_first_and_those_alike_have_one_rank() {
        let slower = TEN.map(|ms| ms.map(|ms| ms * 2 + ms % 3));
        let alike = [10, 11, 10, 11, 11, 12, 9, 9, 12, 11].map(Some);
        let league = of(vec![row("slow", &slower), row("one", &TEN), row("other", &alike)]);
        let ranks: Vec<(&str, usize)> = league.standings.iter().map(|of| (of.name.as_str(), of.rank)).collect();
        assert_eq!(ranks, [("one", 1), ("other", 1), ("slow", 3)]);
        let verdicts: Vec<&str> = league.pairs.iter().map(|pair| pair.verdict.as_str()).collect();
        assert!(verdicts[0].starts_with("no difference shown between one and other in outage.p99: "), "{verdicts:?}");
        assert!(verdicts[1].starts_with("one has a lower outage.p99 than slow: by "), "{verdicts:?}");
        assert!(verdicts[1].ends_with("in 10 of 10 seeds."), "{verdicts:?}");
        assert!(league.pairs[1].shown && !league.pairs[0].shown);
    }

    #[test]
    fn what_mostly_never_comes_is_behind_and_said_to_be() {
        let mut never = [None; 10];
        never[3] = Some(11);
        let league = of(vec![row("hopeless", &never), row("one", &TEN)]);
        assert_eq!(league.standings[1].name, "hopeless");
        assert_eq!((league.standings[1].never, league.standings[1].median), (9, None));
        let verdict = &league.pairs[0].verdict;
        assert_eq!(
            verdict,
            "one has a lower outage.p99 than hopeless, which mostly never comes to one: in 9 of 10 seeds."
        );
    }

    #[test]
    fn few_seeds_and_many_pairs_show_nothing() {
        let league = of(vec![row("a", &[Some(5)]), row("b", &[Some(50)])]);
        let verdict = &league.pairs[0].verdict;
        assert!(
            verdict.starts_with("no difference shown between a and b in outage.p99: 1 seed can't tell"),
            "{verdict}"
        );
        assert!(league.note().contains("of other seeds that says nothing"));
        let same = of(vec![row("a", &TEN), row("b", &TEN)]);
        assert!(same.pairs[0].verdict.contains("the same with each of 10 seeds"), "{:?}", same.pairs);
        // p = 0.025 alone, and four of ten pairs: nothing.
        let luck = [Some(11), Some(12), Some(11), Some(11), Some(12), Some(13), Some(9), Some(10), Some(11), Some(13)];
        let more = |name: &str, by: u64| row(name, &TEN.map(|ms| ms.map(|ms| ms + by)));
        let many = of(vec![row("one", &TEN), row("luck", &luck), more("x", 0), more("y", 0), more("z", 0)]);
        let pair = many.pairs.iter().find(|pair| pair.second == "luck").unwrap();
        assert!(pair.metrics[0].difference.p.unwrap() < LEVEL && !pair.shown, "{pair:?}");
        assert!(pair.verdict.contains("but not as one of 10 pairs"), "{}", pair.verdict);
        let eleven: Vec<Row> = (0..8).map(|n| more(&format!("m{n}"), n * 100)).collect();
        assert_eq!(of(eleven).pairs.len(), 7, "of many, each with the first");
    }

    #[test]
    fn names_say_which_value_is_better() {
        for (path, better) in [
            ("sessions.opened", Better::Higher),
            ("availability.mean", Better::Higher),
            ("time_to_open.p99", Better::Lower),
            ("attempts.failed", Better::Lower),
            ("sessions.never_opened", Better::Lower),
        ] {
            assert_eq!(Better::of(path), better, "{path}");
        }
    }
}
