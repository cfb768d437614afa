//! A text with words in braces that are filled in: `{view}: {label}`.

use std::fmt::Write;

/// What can stand in braces.
pub const WORDS: [&str; 9] = ["label", "previous", "now", "view", "camera", "device", "time", "confidence", "for"];

/// The words of one occasion.
#[derive(Debug, Clone, Default)]
pub struct Words {
    /// In the order of [`WORDS`].
    values: [String; WORDS.len()],
}

impl Words {
    /// Sets one of [`WORDS`]; another word is ignored.
    pub fn set(&mut self, word: &str, value: impl Into<String>) {
        if let Some(index) = WORDS.iter().position(|known| *known == word) {
            self.values[index] = value.into();
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// Index into [`WORDS`].
    Word(usize),
}

/// A parsed template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

/// What is in braces and is no word, or the brace that stands alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownWord(pub String);

impl Template {
    /// `{{` and `}}` stand for braces.
    ///
    /// # Errors
    /// The first part in braces that is not one of [`WORDS`], or a brace without its counterpart.
    pub fn parse(text: &str) -> Result<Self, UnknownWord> {
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let (brace, after) = rest[at..].split_at(1);
            if let Some(after) = after.strip_prefix(brace) {
                plain.push_str(brace);
                rest = after;
                continue;
            }
            let (word, after) = match after.split_once('}') {
                Some((word, after)) if brace == "{" => (word, after),
                _ => return Err(UnknownWord(brace.to_owned())),
            };
            let index = WORDS.iter().position(|known| *known == word);
            let index = index.ok_or_else(|| UnknownWord(format!("{{{word}}}")))?;
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Word(index));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self(parts))
    }

    /// The text with its words filled in, of at most `most` bytes.
    pub fn fill(&self, words: &Words, most: usize) -> String {
        let mut filled = String::new();
        for part in &self.0 {
            let text = match part {
                Part::Text(text) => text,
                Part::Word(index) => &words.values[*index],
            };
            // Writing to a string does not fail.
            let _ = filled.write_str(text);
        }
        filled.truncate(filled.floor_char_boundary(most));
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words() -> Words {
        let mut words = Words::default();
        words.set("label", "open");
        words.set("view", "Garage {door}");
        words
    }

    #[test]
    fn words_are_filled_in_once_and_double_braces_are_braces() {
        let filled = |text: &str| Template::parse(text).expect("a template").fill(&words(), 100);
        assert_eq!(filled("{view}: {label}"), "Garage {door}: open", "what is filled in is no template");
        assert_eq!(filled("{{label}} is {label}{{"), "{label} is open{");
        assert_eq!(filled("plain"), "plain");
        assert_eq!(filled("no {previous}."), "no .");
    }

    #[test]
    fn what_is_no_word_is_named() {
        for (text, wrong) in [("a {lable} b", "{lable}"), ("a { b", "{"), ("a } b", "}"), ("{}", "{}")] {
            assert_eq!(Template::parse(text), Err(UnknownWord(wrong.into())), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_template_or_refused_and_what_it_makes_has_a_bound(text in "[a-z{}ä ]{0,40}", most in 0usize..50) {
            if let Ok(template) = Template::parse(&text) {
                prop_assert!(template.fill(&words(), most).len() <= most);
            }
        }

        #[test]
        fn text_whose_braces_are_doubled_comes_out_as_it_was(text in "\\PC{0,40}") {
            let doubled = text.replace('{', "{{").replace('}', "}}");
            prop_assert_eq!(Template::parse(&doubled).expect("plain text").fill(&words(), usize::MAX), text);
        }
    }
}
