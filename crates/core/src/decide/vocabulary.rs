//! From a model's classes to the possible labels: groups merged, denied labels removed.

use std::sync::Arc;

use super::rules::LabelFilter;
use crate::domain::classification::Labels;

/// The possible labels of one model.
#[derive(Debug)]
pub struct Vocabulary {
    /// The label of each class; `None` if the filter excludes it.
    of_class: Vec<Option<usize>>,
    names: Vec<Arc<str>>,
    are_independent: bool,
}

impl Vocabulary {
    pub fn new(labels: &Labels, filter: &LabelFilter) -> Self {
        let mut vocabulary = Self {
            of_class: Vec::with_capacity(labels.len()),
            names: Vec::new(),
            are_independent: labels.are_independent,
        };
        for label in labels.iter() {
            let group = filter.groups.iter().find(|group| group.members.iter().any(|member| **member == **label));
            let name = group.map_or(label, |group| &group.name);
            let among = |list: &[String]| list.iter().any(|entry| **entry == **label || **entry == **name);
            let possible = (filter.allow.is_empty() || among(&filter.allow)) && !among(&filter.deny);
            // Two classes of the same name stay two labels unless a group merges them.
            let at = possible.then(|| match group.and_then(|_| vocabulary.index(name)) {
                Some(known) => known,
                None => {
                    vocabulary.names.push(name.clone());
                    vocabulary.names.len() - 1
                }
            });
            vocabulary.of_class.push(at);
        }
        vocabulary
    }

    /// Fills `out` with the probability of each label, given those of the classes. Those of a group add up, unless they may be true of
    /// the same picture: then the group is as likely as the most likely of them.
    pub fn fold(&self, probabilities: &[f32], out: &mut Vec<f32>) {
        out.clear();
        out.resize(self.names.len(), 0.0);
        for (at, probability) in self.of_class.iter().zip(probabilities) {
            match at {
                Some(at) if self.are_independent => out[*at] = out[*at].max(*probability),
                Some(at) => out[*at] += probability,
                None => {}
            }
        }
    }

    pub fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    pub fn name(&self, index: usize) -> Option<&Arc<str>> {
        self.names.get(index)
    }

    pub fn index(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| **known == *name)
    }

    /// The most likely label, if its probability is at least `at_least`.
    pub fn best(&self, scores: &[f32], at_least: f32) -> Option<&Arc<str>> {
        let (index, score) = best(scores)?;
        self.name(index).filter(|_| score >= at_least)
    }
}

/// The index of the largest score, and the score; the first one of ties.
pub fn best(scores: &[f32]) -> Option<(usize, f32)> {
    scores.iter().copied().enumerate().fold(None, |best: Option<(usize, f32)>, (index, score)| match best {
        Some((_, most)) if score.is_nan() || score <= most => best,
        _ if score.is_nan() => best,
        _ => Some((index, score)),
    })
}

/// The entries of `allow` and `deny` that are neither a label of the model nor a group.
pub fn unknown_names<'a>(labels: &'a Labels, filter: &'a LabelFilter) -> impl Iterator<Item = &'a str> {
    let known = |name: &str| {
        labels.iter().any(|label| **label == *name) || filter.groups.iter().any(|group| *group.name == *name)
    };
    filter.allow.iter().chain(&filter.deny).map(String::as_str).filter(move |name| !known(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::groups::{Groups, IMAGENET};
    use crate::models::labels::IMAGENET_LABELS;
    use proptest::prelude::*;

    const LABELS: &str = "tabby\ntiger cat\npug\ncrane\ncrane";

    fn filter(allow: &[&str], deny: &[&str], groups: &str) -> LabelFilter {
        let owned = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect();
        let groups = Arc::new(Groups::parse(groups).expect("groups"));
        LabelFilter { allow: owned(allow), deny: owned(deny), groups }
    }

    fn fold(filter: &LabelFilter, probabilities: &[f32]) -> Vec<(String, f32)> {
        let vocabulary = Vocabulary::new(&Labels::parse(LABELS), filter);
        let mut out = Vec::new();
        vocabulary.fold(probabilities, &mut out);
        out.iter().enumerate().map(|(index, &score)| (vocabulary.names[index].to_string(), score)).collect()
    }

    #[test]
    fn the_probabilities_of_a_group_add_up() {
        let scores = fold(
            &filter(&[], &[], "cat = ['tabby', 'tiger cat']\nbird = ['crane']"),
            &[0.25, 0.5, 0.125, 0.0625, 0.0625],
        );
        let expected = [("cat", 0.75), ("pug", 0.125), ("bird", 0.125)];
        assert_eq!(scores, expected.map(|(name, score)| (name.to_owned(), score)));
    }

    #[test]
    fn a_group_of_independent_classes_is_as_likely_as_its_most_likely_one() {
        let labels = Labels::parse(LABELS).independent();
        let vocabulary = Vocabulary::new(&labels, &filter(&[], &[], "cat = ['tabby', 'tiger cat']"));
        let mut out = Vec::new();
        vocabulary.fold(&[0.7, 0.9, 0.2, 0.1, 0.3], &mut out);
        assert_eq!(out, [0.9, 0.2, 0.1, 0.3]);
    }

    #[test]
    fn what_is_denied_or_not_allowed_is_no_label_whether_by_its_own_name_or_its_group_s() {
        let groups = "cat = ['tabby', 'tiger cat']";
        let names = |filter: &LabelFilter| {
            fold(filter, &[0.2; 5]).into_iter().map(|(name, score)| format!("{name} {score}")).collect::<Vec<_>>()
        };
        assert_eq!(names(&filter(&["cat"], &[], groups)), ["cat 0.4"]);
        assert_eq!(names(&filter(&["tabby", "pug"], &[], groups)), ["cat 0.2", "pug 0.2"]);
        assert_eq!(names(&filter(&[], &["cat", "crane"], groups)), ["pug 0.2"]);
        assert_eq!(names(&filter(&[], &["tiger cat", "crane"], groups)), ["cat 0.2", "pug 0.2"]);
    }

    #[test]
    fn names_that_mean_nothing_to_the_model_are_found() {
        let labels = Labels::parse(LABELS);
        let filter = filter(&["cat", "tabbycat"], &["pug", "dog"], "cat = ['tabby']");
        assert_eq!(unknown_names(&labels, &filter).collect::<Vec<_>>(), ["tabbycat", "dog"]);
    }

    #[test]
    fn the_built_in_groups_know_their_classes_by_the_names_of_the_built_in_labels() {
        let (labels, groups) = (Labels::parse(IMAGENET_LABELS), Groups::parse(IMAGENET).expect("parses"));
        assert!(groups.iter().count() > 10);
        for group in groups.iter() {
            assert!(labels.iter().all(|label| **label != *group.name), "{} would be two labels", group.name);
            for member in &group.members {
                assert_eq!(labels.iter().filter(|label| ***label == **member).count(), 1, "{}: {member}", group.name);
            }
        }
        let filter = LabelFilter { groups: Arc::new(groups), ..LabelFilter::default() };
        let vocabulary = Vocabulary::new(&labels, &filter);
        let of = |class: usize| vocabulary.of_class[class].and_then(|at| vocabulary.name(at)).map(|name| &**name);
        for (class, group) in [(281, "cat"), (285, "cat"), (151, "dog"), (268, "dog"), (16, "bird"), (817, "car")] {
            assert_eq!(of(class), Some(group), "{:?}", labels.get(class));
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_made_up(probabilities in proptest::collection::vec(0.0f32..1.0, 5)) {
            let scores = fold(&filter(&[], &[], "cat = ['tabby', 'tiger cat']\nbirds = ['crane']"), &probabilities);
            let (before, after): (f32, f32) = (probabilities.iter().sum(), scores.iter().map(|(_, score)| score).sum());
            prop_assert!((before - after).abs() < 1e-5);
        }
    }
}
