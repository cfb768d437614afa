//! Classes that count as one label: 5 of the 1000 ImageNet classes are domestic cats, 118 are breeds of dogs.

use std::sync::Arc;

use glimpsed_base::leaving;
use toml::{Table, Value};

/// Groups of ImageNet classes from WordNet's hierarchy; `models/README.md` describes how they were made.
pub const IMAGENET: &str = include_str!("../../../../models/imagenet-groups.toml");

/// A mistake in the text of groups, told in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupsError {
    #[error("line {line}: {cause}")]
    NotToml { line: usize, cause: String },
    #[error("`{0}` must be a list of labels, such as [\"tabby\", \"tiger cat\"]")]
    NoList(String),
    #[error("`{}` cannot be a label: it is empty or holds a control character", .0.escape_debug())]
    Name(String),
}

/// Named groups. A class that several groups list belongs to the first of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Groups(Vec<Group>);

#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    pub name: Arc<str>,
    /// Labels of the classes.
    pub members: Vec<String>,
}

impl Groups {
    /// Parses lines like `cat = ["tabby", "tiger cat"]`.
    ///
    /// # Errors
    /// The first mistake in the text.
    pub fn parse(text: &str) -> Result<Self, GroupsError> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| GroupsError::NotToml {
            line: error.span().map_or(1, |span| text[..span.start].lines().count().max(1)),
            cause: error.message().lines().next().unwrap_or_default().to_owned(),
        })?;
        table.into_iter().map(|(name, members)| Group::read(name, members)).collect::<Result<_, _>>().map(Self)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Group> {
        self.0.iter()
    }
}

impl Group {
    fn read(name: String, members: Value) -> Result<Self, GroupsError> {
        let wrong = || GroupsError::NoList(name.clone());
        let Value::Array(list) = members else { return Err(wrong()) };
        let label = |value| match value {
            Value::String(label) => Ok(label),
            _ => Err(wrong()),
        };
        let members = list.into_iter().map(label).collect::<Result<_, _>>()?;
        if name.trim().is_empty() || name.contains(leaving::is_control) {
            return Err(GroupsError::Name(name));
        }
        Ok(Self { name: name.into(), members })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_group_file_is_said_in_a_line() {
        let error = |text| Groups::parse(text).expect_err("wrong").to_string();
        assert_eq!(error("cat = 3"), "`cat` must be a list of labels, such as [\"tabby\", \"tiger cat\"]");
        assert!(error("cat = [282]").starts_with("`cat` must be"));
        assert!(error("\"a\\u001b[2J\" = []").starts_with("`a\\u{1b}[2J` cannot be a label"));
        assert!(error("dog = []\ncat = [").starts_with("line 2: "), "{}", error("dog = []\ncat = ["));
    }
}
