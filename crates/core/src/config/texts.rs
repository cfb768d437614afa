//! The texts of a configuration, one behind the other: a range of bytes says in which file it is, too.

use std::ops::Range;
use std::path::Path;

use glimpsed_base::leaving;

/// The main file, and what stands beside it in `conf.d`, in the order in which they are read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts {
    whole: String,
    /// Where each line of the whole begins.
    lines: Vec<usize>,
    files: Vec<File>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct File {
    path: String,
    name: String,
    start: usize,
    /// How many lines are before it.
    lines_before: usize,
}

/// A place as people look for it: line and column are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position<'a> {
    pub path: &'a str,
    pub line: usize,
    pub column: usize,
}

/// A line of a file, where it begins in the whole, and its end.
pub struct Line {
    pub number: usize,
    pub start: usize,
    pub end: usize,
}

impl Texts {
    /// `path` is the file's name as the user gave it.
    pub fn new(path: impl Into<String>, text: &str) -> Self {
        let path = path.into();
        let name = Path::new(&path).file_name().map_or(path.clone(), |name| name.to_string_lossy().into_owned());
        let mut texts = Self::default();
        texts.add(path, name, text);
        texts
    }

    /// Adds a file, which is called `name` where there is little room.
    pub fn add(&mut self, path: impl Into<String>, name: impl Into<String>, text: &str) {
        if !self.files.is_empty() {
            // A line belongs to one file.
            self.whole.push('\n');
        }
        let (start, lines_before) = (self.whole.len(), self.lines.len());
        self.lines.push(start);
        self.lines.extend(text.match_indices('\n').map(|(at, _)| start + at + 1));
        self.whole.push_str(text);
        let clean = |text: String| leaving::short_line(&text, 512).into_owned();
        self.files.push(File { path: clean(path.into()), name: clean(name.into()), start, lines_before });
    }

    /// Where the text of each file begins in the whole.
    pub fn starts(&self) -> impl Iterator<Item = usize> {
        self.files.iter().map(|file| file.start)
    }

    /// The path of the main file.
    pub fn main(&self) -> &str {
        self.files.first().map_or("", |file| &file.path)
    }

    pub fn whole(&self) -> &str {
        &self.whole
    }

    pub fn get(&self, range: &Range<usize>) -> Option<&str> {
        self.whole.get(range.clone())
    }

    /// The number of the file that a place is in, from 0.
    pub fn file(&self, offset: usize) -> usize {
        self.files.partition_point(|file| file.start <= offset).saturating_sub(1)
    }

    /// The number of a line in all files together, from 1.
    pub fn line_of_all(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset).max(1)
    }

    pub fn position(&self, offset: usize) -> Position<'_> {
        let (line, offset) = (self.line(offset), self.whole.floor_char_boundary(offset));
        let column = self.whole[line.start.min(offset)..offset].chars().count() + 1;
        let path = self.files.get(self.file(offset)).map_or("", |file| file.path.as_str());
        Position { path, line: line.number, column }
    }

    /// `line 3`, with the file before it where there are several.
    pub fn short(&self, offset: usize) -> String {
        let line = self.line(offset).number;
        match self.files.as_slice() {
            [] | [_] => format!("line {line}"),
            files => format!("{} line {line}", files[self.file(offset)].name),
        }
    }

    /// The line that a place is in, without its end.
    pub fn line(&self, offset: usize) -> Line {
        let number = self.line_of_all(offset);
        let before = self.files.get(self.file(offset)).map_or(0, |file| file.lines_before);
        Line {
            number: number - before.min(number - 1),
            start: self.lines.get(number - 1).copied().unwrap_or_default(),
            end: self.lines.get(number).map_or(self.whole.len(), |next| next - 1),
        }
    }

    /// The line before one that begins here.
    pub fn line_before(&self, start: usize) -> &str {
        let before = self.whole[..start].strip_suffix('\n').unwrap_or_default();
        &before[before.rfind('\n').map_or(0, |end| end + 1)..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_is_in_a_line_of_its_own_file() {
        let mut texts = Texts::new("/etc/glimpsed.toml", "a = 1\nb = é\n");
        assert_eq!(texts.short(6), "line 2");
        texts.add("/etc/conf.d/1.toml", "conf.d/1.toml", "");
        texts.add("/etc/conf.d/2.toml", "conf.d/2.toml", "c = 3\nd = 4");
        let starts: Vec<usize> = texts.starts().collect();
        assert_eq!(starts, [0, 14, 15]);
        assert_eq!(&texts.whole()[15..], "c = 3\nd = 4");
        assert_eq!(texts.position(12), Position { path: "/etc/glimpsed.toml", line: 2, column: 6 });
        assert_eq!(texts.short(13), "glimpsed.toml line 3", "the end of a file is its own");
        assert_eq!(texts.short(14), "conf.d/1.toml line 1");
        assert_eq!(texts.position(15 + 10), Position { path: "/etc/conf.d/2.toml", line: 2, column: 5 });
        assert_eq!(texts.line_before(15 + 6), "c = 3");
        assert_eq!(texts.position(1000).line, 2);
    }
}
