//! All mistakes of a configuration, collected in one pass and shown with line and caret.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub place: Place,
    /// What is wrong, naming the object: lower case, no full stop.
    pub title: String,
    /// The text at the caret: what was found.
    pub label: String,
    /// The remedy.
    pub hint: Option<String>,
}

/// The position of a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A byte range of the file.
    File(Range<usize>),
    /// An environment variable that overrides a key.
    Variable(String),
    /// No position: the key is missing, or its default is invalid.
    Nowhere,
}

/// All mistakes of one configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems {
    origin: String,
    text: String,
    list: Vec<Problem>,
    /// Lines with syntax errors.
    broken_lines: Vec<usize>,
}

impl Problems {
    /// `origin` is the file's name as the user gave it, `text` its content.
    pub fn new(origin: impl Into<String>, text: impl Into<String>) -> Self {
        Self { origin: origin.into(), text: text.into(), list: Vec::new(), broken_lines: Vec::new() }
    }

    /// Adds a mistake, unless an earlier one on the same line caused it: values from a line that is not TOML are
    /// meaningless.
    pub fn push(&mut self, problem: Problem) {
        if let Place::File(range) = &problem.place {
            let (line, _) = self.line_and_column(range.start);
            if self.broken_lines.contains(&line) {
                return;
            }
        }
        self.list.push(problem);
    }

    /// Adds a syntax error.
    pub fn push_syntax(&mut self, place: Place, message: &str) {
        let problem = Problem { place, title: "not valid TOML".into(), label: message.replace('\n', ", "), hint: None };
        if let Place::File(range) = &problem.place {
            self.broken_lines.push(self.line_and_column(range.start).0);
        }
        self.list.push(problem);
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// Sorts by position; mistakes without one come last.
    pub fn sort(&mut self) {
        self.list.sort_by_key(|problem| match &problem.place {
            Place::File(range) => (0, range.start),
            Place::Variable(_) => (1, 0),
            Place::Nowhere => (2, 0),
        });
    }

    /// One line per mistake, without any content of the file, for readers who must not see it.
    pub fn summary(&self) -> String {
        let lines = self.list.iter().map(|problem| {
            let place = match &problem.place {
                Place::File(range) => format!("line {}: ", self.line_and_column(range.start).0),
                Place::Variable(name) => format!("{name}: "),
                Place::Nowhere => String::new(),
            };
            let hint = problem.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("{place}{}{hint}", problem.title)
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// For scripts: one object per mistake, with a 1-based line and column if it has a position.
    pub fn to_json(&self) -> serde_json::Value {
        let list = self.list.iter().map(|problem| {
            let mut object =
                serde_json::json!({ "title": problem.title, "found": problem.label, "hint": problem.hint });
            match &problem.place {
                Place::File(range) => {
                    let (line, column) = self.line_and_column(range.start);
                    object["file"] = self.origin.clone().into();
                    object["line"] = line.into();
                    object["column"] = column.into();
                }
                Place::Variable(name) => object["variable"] = name.clone().into(),
                Place::Nowhere => object["file"] = self.origin.clone().into(),
            }
            object
        });
        list.collect()
    }

    fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..self.text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// The report, coloured for a terminal or plain.
    pub fn render(&self, coloured: bool) -> String {
        let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
        let groups: Vec<String> = self.list.iter().map(|problem| renderer.render(&[self.group(problem)])).collect();
        groups.join("\n\n")
    }

    fn group<'a>(&'a self, problem: &'a Problem) -> Group<'a> {
        let title = Level::ERROR.primary_title(&problem.title);
        let group = match &problem.place {
            Place::File(range) => title.element(
                Snippet::source(&self.text)
                    .path(&self.origin)
                    .annotation(AnnotationKind::Primary.span(range.clone()).label(&problem.label)),
            ),
            Place::Variable(name) => {
                title.element(Level::NOTE.message(format!("{} in the environment variable {name}", problem.label)))
            }
            Place::Nowhere => title.element(Level::NOTE.message(format!("{} in {}", problem.label, self.origin))),
        };
        match &problem.hint {
            Some(hint) => group.element(Level::HELP.with_name("hint").message(hint.as_str())),
            None => group,
        }
    }
}

impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.render(false))
    }
}

/// The known name that is most similar to `name`, if it is similar enough: at most two letters in five differ. A
/// transposition counts as one.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::normalized_damerau_levenshtein(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// "did you mean `x`?", or the list of all names.
pub fn suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match nearest(name, known.clone()) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None => format!("there is {}", list(known)),
    }
}

/// `a`, `b` and `c`.
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => "nothing".into(),
        [only] => only.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}
