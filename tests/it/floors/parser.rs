//! As much of Rust's grammar as the floors need.

/// The items of a file that are neither child modules in files of their own nor re-exports, each by its first words.
pub(super) fn definitions(text: &str) -> Vec<String> {
    let code = without_tests(&without_comments(text).replace("#[cfg(doctest)]", "#[cfg(test)]"));
    let (mut found, mut rest) = (Vec::new(), code.trim_start());
    while !rest.is_empty() {
        if rest.starts_with('#') {
            rest = rest[end_of_block(rest, '[', ']')..].trim_start();
            continue;
        }
        let words: Vec<&str> = rest.split_whitespace().filter(|word| !word.starts_with("pub")).take(2).collect();
        let item = rest.find(';').map_or(rest, |end| &rest[..=end]);
        let lists = match words.first() {
            Some(&"mod") => !item.contains('{'),
            Some(&"use") => true,
            _ => false,
        };
        // A definition ends with its block, or with a semicolon before any block.
        let end = match rest.find('{').filter(|open| !lists && *open < item.len()) {
            Some(_) => end_of_block(rest, '{', '}'),
            None => item.len(),
        };
        if !lists {
            found.push(words.join(" "));
        }
        rest = rest[end..].trim_start();
    }
    found
}

/// Where the first block ends.
fn end_of_block(text: &str, open: char, close: char) -> usize {
    let mut depth = 0;
    let end = text.char_indices().find(|(_, letter)| {
        depth += i32::from(*letter == open) - i32::from(*letter == close);
        *letter == close && depth == 0
    });
    end.map_or(text.len(), |(at, letter)| at + letter.len_utf8())
}

pub(super) fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// Words, `::` and single characters.
pub(super) fn tokens(code: &str) -> Vec<String> {
    let (mut tokens, mut chars) = (Vec::new(), code.chars().peekable());
    while let Some(c) = chars.next() {
        if c.is_ascii_alphanumeric() || c == '_' {
            let mut word = String::from(c);
            while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                word.push(c);
            }
            tokens.push(word);
        } else if c == ':' && chars.next_if_eq(&':').is_some() {
            tokens.push("::".into());
        } else if !c.is_whitespace() {
            tokens.push(c.into());
        }
    }
    tokens
}

/// Every path of a `use` tree, with the name that it gives.
pub(super) fn leaves(tree: &[String]) -> Vec<(Vec<String>, String)> {
    fn walk(tokens: &mut std::slice::Iter<String>, prefix: &[String], out: &mut Vec<(Vec<String>, String)>) {
        let mut path = prefix.to_vec();
        let mut name: Option<String> = None;
        let finish = |path: &mut Vec<String>, name: &mut Option<String>, out: &mut Vec<(Vec<String>, String)>| {
            if path.len() > prefix.len() {
                if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
                    path.pop();
                }
                let own = name.take().or_else(|| path.last().cloned()).unwrap_or_default();
                out.push((path.clone(), own));
            }
            path.truncate(prefix.len());
        };
        while let Some(token) = tokens.next() {
            match token.as_str() {
                "{" => {
                    walk(tokens, &path, out);
                    path.truncate(prefix.len());
                }
                "}" => break,
                "," => finish(&mut path, &mut name, out),
                "as" => name = tokens.next().cloned(),
                "::" => {}
                part => path.push(part.to_owned()),
            }
        }
        finish(&mut path, &mut name, out);
    }
    let mut out = Vec::new();
    walk(&mut tree.iter(), &[], &mut out);
    out
}

/// The text with comments, strings and characters taken out.
pub(super) fn without_comments(text: &str) -> String {
    let (mut code, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        let raw = rest.trim_start_matches('b').strip_prefix('r').map(|after| after.trim_start_matches('#'));
        let starts_word = !code.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if starts_word && raw.is_some_and(|after| after.starts_with('"')) && (rest.len() > 2) {
            let hashes = rest.chars().skip_while(|c| "br".contains(*c)).take_while(|c| *c == '#').count();
            let open = rest.find('"').unwrap_or_default() + 1;
            let close = format!("\"{}", "#".repeat(hashes));
            rest[open..].find(&close).map_or(rest.len(), |end| open + end + close.len())
        } else if first == '"' {
            let mut escaped = false;
            let end = rest[1..].find(|c| match (escaped, c) {
                (true, _) => {
                    escaped = false;
                    false
                }
                (false, '\\') => {
                    escaped = true;
                    false
                }
                (false, c) => c == '"',
            });
            end.map_or(rest.len(), |end| end + 2)
        } else if first == '\'' {
            let inside: Vec<char> = rest.chars().skip(1).take(12).collect();
            match inside[..] {
                ['\\', ..] => rest[2..].char_indices().skip(1).find(|(_, c)| *c == '\'').map_or(1, |(at, _)| at + 3),
                [c, '\'', ..] => 2 + c.len_utf8(),
                _ => 1,
            }
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        code.push(' ');
        rest = &rest[length..];
    }
    code
}

/// How an item begins that may have commas before its end.
const ITEMS: [&str; 15] = [
    "pub",
    "fn",
    "mod",
    "use",
    "struct",
    "enum",
    "impl",
    "const",
    "static",
    "trait",
    "type",
    "unsafe",
    "let",
    "if",
    "macro_rules",
];

/// The code without what is compiled for tests only.
pub(super) fn without_tests(code: &str) -> String {
    let (mut kept, mut rest) = (String::new(), code);
    while let Some(at) = rest.find("#[cfg(test)]") {
        kept.push_str(&rest[..at]);
        let after = &rest[at..];
        // An item ends with its block, or with a semicolon before any block; a variant, a field or an arm with a comma too.
        let what = after["#[cfg(test)]".len()..].trim_start();
        let first: String = what.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let is_item = ITEMS.contains(&first.as_str());
        let mut depth = 0;
        let end = after.char_indices().skip("#[cfg(test)]".len()).find(|(_, c)| match c {
            '{' | '(' | '[' => {
                depth += 1;
                false
            }
            ')' | ']' => {
                depth -= 1;
                depth < 0
            }
            '}' => {
                depth -= 1;
                depth <= 0
            }
            ';' => depth == 0,
            ',' => depth == 0 && !is_item,
            _ => false,
        });
        // The end of what is around it is not its own.
        let end = if depth < 0 { end.map(|(at, c)| (at - c.len_utf8(), c)) } else { end };
        rest = &after[end.map_or(after.len(), |(at, _)| at + 1)..];
    }
    kept + rest
}
