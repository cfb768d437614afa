//! Which devices are meant: `status=online & temperature>70 & device=gate-*`.

use std::cmp::Ordering;

use jiff::Timestamp;

use super::column::{Cell, Column, NOTHING};
use super::device::Device;
use super::natural;
use crate::config::diagnostics::suggestion;

/// Longer ones are a mistake.
const MAX_BYTES: usize = 1000;

/// Conditions that all have to hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, PartialEq)]
struct Condition {
    column: Column,
    operator: Operator,
    /// Of which one has to hold, and of `!=` all.
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Is,
    IsNot,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// The longer ones first, because they begin with the others.
const OPERATORS: [(&str, Operator); 6] = [
    ("!=", Operator::IsNot),
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("=", Operator::Is),
    ("<", Operator::Less),
    (">", Operator::More),
];

/// Why a text is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFilter {
    #[error("`{0}` is no condition; write COLUMN=VALUE, such as `status=online` or `temperature>70`")]
    NoOperator(String),
    #[error("there is no column `{name}`; {hint}")]
    NoColumn { name: String, hint: String },
    #[error("`{column}` is compared with a number, not with `{found}`")]
    NoNumber { column: &'static str, found: String },
    #[error("a condition has at most {MAX_BYTES} bytes")]
    TooLong,
}

impl std::str::FromStr for Filter {
    type Err = InvalidFilter;

    /// Reads conditions with `&` between them. An empty text has none, and is true of every device.
    fn from_str(text: &str) -> Result<Self, InvalidFilter> {
        if text.len() > MAX_BYTES {
            return Err(InvalidFilter::TooLong);
        }
        let parts = text.split('&').map(str::trim).filter(|part| !part.is_empty());
        Ok(Self { conditions: parts.map(Condition::parse).collect::<Result<_, _>>()? })
    }
}

impl Filter {
    /// This and that have to hold.
    pub fn and(mut self, other: Self) -> Self {
        self.conditions.extend(other.conditions);
        self
    }

    pub fn is_true_of(&self, device: &Device, now: Timestamp) -> bool {
        self.conditions.iter().all(|condition| condition.is_true_of(device, now))
    }
}

impl Condition {
    fn parse(text: &str) -> Result<Self, InvalidFilter> {
        if ["online", "offline"].contains(&text) {
            return Ok(Self { column: Column::Status, operator: Operator::Is, values: vec![text.to_owned()] });
        }
        let no_operator = || InvalidFilter::NoOperator(text.to_owned());
        let at = text.find(['=', '<', '>', '!']).ok_or_else(no_operator)?;
        let (name, rest) = (text[..at].trim(), &text[at..]);
        let found = OPERATORS.iter().find_map(|(sign, operator)| Some((*operator, rest.strip_prefix(sign)?)));
        let (operator, value) = found.ok_or_else(no_operator)?;
        let column = Column::named(name).ok_or_else(|| InvalidFilter::NoColumn {
            name: name.to_owned(),
            hint: suggestion(name, Column::ALL.iter().map(|column| column.name())),
        })?;
        let values: Vec<String> = value.split('|').map(|value| value.trim().to_owned()).collect();
        let wrong =
            values.iter().find(|value| column.is_number() && *value != NOTHING && value.parse::<f64>().is_err());
        match wrong {
            Some(found) => Err(InvalidFilter::NoNumber { column: column.name(), found: found.clone() }),
            None => Ok(Self { column, operator, values }),
        }
    }

    fn is_true_of(&self, device: &Device, now: Timestamp) -> bool {
        let cell = match self.column {
            // All of it, because it is given as it is in `info`, and as the table has it.
            Column::Config => device.config_hash.clone().map_or(Cell::Nothing, |hash| Cell::Texts(vec![hash])),
            column => column.of(device, now),
        };
        let holds = |value: &String| self.holds(&cell, value);
        match self.operator {
            Operator::IsNot => !self.values.iter().any(holds),
            _ => self.values.iter().any(holds),
        }
    }

    /// Whether it holds of one value; `!=` as `=`.
    fn holds(&self, cell: &Cell, value: &str) -> bool {
        let ordered = |order: Ordering| match self.operator {
            Operator::Is | Operator::IsNot => order.is_eq(),
            Operator::Less => order.is_lt(),
            Operator::AtMost => order.is_le(),
            Operator::More => order.is_gt(),
            Operator::AtLeast => order.is_ge(),
        };
        let equality = matches!(self.operator, Operator::Is | Operator::IsNot);
        match cell {
            Cell::Nothing => equality && value == NOTHING,
            Cell::Number(number) => {
                value.parse::<f64>().is_ok_and(|value| number.partial_cmp(&value).is_some_and(ordered))
            }
            Cell::Texts(texts) if equality && self.column == Column::Config => {
                texts.iter().any(|hash| value.len() >= 8 && hash.starts_with(value) || hash == value)
            }
            Cell::Texts(texts) if equality => {
                texts.iter().any(|text| matches(&value.to_lowercase(), &text.to_lowercase()))
            }
            Cell::Texts(texts) => texts.iter().any(|text| ordered(natural::compare(text, value))),
        }
    }
}

/// Whether a pattern, in which `*` stands for anything, fits the whole text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts {
        if let Some(before) = last.replace(part) {
            // The earliest place leaves the most for what follows.
            let Some(at) = rest.find(before) else { return false };
            rest = &rest[at + before.len()..];
        }
    }
    last.map_or(rest.is_empty(), |last| rest.ends_with(last))
}

#[cfg(test)]
mod tests {
    use super::super::roster::Roster;
    use super::super::roster::tests::{noon, well};
    use super::*;
    use proptest::prelude::*;

    fn holds(filter: &str) -> bool {
        let mut roster = Roster::new("glimpsed");
        well(&mut roster, "gate-17");
        let filter: Filter = filter.parse().expect(filter);
        filter.is_true_of(roster.device("gate-17").expect("known"), noon())
    }

    #[test]
    fn conditions_are_told_from_what_the_device_says() {
        for filter in [
            "",
            "online",
            "device=gate-*",
            "device=GATE-17",
            "device=a|gate-17",
            "temperature>49.9 & temperature<=50",
            "version>=0.0.9",
            "version<0.10.0",
            "label!=cat|dog",
            "label = tabby",
            "config=aaaa",
            "since>=3600",
            "status!=offline",
            "model=*",
            "problems=0",
        ] {
            assert!(holds(filter), "{filter}");
        }
        for filter in [
            "offline",
            "device=gate",
            "device=*16",
            "temperature>50",
            "version=0.1",
            "label=-",
            "label!=tabby|cat",
            "config=aa",
            "online & fps<1",
        ] {
            assert!(!holds(filter), "{filter}");
        }
    }

    #[test]
    fn of_what_is_not_known_nothing_holds_but_that_it_is_something_else() {
        let device = Device::new("x");
        let holds = |filter: &str| filter.parse::<Filter>().expect(filter).is_true_of(&device, noon());
        assert!(
            holds("temperature!=5")
                && holds("label=-")
                && holds("version!=1")
                && !holds("temperature<5")
                && !holds("version!=-")
        );
    }

    #[test]
    fn a_text_that_is_no_filter_is_refused_with_what_would_be_right() {
        let error = |text: &str| text.parse::<Filter>().expect_err(text).to_string();
        assert!(error("gate").contains("`gate` is no condition; write COLUMN=VALUE"));
        assert!(error("modle=x").contains("there is no column `modle`; did you mean `model`?"), "{}", error("modle=x"));
        assert!(error("fps>fast").contains("`fps` is compared with a number, not with `fast`"));
        assert!(error("a!b").contains("is no condition"));
        assert!(error(&"x".repeat(2000)).contains("at most 1000 bytes"));
    }

    proptest! {
        #[test]
        fn any_text_is_a_filter_or_an_error_and_a_pattern_fits_what_it_was_made_of(text in ".{0,40}", parts in proptest::collection::vec("[ab]{0,3}", 1..4), fill in "[abc]{0,3}") {
            let _ = text.parse::<Filter>();
            prop_assert!(matches(&parts.join("*"), &parts.join(&fill)));
        }

        #[test]
        fn a_condition_and_its_opposite_never_both_hold(column in proptest::sample::select(Column::ALL.to_vec()), number in 0u8..60) {
            for (one, other) in [("=", "!="), ("<", ">="), (">", "<=")] {
                let mut roster = Roster::new("glimpsed");
                well(&mut roster, "x");
                let device = roster.device("x").expect("known");
                let holds = |sign: &str| format!("{}{sign}{number}", column.name()).parse::<Filter>().expect("a filter").is_true_of(device, noon());
                prop_assert!(!(holds(one) && holds(other)));
            }
        }
    }
}
