//! What a file says of itself beside its graph: labels, the size and scaling of its input, its task.

use std::collections::BTreeMap;

use super::pb::{GraphProto, ModelProto};
use crate::error::Error;
use crate::input::{ChannelOrder, FitChoice, InputHints};
use crate::inspection::Declared;

/// More classes than any classifier has, and the longest name of one.
const MOST_LABELS: usize = 100_000;
const MOST_LABEL_BYTES: usize = 255;

/// The keys that exporters keep the names of classes under, in their usual spellings.
const LABEL_KEYS: [&str; 10] = [
    "names",
    "classes",
    "labels",
    "class_names",
    "classnames",
    "class_labels",
    "label_names",
    "categories",
    "id2label",
    "config",
];

/// What the metadata of a model say.
pub(crate) fn of(model: &ModelProto) -> Declared {
    let entries: BTreeMap<String, &str> =
        model.metadata_props.iter().map(|entry| (entry.key.to_lowercase(), entry.value.as_str())).collect();
    let value = |key: &str| entries.get(key).copied();
    let short = |text: &str| text.chars().filter(|letter| !letter.is_control()).take(100).collect::<String>();
    let mut declared = Declared { task: value("task").map(short), ..Declared::default() };
    let found = LABEL_KEYS.iter().find_map(|key| Some((*key, labels(value(key)?)?)));
    if let Some((key, labels)) = found {
        (declared.labels, declared.labels_from) = (labels, Some(format!("metadata `{key}`")));
    } else if let Some(labels) = model.graph.as_ref().and_then(of_map) {
        (declared.labels, declared.labels_from) = (labels, Some("its map from labels to probabilities".into()));
    }
    let is_ultralytics = ["author", "description", "docs"]
        .iter()
        .any(|key| value(key).is_some_and(|text| text.to_lowercase().contains("ultralytics")));
    let size =
        ["imgsz", "input_size", "image_size", "img_size"].iter().find_map(|key| Some((*key, size(value(key)?)?)));
    let mut hints = InputHints::default();
    if let Some((key, size)) = size {
        hints.size = Some(size);
        declared.input.push(format!("{}x{} pixels from metadata `{key}`", size[0], size[1]));
    }
    if is_ultralytics {
        // Its classifiers see the whole shorter side, scaled to 0..1.
        (hints.mean, hints.std) = (Some([0.0; 3]), Some([1.0; 3]));
        hints.fit = Some(FitChoice::Crop);
        hints.resize = size.map(|(_, [height, width])| height.max(width));
        declared.maker = Some("Ultralytics".into());
        declared.input.push("0 to 1, the whole shorter side, because Ultralytics made it".into());
    }
    let range = value("image.nominalpixelrange").and_then(|range| match range.to_lowercase().as_str() {
        "nominalrange_0_255" => Some(([0.0; 3], [1.0 / 255.0; 3])),
        "normalized_0_1" => Some(([0.0; 3], [1.0; 3])),
        "normalized_1_1" => Some(([0.5; 3], [0.5; 3])),
        _ => None,
    });
    if let Some((mean, std)) = range {
        (hints.mean, hints.std) = (Some(mean), Some(std));
        declared.input.push("its scaling from metadata `Image.NominalPixelRange`".into());
    }
    let order = value("image.bitmappixelformat").and_then(|format| match format.to_lowercase().as_str() {
        "bgr8" | "bgra8" => Some(ChannelOrder::Bgr),
        "rgb8" | "rgba8" => Some(ChannelOrder::Rgb),
        _ => None,
    });
    if order.is_some() {
        hints.channels = order;
        declared.input.push("the order of its colours from metadata `Image.BitmapPixelFormat`".into());
    }
    declared.hints = hints;
    declared
}

/// Refuses a model whose metadata say that it does something else.
pub(crate) fn refuse_other_task(declared: &Declared) -> Result<(), Error> {
    match &declared.task {
        Some(task) if !task.is_empty() && !task.to_lowercase().contains("classif") => {
            let cause = format!("its metadata say that its task is `{task}`; export one that was trained to classify");
            Err(Error::NotAClassifier { cause })
        }
        _ => Ok(()),
    }
}

/// The labels of a map from labels to probabilities.
fn of_map(graph: &GraphProto) -> Option<Vec<String>> {
    let map = graph.node.iter().find(|node| node.op_type == "ZipMap")?;
    let texts = map.attribute.iter().find(|list| !list.strings.is_empty()).map(|list| {
        list.strings.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect::<Vec<String>>()
    });
    let numbers = map.attribute.iter().find(|list| !list.ints.is_empty());
    checked(texts.or_else(|| Some(numbers?.ints.iter().map(i64::to_string).collect()))?)
}

/// Labels in one of the spellings of exporters: a dictionary or list of Python or JSON, or one a line, or with commas between them.
fn labels(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    // A whole configuration of Hugging Face.
    if let Some(at) = text.find("id2label\"").or_else(|| text.find("id2label'")) {
        let rest = &text[at..];
        return of_pairs(&rest[rest.find('{')?..]);
    }
    match text.chars().next()? {
        '{' => of_pairs(text),
        '[' | '(' => {
            let values: Option<Vec<String>> = tokens(&text[1..])
                .map(|token| match token {
                    Token::Text(text) | Token::Bare(text) => Some(text),
                    Token::Mark(_) => None,
                })
                .collect();
            checked(values?)
        }
        _ => {
            let separator = if text.contains('\n') { '\n' } else { ',' };
            let lines: Vec<&str> = text.split(separator).map(str::trim).filter(|line| !line.is_empty()).collect();
            let numbered: Option<Vec<&str>> = lines
                .iter()
                .enumerate()
                .map(|(index, line)| {
                    line.strip_prefix(&index.to_string())?.strip_prefix([' ', ':', '\t']).map(str::trim)
                })
                .collect();
            let lines = numbered.unwrap_or(lines);
            // A single word is no list of labels.
            if lines.len() < 2 { None } else { checked(lines.into_iter().map(str::to_owned).collect()) }
        }
    }
}

/// Of a dictionary from numbers to labels, or from labels to numbers.
fn of_pairs(text: &str) -> Option<Vec<String>> {
    let mut found = BTreeMap::new();
    let mut tokens = tokens(text.strip_prefix('{')?);
    while let Some(key) = tokens.next() {
        let (Token::Text(key) | Token::Bare(key)) = key else { return None };
        let (Some(Token::Mark(':')), Some(Token::Text(value) | Token::Bare(value))) = (tokens.next(), tokens.next())
        else {
            return None;
        };
        let (index, label) = match (key.parse::<usize>(), value.parse::<usize>()) {
            (Ok(index), _) => (index, value),
            (Err(_), Ok(index)) => (index, key),
            _ => return None,
        };
        if found.insert(index, label).is_some() || found.len() > MOST_LABELS {
            return None;
        }
    }
    // A class that is missing would shift all others.
    let complete = found.keys().copied().eq(0..found.len());
    if complete { checked(found.into_values().collect()) } else { None }
}

/// `None` for what cannot be labels.
fn checked(labels: Vec<String>) -> Option<Vec<String>> {
    let is_label = |label: &String| {
        !label.trim().is_empty() && label.len() <= MOST_LABEL_BYTES && !label.chars().any(char::is_control)
    };
    let fit = !labels.is_empty() && labels.len() <= MOST_LABELS && labels.iter().all(is_label);
    fit.then(|| labels.iter().map(|label| label.trim().to_owned()).collect())
}

enum Token {
    /// Between quotes.
    Text(String),
    /// A number or a word.
    Bare(String),
    Mark(char),
}

/// The words and marks up to the bracket that closes the first one. Commas say nothing.
fn tokens(text: &str) -> impl Iterator<Item = Token> + '_ {
    let mut letters = text.chars().peekable();
    std::iter::from_fn(move || {
        let first = letters.find(|letter| !letter.is_whitespace() && *letter != ',')?;
        match first {
            '}' | ']' | ')' => None,
            quote @ ('"' | '\'') => {
                let mut word = String::new();
                while let Some(letter) = letters.next() {
                    match letter {
                        '\\' => match letters.next()? {
                            'n' | 't' | 'r' => word.push(' '),
                            'u' => {
                                let code: String = letters.by_ref().take(4).collect();
                                word.push(char::from_u32(u32::from_str_radix(&code, 16).ok()?)?);
                            }
                            other => word.push(other),
                        },
                        letter if letter == quote => break,
                        letter => word.push(letter),
                    }
                }
                Some(Token::Text(word))
            }
            letter if letter.is_alphanumeric() || "-+._".contains(letter) => {
                let mut word = String::from(letter);
                while let Some(letter) = letters.next_if(|letter| letter.is_alphanumeric() || "-+._ ".contains(*letter))
                {
                    word.push(letter);
                }
                Some(Token::Bare(word.trim_end().to_owned()))
            }
            mark => Some(Token::Mark(mark)),
        }
    })
}

/// `[224, 224]`, `(224, 224)`, `224x224` or `224`, or a shape with three or four sides.
fn size(text: &str) -> Option<[usize; 2]> {
    let numbers: Option<Vec<usize>> = text
        .split(|letter: char| !letter.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().ok())
        .collect();
    match numbers?.as_slice() {
        &[side] => Some([side, side]),
        &[height, width] | &[.., 3, height, width] => Some([height, width]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::pb::StringStringEntryProto;

    fn said(entries: &[(&str, &str)]) -> Declared {
        let entry = |(key, value): &(&str, &str)| StringStringEntryProto { key: (*key).into(), value: (*value).into() };
        of(&ModelProto { metadata_props: entries.iter().map(entry).collect(), ..ModelProto::default() })
    }

    #[test]
    fn labels_are_read_in_every_usual_spelling() {
        let spellings = [
            ("names", "{0: 'cat', 1: \"dog's\", 2: 'bird'}"),
            ("names", "{\"0\": \"cat\", \"1\": \"dog's\", \"2\": \"bird\"}"),
            ("id2label", "{\"1\": \"dog's\", \"0\": \"cat\", \"2\": \"bird\"}"),
            (
                "config",
                "{\"model_type\": \"vit\", \"id2label\": {\"0\": \"cat\", \"1\": \"dog's\", \"2\": \"bird\"}, \"x\": {}}",
            ),
            ("classes", "[\"cat\", \"dog's\", \"bird\"]"),
            ("Labels", "['cat', \"dog's\", 'bird']"),
            ("classes", "{'cat': 0, \"dog's\": 1, 'bird': 2}"),
            ("class_names", "cat,dog's,bird"),
            ("labels", "cat\ndog's\r\nbird\n"),
            ("labels", "0 cat\n1 dog's\n2 bird\n"),
            ("names", "{0: 'cat', 1: 'dog\\'s', 2: 'b\\u0069rd'}"),
        ];
        for (key, text) in spellings {
            let found = said(&[(key, text)]);
            assert_eq!(found.labels, ["cat", "dog's", "bird"], "{key}: {text}");
            assert_eq!(found.labels_from, Some(format!("metadata `{}`", key.to_lowercase())));
        }
    }

    #[test]
    fn what_is_no_complete_list_of_labels_is_none() {
        for text in [
            "",
            "cat",
            "{0: 'cat', 2: 'bird'}",
            "{0: 'cat', 0: 'bird'}",
            "{0: {1: 2}}",
            "['a', '']",
            "['a\u{7}']",
            "{",
            "[[1], [2]]",
        ] {
            assert_eq!(said(&[("names", text)]).labels, [""; 0], "{text}");
        }
        let long = format!("['{}']", "x".repeat(256));
        assert_eq!(said(&[("names", &long)]).labels, [""; 0]);
    }

    #[test]
    fn ultralytics_crops_the_whole_shorter_side_and_scales_to_one() {
        let found = said(&[("author", "Ultralytics"), ("imgsz", "[128, 128]"), ("task", "classify")]);
        assert_eq!((found.hints.size, found.hints.resize), (Some([128, 128]), Some(128)));
        assert_eq!((found.hints.mean, found.hints.std), (Some([0.0; 3]), Some([1.0; 3])));
        assert!(refuse_other_task(&found).is_ok());
        let other = refuse_other_task(&said(&[("task", "detect")])).expect_err("refused").to_string();
        assert!(other.contains("its task is `detect`"), "{other}");
    }

    #[test]
    fn a_format_of_pixels_says_scaling_and_order() {
        let found = said(&[("Image.BitmapPixelFormat", "Bgr8"), ("Image.NominalPixelRange", "NominalRange_0_255")]);
        assert_eq!((found.hints.channels, found.hints.mean), (Some(ChannelOrder::Bgr), Some([0.0; 3])));
        assert_eq!(found.hints.std, Some([1.0 / 255.0; 3]));
        assert_eq!(found.input.len(), 2);
    }
}
