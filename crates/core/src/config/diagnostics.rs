//! All mistakes of a configuration, collected in one pass and shown with line and caret.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::texts::{Line, Position, Texts};
use glimpsed_base::leaving;

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
    /// A byte range of the files' texts.
    File(Range<usize>),
    /// An environment variable that overrides a key.
    Variable(String),
    /// A file as a whole.
    Whole(String),
    /// No position: the key is missing, or its default is invalid.
    Nowhere,
}

/// A file with more mistakes is another kind of file. The rest is counted and not kept.
pub const MAX_PROBLEMS: usize = 50;

/// Bytes of a report, of its summary, and of what is quoted in a line of either: a file that was saved over the configuration can
/// hold anything.
const MAX_REPORT_BYTES: usize = 20_000;
const MAX_QUOTED_BYTES: usize = 160;

/// All mistakes of one configuration, up to [`MAX_PROBLEMS`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems {
    texts: Arc<Texts>,
    list: Vec<Problem>,
    /// Mistakes beyond those that are kept.
    omitted: usize,
    /// How many of them are about a model's file that is not there.
    missing_models: usize,
    /// For each that is about another file that is not there: what cannot work without it.
    absent: Vec<(Absent, Place)>,
    /// Lines that are no TOML.
    broken_lines: BTreeSet<usize>,
}

/// A part of the daemon that cannot work because something outside of the configuration is not there: a secret, a program, pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    Broker,
    Page,
    Camera,
    Notices,
}

impl Problems {
    /// `origin` is the file's name as the user gave it, `text` its content.
    pub fn new(origin: impl Into<String>, text: impl AsRef<str>) -> Self {
        Self::of(Arc::new(Texts::new(origin, text.as_ref())))
    }

    pub fn of(texts: Arc<Texts>) -> Self {
        Self { texts, ..Self::default() }
    }

    /// Adds a mistake, unless an earlier one on the same line caused it: values from a line that is not TOML are
    /// meaningless.
    pub fn push(&mut self, problem: Problem) {
        if let Place::File(range) = &problem.place
            && self.broken_lines.contains(&self.texts.line_of_all(range.start))
        {
            return;
        }
        self.keep(problem);
    }

    /// Adds that a model's file is missing, which is no mistake of the file.
    pub fn push_missing_model(&mut self, problem: Problem) {
        let before = self.list.len();
        self.push(problem);
        self.missing_models += self.list.len() - before;
    }

    /// Adds that something is missing without which a part of the daemon cannot work.
    pub fn push_absent(&mut self, problem: Problem, part: Absent) {
        let (before, place) = (self.list.len(), problem.place.clone());
        self.push(problem);
        if self.list.len() > before {
            self.absent.push((part, place));
        }
    }

    /// The parts that cannot work, if nothing is wrong in the file itself.
    pub fn absent_parts(&self) -> Option<Vec<Absent>> {
        let is_all = self.list.len() == self.missing_models + self.absent.len() && self.omitted == 0;
        is_all.then(|| self.absent.iter().map(|(part, _)| *part).collect())
    }

    /// The variables of the environment whose own text is wrong.
    pub fn wrong_variables(&self) -> Vec<String> {
        let of_a_file = |place: &Place| self.absent.iter().any(|(_, absent)| absent == place);
        let variable = |problem: &Problem| match &problem.place {
            Place::Variable(name) if !of_a_file(&problem.place) => Some(name.clone()),
            _ => None,
        };
        self.list.iter().filter_map(variable).collect()
    }

    /// Whether nothing else is wrong.
    pub fn are_missing_models(&self) -> bool {
        self.list.len() == self.missing_models && self.omitted == 0
    }

    /// Adds a mistake of syntax. Of those on one line the first says enough: the others follow from it.
    pub fn push_syntax(&mut self, place: Place, message: &str) {
        if let Place::File(range) = &place
            && !self.broken_lines.insert(self.texts.line_of_all(range.start))
        {
            return;
        }
        self.keep(Problem { place, title: "not valid TOML".into(), label: message.replace('\n', ", "), hint: None });
    }

    fn keep(&mut self, problem: Problem) {
        // Several views can have the key of one shared table.
        if self.list.contains(&problem) {
            return;
        }
        if self.list.len() < MAX_PROBLEMS {
            self.list.push(problem);
        } else {
            self.omitted += 1;
        }
    }

    /// There may be more, which nobody has counted.
    pub fn stop_counting(&mut self) {
        self.omitted += 1;
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// `1 problem`, `3 problems`, or `more than 50 problems`.
    pub fn tally(&self) -> String {
        match (self.len(), self.omitted) {
            (1, 0) => "1 problem".into(),
            (count, 0) => format!("{count} problems"),
            (count, _) => format!("more than {count} problems"),
        }
    }

    /// Whether there are more than these.
    pub fn has_more(&self) -> bool {
        self.omitted > 0
    }

    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// Sorts by position; mistakes without one come last.
    pub fn sort(&mut self) {
        self.list.sort_by_key(|problem| match &problem.place {
            Place::File(range) => (0, range.start),
            Place::Whole(_) => (1, 0),
            Place::Variable(_) => (2, 0),
            Place::Nowhere => (3, 0),
        });
    }

    /// One line per mistake, without any content of the file, for readers who must not see it.
    pub fn summary(&self) -> String {
        let lines = self.list.iter().map(|problem| {
            let place = match &problem.place {
                Place::File(range) => format!("{}: ", self.texts.short(range.start)),
                Place::Variable(name) => format!("{name}: "),
                Place::Whole(_) | Place::Nowhere => String::new(),
            };
            let hint = problem.hint.as_ref().map(|hint| format!(" ({})", clipped(hint))).unwrap_or_default();
            format!("{place}{}{hint}", clipped(&problem.title))
        });
        self.bounded(lines, "\n")
    }

    /// As many of these as a report may hold, and how many are missing.
    fn bounded(&self, parts: impl Iterator<Item = String>, between: &str) -> String {
        let (mut report, mut shown) = (String::new(), 0);
        for part in parts {
            if shown > 0 && report.len() + part.len() > MAX_REPORT_BYTES {
                break;
            }
            if shown > 0 {
                report.push_str(between);
            }
            report.push_str(&part);
            shown += 1;
        }
        if shown < self.list.len() || self.omitted > 0 {
            report.push_str(between);
            report.push_str(&format!("there are more problems than these {shown}; the rest is not shown"));
        }
        report
    }

    /// For scripts: one object per mistake, with a 1-based line and column if it has a position.
    pub fn to_json(&self) -> serde_json::Value {
        let objects = self.list.iter().map(|problem| {
            let mut object =
                serde_json::json!({ "title": clipped(&problem.title), "found": clipped(&problem.label), "hint": problem.hint.as_deref().map(clipped) });
            match &problem.place {
                Place::File(range) => {
                    let place = self.texts.position(range.start);
                    object["file"] = place.path.into();
                    object["line"] = place.line.into();
                    object["column"] = place.column.into();
                }
                Place::Variable(name) => object["variable"] = name.clone().into(),
                Place::Whole(path) => object["file"] = clipped(path).into(),
                Place::Nowhere => object["file"] = self.texts.main().into(),
            }
            object
        });
        let mut bytes = 0;
        let fits = |object: &serde_json::Value| {
            // As it is printed, with a line for each member.
            bytes += serde_json::to_string_pretty(object).map_or(0, |text| text.len() + 2 * text.lines().count() + 2);
            bytes <= MAX_REPORT_BYTES
        };
        objects.take_while(fits).collect()
    }

    /// The report, coloured for a terminal or plain.
    pub fn render(&self, coloured: bool) -> String {
        let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
        let groups = self.list.iter().map(|problem| {
            let (title, label) = (clipped(&problem.title), clipped(&problem.label));
            let hint = problem.hint.as_deref().map(leaving::clean_line);
            renderer.render(&[self.group(problem, &title, &label, hint.as_deref())])
        });
        self.bounded(groups, "\n\n")
    }

    fn group<'a>(&'a self, problem: &'a Problem, title: &'a str, label: &'a str, hint: Option<&'a str>) -> Group<'a> {
        let title = Level::ERROR.primary_title(title);
        let group = match &problem.place {
            Place::File(range) => match self.quoted(range) {
                Ok(Quoted { place, text, range }) => title.element(
                    Snippet::source(text)
                        .line_start(place.line)
                        .path(place.path)
                        .annotation(AnnotationKind::Primary.span(range).label(label)),
                ),
                Err(Position { path, line, column }) => {
                    title.element(Level::NOTE.message(format!("{label} at {path}:{line}:{column}")))
                }
            },
            Place::Variable(name) => {
                title.element(Level::NOTE.message(format!("{label} in the environment variable {name}")))
            }
            Place::Whole(path) => title.element(Level::NOTE.message(format!("{} {label}", clipped(path)))),
            Place::Nowhere => title.element(Level::NOTE.message(format!("{label} in {}", self.texts.main()))),
        };
        match hint {
            Some(hint) => group.element(Level::HELP.with_name("hint").message(hint)),
            None => group,
        }
    }

    /// The line of a place, its beginning if it is long, and the place in that.
    ///
    /// # Errors
    /// Of a place that is too far from the beginning of its line to be shown, which that is.
    fn quoted(&self, range: &Range<usize>) -> Result<Quoted<'_>, Position<'_>> {
        let (place, whole) = (self.texts.position(range.start), self.texts.whole());
        let Line { start, end, .. } = self.texts.line(range.start);
        let text = &whole[start..whole.floor_char_boundary(end.min(start + MAX_QUOTED_BYTES))];
        // What an editor of another system puts before the end of a line is not shown.
        let text = text.strip_suffix('\r').unwrap_or(text);
        let first = (whole.floor_char_boundary(range.start) - start).min(end - start);
        let end = end - usize::from(whole[start..end].ends_with('\r'));
        let first = first.min(end - start);
        if first > text.len() || (first == text.len() && end > start + text.len()) {
            return Err(place);
        }
        let last = whole.floor_char_boundary(range.end.min(whole.len())).saturating_sub(start);
        // `password =` may stand alone, and its value below.
        let before = self.texts.line_before(start).trim_end();
        if before.ends_with('=') && matches!(leaving::masked(&format!("{before} x")), Cow::Owned(_)) {
            return Ok(Quoted { place, text: "*".repeat(text.len()).into(), range: first..first.max(text.len()) });
        }
        // Masked before it is cut: half an address would not be recognised as one.
        let more = &whole[start..whole.floor_char_boundary((start + text.len() + 512).min(end))];
        let safe = match leaving::masked_in_place(more) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            Cow::Owned(mut safe) => {
                safe.truncate(text.len());
                Cow::Owned(safe)
            }
        };
        Ok(Quoted { place, text: safe, range: first..last.clamp(first, text.len()) })
    }
}

/// A line of the file, its beginning if it is long, without secrets; and a place in it.
struct Quoted<'a> {
    place: Position<'a>,
    text: Cow<'a, str>,
    range: Range<usize>,
}

/// At most so much of it as a line of a report may quote, without secrets and control characters.
fn clipped(text: &str) -> Cow<'_, str> {
    // Cleaned first: half an address would not be recognised as one.
    let text = leaving::clean_line(text);
    match text.len() > 2 * MAX_QUOTED_BYTES {
        true => format!("{}...", &text[..text.floor_char_boundary(2 * MAX_QUOTED_BYTES)]).into(),
        false => text,
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
    // Nothing that is known is so long, and the comparison takes time for each pair of letters.
    if name.len() > MAX_QUOTED_BYTES {
        return None;
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(place: Place, label: &str) -> Problem {
        Problem { place, title: "wrong".into(), label: label.into(), hint: None }
    }

    #[test]
    fn a_report_has_a_bound_however_many_mistakes_there_are_and_however_long_they_are() {
        let line = format!("{}\n", "x".repeat(2000));
        let mut problems = Problems::new("f", line.repeat(5000));
        for at in 0..5000 {
            problems.push_syntax(Place::File(at * 2001..at * 2001 + 1900), &"y".repeat(3000));
        }
        assert_eq!(problems.len(), MAX_PROBLEMS);
        for report in [problems.render(false), problems.render(true), problems.summary()] {
            assert!(report.len() < MAX_REPORT_BYTES + 1000, "{}", report.len());
            assert!(report.ends_with("the rest is not shown"), "{report}");
        }
    }

    #[test]
    fn a_mistake_far_to_the_right_is_named_by_line_and_column() {
        let mut problems = Problems::new("f", format!("a = 1\n{}", "é".repeat(1000)));
        problems.push(mistake(Place::File(6 + 1600..6 + 1602), "this"));
        assert!(problems.render(false).contains("this at f:2:801"), "{}", problems.render(false));
    }

    #[test]
    fn secrets_of_the_file_are_not_quoted() {
        let text = "password = \"hunter2\nurl = \"rtsp://a:hunter2@cam\"\n";
        let mut problems = Problems::new("f", text);
        problems.push(mistake(Place::File(11..20), "found \"rtsp://a:hunter2@cam\" \u{1b}[2J"));
        problems.push(mistake(Place::File(27..49), "found password = hunter2"));
        for report in
            [problems.render(false), problems.render(true), problems.summary(), problems.to_json().to_string()]
        {
            assert!(!report.contains("hunter2") && !report.contains("\u{1b}[2J"), "{report}");
        }
        assert!(problems.render(false).contains("url = \"rtsp://*********@cam\""), "{}", problems.render(false));
    }

    #[test]
    fn lines_that_end_as_on_windows_are_shown_without_their_end() {
        let mut problems = Problems::new("f", "a = 1\r\nb = 2\r\n");
        problems.push(mistake(Place::File(7..12), "this"));
        problems.push(mistake(Place::File(12..13), "the end"));
        let report = problems.render(false);
        assert!(!report.contains('\r') && !report.contains('␍') && report.contains("^^^^^ this"), "{report}");
    }

    #[test]
    fn a_mistake_over_several_lines_is_shown_at_its_first_one() {
        let mut problems = Problems::new("f", "a = [\n1,\n2]\n");
        problems.push(mistake(Place::File(4..12), "these"));
        let report = problems.render(false);
        assert!(report.contains("f:1:5") && report.contains("^ these"), "{report}");
    }
}
