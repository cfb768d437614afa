//! How a model's numbers are read: what its graph says, what the configuration says, and what came out for some pictures have to
//! agree.

use super::error::ModelError;
use glimpsed_inference::{Inspection, Precision, Scores, sigmoid, softmax};

/// How far a probability may be beyond its range, and a sum of them beyond one, by rounding.
const ROUNDING: f32 = 0.01;
const SUM_ROUNDING: f32 = 0.1;

/// How probabilities are made of a model's numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// What the numbers are.
    pub scores: Scores,
    /// The numbers of an impossible and of a sure class, where they are probabilities.
    range: [f32; 2],
    /// Whether one number tells two classes apart.
    two_of_one: bool,
}

impl Reading {
    /// Settles it for a model with so many labels, given its numbers for some pictures. `declared` is the configuration's key.
    pub(super) fn settle(
        name: &str,
        inspection: &Inspection,
        declared: Option<Scores>,
        labels: usize,
        seen: &Seen,
    ) -> Result<Self, ModelError> {
        if let Some((number, numbers)) = &seen.no_number {
            return Err(ModelError::NotFinite { found: number.to_string(), numbers: numbers.clone() });
        }
        let subject = Subject { inspection, labels, seen };
        let found = subject.by_graph();
        let settled = match (declared, &found) {
            (None, Ok(found)) => Ok(*found),
            (None, Err(doubt)) => Err(format!("{doubt}; {}", subject.advice(name))),
            // A graph does not say whether its logits exclude each other.
            (Some(Scores::SigmoidLogits), Ok(found)) if found.scores == Scores::Logits => {
                Ok(subject.reading(Scores::SigmoidLogits, [0.0, 1.0]))
            }
            (Some(declared), Ok(found)) if subject.says_the_same(declared, found.scores) => {
                Ok(Self { scores: declared, ..*found })
            }
            (Some(declared), Ok(found)) => Err(subject.contradiction(declared, found.scores)),
            (Some(declared), Err(doubt)) => subject.by_numbers(declared).ok_or_else(|| {
                format!("{doubt}, and `scores = \"{declared}\"` does not fit; {}", subject.advice(name))
            }),
        };
        settled.map_err(|cause| ModelError::Scores { cause })
    }

    /// Whether several labels may be true of one picture.
    pub fn is_multi_label(self) -> bool {
        matches!(self.scores, Scores::Sigmoid | Scores::SigmoidLogits) && !self.two_of_one
    }

    /// Makes probabilities of a model's numbers, one for each class.
    pub(super) fn apply(self, numbers: &mut Vec<f32>) {
        match self.scores {
            Scores::Logits => softmax(numbers),
            Scores::SigmoidLogits => sigmoid(numbers),
            Scores::Softmax | Scores::Sigmoid | Scores::Binary if self.range != [0.0, 1.0] => {
                let [low, high] = self.range;
                numbers.iter_mut().for_each(|number| *number = (*number - low) / (high - low));
            }
            Scores::Softmax | Scores::Sigmoid | Scores::Binary => {}
        }
        if self.two_of_one
            && let [second] = numbers[..]
        {
            numbers.insert(0, 1.0 - second);
        }
    }
}

/// What is read.
struct Subject<'a> {
    inspection: &'a Inspection,
    labels: usize,
    seen: &'a Seen,
}

impl Subject<'_> {
    fn is_single(&self) -> bool {
        self.inspection.classes == 1
    }

    fn reading(&self, scores: Scores, range: [f32; 2]) -> Reading {
        Reading { scores, range, two_of_one: self.is_single() && self.labels == 2 }
    }

    /// What the graph says and the numbers confirm, or why that leaves a doubt.
    fn by_graph(&self) -> Result<Reading, String> {
        let end = &self.inspection.end;
        let (says, seen) = (&end.says, self.seen);
        let least = if end.part || self.inspection.precision == Precision::Int8 { 0.0 } else { 1.0 };
        match end.scores {
            None => Err(format!("leaves open what its numbers mean: its graph ends in {says}, and {seen}")),
            Some(Scores::Logits) if self.is_single() => Err(format!(
                "gives one number of any size, of which its graph does not say what it means: it ends in {says}, and {seen}"
            )),
            Some(Scores::Logits) if seen.pictures > 1 && seen.are_shares([0.0, 1.0], 1.0) => Err(format!(
                "contradicts itself: its graph ends in {says}, which gives numbers of any size, but {seen}, as probabilities do"
            )),
            Some(Scores::Softmax) if self.is_single() => match end.part && seen.are_within(end.range) {
                true => Ok(self.reading(self.single(), end.range)),
                false => Err(format!("ends in {says}, but gives one number: a softmax of one number is always 1")),
            },
            Some(Scores::Softmax) if !seen.are_shares(end.range, least) => Err(format!(
                "contradicts itself: its graph ends in {says}, which gives probabilities that add up to one, but {seen}"
            )),
            Some(Scores::Sigmoid) if !seen.are_within(end.range) => {
                Err(format!("contradicts itself: its graph ends in {says}, which gives probabilities, but {seen}"))
            }
            Some(Scores::Sigmoid) if self.is_single() => Ok(self.reading(self.single(), end.range)),
            Some(scores) => Ok(self.reading(scores, end.range)),
        }
    }

    /// One probability: of the second of two labels, or of the only one.
    fn single(&self) -> Scores {
        if self.labels == 2 { Scores::Binary } else { Scores::Sigmoid }
    }

    fn says_the_same(&self, declared: Scores, found: Scores) -> bool {
        let probability = |scores| matches!(scores, Scores::Sigmoid | Scores::Binary);
        declared == found || (self.is_single() && probability(declared) && probability(found))
    }

    /// What the configuration says where the graph leaves a doubt, if the numbers do not contradict it.
    fn by_numbers(&self, declared: Scores) -> Option<Reading> {
        const RANGES: [[f32; 2]; 2] = [[0.0, 1.0], [0.0, 100.0]];
        let (seen, single) = (self.seen, self.is_single());
        let range = match declared {
            Scores::Logits if !single => Some(RANGES[0]),
            Scores::SigmoidLogits => Some(RANGES[0]),
            Scores::Softmax if !single => RANGES.into_iter().find(|range| seen.are_shares(*range, 1.0)),
            Scores::Sigmoid => RANGES.into_iter().find(|range| seen.are_within(*range)),
            Scores::Binary if single && self.labels == 2 => RANGES.into_iter().find(|range| seen.are_within(*range)),
            _ => None,
        };
        range.map(|range| self.reading(declared, range))
    }

    /// The key that is wrong, and what would be right.
    fn contradiction(&self, declared: Scores, found: Scores) -> String {
        let (says, seen) = (&self.inspection.end.says, self.seen);
        let what = match (declared, found) {
            (Scores::Softmax, Scores::Logits) => format!("gives numbers that are no probabilities: {seen}"),
            (Scores::Sigmoid, Scores::Logits) => format!(
                "gives numbers that are no probabilities: {seen} (\"sigmoid-logits\" is for logits of labels that do not exclude each other)"
            ),
            _ => format!("ends in {says}, which gives {}, and {seen}", meaning(found)),
        };
        format!("{what}; `scores = \"{declared}\"` is wrong: leave `scores` out or set it to \"{found}\"")
    }

    /// Which key to set, and what to.
    fn advice(&self, name: &str) -> String {
        let seen = self.seen;
        let likely: &[Scores] = if self.is_single() {
            if seen.are_within([0.0, 1.0]) { &[self.single()] } else { &[Scores::SigmoidLogits] }
        } else if seen.are_shares([0.0, 1.0], 1.0) || seen.are_shares([0.0, 100.0], 1.0) {
            &[Scores::Softmax, Scores::Logits]
        } else if seen.are_within([0.0, 1.0]) {
            &[Scores::Sigmoid, Scores::Logits]
        } else {
            &[Scores::Logits, Scores::SigmoidLogits]
        };
        let each: Vec<String> =
            likely.iter().map(|scores| format!("\"{scores}\" if they are {}", meaning(*scores))).collect();
        format!("set `scores` in [models.{name}] to {}", each.join(", to "))
    }
}

fn meaning(scores: Scores) -> &'static str {
    match scores {
        Scores::Logits => "logits of labels that exclude each other",
        Scores::Softmax => "probabilities that add up to one",
        Scores::Sigmoid => "probabilities of labels that do not exclude each other",
        Scores::Binary => "the probability of the second of two labels",
        Scores::SigmoidLogits => "logits of labels that do not exclude each other, or of the second of two",
    }
}

/// A model's numbers for some pictures.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    pictures: usize,
    /// The smallest and the largest number.
    ends: [f32; 2],
    /// The smallest and the largest sum for a picture.
    sums: [f32; 2],
    /// The numbers for each picture.
    length: usize,
    /// One that is infinite or no number, and how many of the picture's were.
    no_number: Option<(f32, String)>,
}

impl Default for Seen {
    fn default() -> Self {
        let nothing = [f32::INFINITY, f32::NEG_INFINITY];
        Self { pictures: 0, ends: nothing, sums: nothing, length: 0, no_number: None }
    }
}

impl Seen {
    pub(super) fn add(&mut self, numbers: &[f32]) {
        let widen = |[low, high]: [f32; 2], number: f32| [low.min(number), high.max(number)];
        self.pictures += 1;
        self.length = numbers.len();
        self.ends = numbers.iter().fold(self.ends, |ends, number| widen(ends, *number));
        self.sums = widen(self.sums, numbers.iter().sum());
        if let Some(number) = numbers.iter().find(|number| !number.is_finite()) {
            let count = numbers.iter().filter(|number| !number.is_finite()).count();
            self.no_number.get_or_insert((*number, format!("{count} of {}", numbers.len())));
        }
    }

    fn are_within(&self, [low, high]: [f32; 2]) -> bool {
        let slack = ROUNDING * (high - low);
        self.ends[0] >= low - slack && self.ends[1] <= high + slack
    }

    /// Whether they are probabilities that add up to one, or to anything from `least` to one.
    fn are_shares(&self, [low, high]: [f32; 2], least: f32) -> bool {
        let share = |sum: f32| (sum - low * self.length as f32) / (high - low);
        let [smallest, largest] = self.sums.map(share);
        self.are_within([low, high]) && smallest >= least - SUM_ROUNDING && largest <= 1.0 + SUM_ROUNDING
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ([low, high], [least, most]) = (self.ends, self.sums);
        let short = |number: f32| format!("{number:.3}").trim_end_matches('0').trim_end_matches('.').to_owned();
        write!(f, "for {} test pictures they went from {} to {}", self.pictures, short(low), short(high))?;
        match self.length {
            1 => Ok(()),
            _ => write!(f, " and added up to {} to {}", short(least), short(most)),
        }
    }
}
