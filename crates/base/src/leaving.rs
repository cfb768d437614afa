//! What text may leave the process: secrets in it are masked, control characters are escaped, and numbers of the system's errors left out.
//!
//! Addresses with logins and lines of configuration files reach messages by way of programs, drivers and servers, so they are masked
//! where text leaves: in the log, on a terminal, on the page and over MQTT. What looks like a secret is masked, and what is [`known`] as
//! one; both also where it is percent-encoded.

use std::borrow::Cow;
use std::fmt::{Display, Write};
use std::ops::Range;

use crate::known;
use crate::percent::Decoded;
use crate::secret::MASK;

/// How far the end of a password is looked for that holds the delimiters of addresses.
const MAX_LOGIN_BYTES: usize = 256;

/// How often text is decoded: an address in the query of an address is encoded twice.
const ENCODED: u32 = 2;

/// The longest start tag of XML that is looked at.
const MAX_TAG_BYTES: usize = 64;

/// What the names of secrets end in: `password = "x"`, `adminPassword=x`, `user-pw=x`, `"access_token": "x"`.
const SECRET_ENDINGS: [&str; 20] = [
    "password",
    "passwd",
    "passphrase",
    "passwort",
    "pass",
    "passw",
    "pwd",
    "psw",
    "pw",
    "pas",
    "token",
    "secret",
    "apikey",
    "api_key",
    "access_key",
    "private_key",
    "secret_key",
    "psk",
    "authorization",
    "auth",
];

/// Names that are too common for anything but a query.
const SECRET_IN_QUERY: [&str; 17] = [
    "key",
    "p",
    "sig",
    "signature",
    "login",
    "authkey",
    "passkey",
    "pin",
    "code",
    "jwt",
    "session",
    "sessionid",
    "sid",
    "credentials",
    "credential",
    "creds",
    "ticket",
];

/// Addresses of services that let everybody in who knows the rest of the path: Slack's, Discord's and Home Assistant's, and Telegram's bots
/// (whose number is no secret).
const SECRET_PATHS: [&str; 4] = ["hooks.slack.com/", "/api/webhooks/", "/api/webhook/", "/bot"];

/// Options of programs whose value is a login, `name:password`. A value without a colon is a name alone.
const LOGIN_OPTIONS: [&str; 4] = ["-u", "-U", "--user", "--proxy-user"];

/// Masks secrets, leaves the numbers of errors out, and escapes control characters, but for the line feed and the tab.
pub fn clean(text: &str) -> Cow<'_, str> {
    then(then(masked(text), without_numbers), escaped)
}

/// What `change` makes of the text, which stays borrowed if nothing does anything.
fn then<'a>(text: Cow<'a, str>, change: impl Fn(&str) -> Cow<'_, str>) -> Cow<'a, str> {
    match text {
        Cow::Borrowed(text) => change(text),
        Cow::Owned(text) => Cow::Owned(change(&text).into_owned()),
    }
}

/// Leaves out the numbers of the system's errors, which stand behind their words: ` (os error 2)`.
fn without_numbers(text: &str) -> Cow<'_, str> {
    const BEFORE: &str = " (os error ";
    if !text.contains(BEFORE) {
        return text.into();
    }
    let mut parts = text.split(BEFORE);
    let mut safe = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.trim_start_matches(|letter: char| letter.is_ascii_digit()).strip_prefix(')') {
            Some(rest) => safe.push_str(rest),
            None => safe.extend([BEFORE, part]),
        }
    }
    safe.into()
}

/// What an error or a value says, as [`clean`] leaves it.
pub fn cleaned(told: impl Display) -> String {
    clean(&told.to_string()).into_owned()
}

/// As [`clean`], in one line.
pub fn clean_line(text: &str) -> Cow<'_, str> {
    match clean(text) {
        text if text.contains('\n') => text.replace('\n', "\\n").into(),
        text => text,
    }
}

/// As [`clean_line`], of at most `most` bytes: what is longer is cut and ends with `…`. Half an address would not be recognised as one, so it
/// is masked first.
pub fn short_line(text: &str, most: usize) -> Cow<'_, str> {
    const CUT: &str = "…";
    match clean_line(text) {
        line if line.len() <= most => line,
        line => format!("{}{CUT}", &line[..line.floor_char_boundary(most.saturating_sub(CUT.len()))]).into(),
    }
}

/// Replaces secrets by [`MASK`]: logins of addresses, and the values of names such as `password`.
pub fn masked(text: &str) -> Cow<'_, str> {
    let secrets = secrets(text);
    if secrets.is_empty() {
        return text.into();
    }
    let (mut safe, mut at) = (String::with_capacity(text.len()), 0);
    for Range { start, end } in secrets {
        safe.push_str(&text[at..start]);
        safe.push_str(MASK);
        at = end;
    }
    safe.push_str(&text[at..]);
    safe.into()
}

/// As [`masked`], for the arguments of a program: a secret may be the value of the option before it.
pub fn masked_arguments<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut option = None;
    let mask = |argument: &'a str| {
        let is_secret = option.is_some_and(|option: OptionValue| option.is_secret(argument));
        option = OptionValue::of(argument);
        if is_secret { MASK.to_owned() } else { masked(argument).into_owned() }
    };
    arguments.into_iter().map(mask).collect()
}

/// As [`masked`], with a `*` for each byte of a secret, so that offsets into the text stay valid.
pub fn masked_in_place(text: &str) -> Cow<'_, str> {
    let secrets = secrets(text);
    if secrets.is_empty() {
        return text.into();
    }
    let mut safe = text.to_owned();
    for secret in secrets {
        safe.replace_range(secret.clone(), &"*".repeat(secret.len()));
    }
    safe.into()
}

/// Replaces control characters by their escapes (`\u{1b}`), but for the line feed and the tab: a terminal would obey them.
pub fn escaped(text: &str) -> Cow<'_, str> {
    let obeyed = |letter: char| is_control(letter) && letter != '\n' && letter != '\t';
    if !text.contains(obeyed) {
        return text.into();
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '\r' => safe.push_str("\\r"),
            letter if obeyed(letter) => {
                // Writing to a string does not fail.
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(letter));
            }
            letter => safe.push(letter),
        }
    }
    safe.into()
}

/// Whether a terminal or a browser might obey the character instead of showing it: the control characters, and those that change the
/// direction of the text around them.
pub fn is_control(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// Remembers the secrets in an address or a program's arguments, so that they are masked where they stand alone, too.
pub fn remember_secrets_in(text: &str) {
    for range in secrets(text) {
        let secret = &text[range];
        known::remember(secret.split_once(':').map_or(secret, |(_user, password)| password));
    }
}

/// The secrets of a text, in order and without overlaps.
fn secrets(text: &str) -> Vec<Range<usize>> {
    let mut found = encoded_secrets(text, ENCODED);
    found.sort_by_key(|range| range.start);
    found.dedup_by(|next, range| {
        let overlaps = next.start < range.end;
        if overlaps {
            range.end = range.end.max(next.end);
        }
        overlaps
    });
    found
}

/// The secrets of a text that is percent-encoded at most so often.
fn encoded_secrets(text: &str, times: u32) -> Vec<Range<usize>> {
    let mut found = plain_secrets(text);
    found.extend(known::occurrences(text));
    if times > 0
        && let Some(decoded) = Decoded::of(text)
    {
        found.extend(encoded_secrets(&decoded.text, times - 1).iter().map(|part| decoded.source(part)));
    }
    found
}

/// What looks like a secret.
fn plain_secrets(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut add = |range: Range<usize>| {
        if !range.is_empty() && text.get(range.clone()) != Some(MASK) {
            found.push(range);
        }
    };
    for (at, _) in text.match_indices("://") {
        login(text, at + "://".len()).map(&mut add);
    }
    for (at, _) in text.match_indices('@') {
        login_alone(text, at).map(&mut add);
    }
    for known in SECRET_PATHS {
        let mut until = 0;
        for (at, _) in text.match_indices(known) {
            if at >= until
                && let Some(range) = secret_path(text, at + known.len(), known == "/bot")
            {
                until = range.end;
                add(range);
            }
        }
    }
    let mut until = 0;
    for (at, sign) in text.match_indices(['=', ':', '>']) {
        if at >= until
            && let Some(range) = if sign == ">" { element(text, at) } else { value(text, at, sign == "=") }
        {
            until = range.end;
            add(range);
        }
    }
    until = 0;
    for (at, _) in text.match_indices('-') {
        if at >= until
            && let Some((range, is_secret)) = option_value(text, at)
        {
            until = range.end;
            if is_secret {
                add(range);
            }
        }
    }
    found
}

/// User and password in an address whose scheme ends at `start`. A user alone can be a token.
fn login(text: &str, start: usize) -> Option<Range<usize>> {
    let rest = &text[start..];
    let outside = |letter: char| letter.is_whitespace() || "\"'`<>\\|".contains(letter);
    let authority = &rest[..rest.find(|letter| outside(letter) || "/?#".contains(letter)).unwrap_or(rest.len())];
    let end = match authority.rfind('@') {
        Some(at) => at,
        // A password with a slash that should have been encoded; digits are a port.
        None => {
            let (_, port) = authority.split_once(':')?;
            let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
            // A password with a blank, a quote or a backslash that should have been encoded: it ends at the last `@` of the line.
            let ends_early = rest[authority.len()..].starts_with(outside);
            if ends_early && (!is_port || rest[authority.len()..].starts_with('\\')) {
                let line = &rest[..rest.floor_char_boundary(MAX_LOGIN_BYTES)];
                let line = &line[..line.find('\n').unwrap_or(line.len())];
                let line = &line[..line[authority.len()..].find("://").map_or(line.len(), |at| authority.len() + at)];
                return line.rfind('@').map(|at| start..start + at);
            }
            // Behind a port there is a path, whose `@` is none of a login; a `#` or `?` there ends the address without one.
            if is_port && (port.is_empty() || rest[authority.len()..].starts_with('/') || authority.len() == rest.len())
            {
                return None;
            }
            let most = &rest[..rest.floor_char_boundary(MAX_LOGIN_BYTES)];
            most[..most.find(outside).unwrap_or(most.len())].rfind('@')?
        }
    };
    Some(start..start + end)
}

/// `user:password` in front of the `@` at `at`, in an address that has lost its scheme.
fn login_alone(text: &str, at: usize) -> Option<Range<usize>> {
    let before = &text[..at];
    let recent = &before[before.ceil_char_boundary(at.saturating_sub(MAX_LOGIN_BYTES))..];
    let outside = |letter: char| letter.is_whitespace() || "\"'`<>()[]{}|,;=&\\".contains(letter);
    let word = &recent
        [recent.rfind(outside).map_or(0, |last| last + recent[last..].chars().next().map_or(1, char::len_utf8))..];
    let (user, password) = word.split_once(':')?;
    let host = text[at + 1..].chars().next()?;
    let is_login = !user.is_empty() && !password.is_empty() && (host.is_ascii_alphanumeric() || host == '[');
    // What has a scheme is seen to above.
    (is_login && !password.starts_with("//")).then(|| at - word.len()..at)
}

/// The rest of a path from `start` on, of a bot behind its number.
fn secret_path(text: &str, start: usize, of_a_bot: bool) -> Option<Range<usize>> {
    let rest = &text[start..];
    let number = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    let (begins, ends): (usize, fn(char) -> bool) = match of_a_bot {
        false => (0, ends_word),
        true if number > 0 && rest[number..].starts_with(':') => {
            (number + 1, |letter| letter == '/' || ends_word(letter))
        }
        true => return None,
    };
    Some(start + begins..start + begins + unquoted_end(&rest[begins..], ends))
}

/// The text of an element of XML that is called as secrets are, whose start tag ends at `at`.
fn element(text: &str, at: usize) -> Option<Range<usize>> {
    let before = &text[..at];
    let recent = &before[before.ceil_char_boundary(at.saturating_sub(MAX_TAG_BYTES))..];
    let (_, tag) = recent.rsplit_once('<')?;
    let name = tag.rsplit(':').next().unwrap_or(tag).to_ascii_lowercase().replace('-', "_");
    if tag.starts_with('/') || !SECRET_ENDINGS.iter().any(|ending| name.ends_with(ending)) {
        return None;
    }
    let rest = &text[at + 1..];
    Some(at + 1..at + 1 + rest.find(['<', '\n']).unwrap_or(rest.len()))
}

/// The value after the sign at `at`, if the name before it is that of a secret.
fn value(text: &str, at: usize, assigned: bool) -> Option<Range<usize>> {
    let before = text[..at].trim_end_matches([' ', '\t']);
    let spaced = before.len() < at;
    let unquoted = before.strip_suffix(['"', '\'']).unwrap_or(before);
    let begins = unquoted
        .rfind(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_' || letter == '-'))
        .map_or(0, |last| last + unquoted[last..].chars().next().map_or(1, char::len_utf8));
    let name = unquoted[begins..].to_ascii_lowercase().replace('-', "_");
    let in_query = assigned && !spaced && unquoted[..begins].ends_with(['?', '&']);
    let is_secret = SECRET_ENDINGS.iter().any(|ending| name.ends_with(ending))
        || (in_query && SECRET_IN_QUERY.contains(&name.as_str()));
    if !is_secret {
        return None;
    }
    let after = &text[at + 1..];
    let value = after.trim_start_matches([' ', '\t']);
    let start = text.len() - value.len();
    // In JSON, a quote of the text is `\"`.
    let quote = ["\\\"", "\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| value.starts_with(quote));
    if let Some(quote) = quote {
        let inside = &value[quote.len()..];
        let end = closing(inside, quote);
        return Some(start + quote.len()..start + quote.len() + end);
    }
    // `Authorization: Basic eHg=`; after another name's colon, prose goes on, or a number that is none.
    let (skipped, value) = match (assigned, name.ends_with("authorization")) {
        (true, _) => (0, value),
        (false, true) => {
            let scheme = ["Basic ", "Bearer ", "Digest "].into_iter().find(|scheme| value.starts_with(scheme))?;
            (scheme.len(), &value[scheme.len()..])
        }
        (false, false) if is_member(&unquoted[..begins], value) => (0, value),
        (false, false) => return None,
    };
    Some(start + skipped..start + skipped + unquoted_end(value, ends_word))
}

/// The end of a word without quotes. A colon at its end belongs to the sentence: `password=x: refused`.
fn unquoted_end(text: &str, ends: impl Fn(char) -> bool) -> usize {
    let word = &text[..text.find(ends).unwrap_or(text.len())];
    word.strip_suffix(':').unwrap_or(word).len()
}

fn ends_word(letter: char) -> bool {
    letter.is_whitespace() || "&#;,\"'`)}]\\".contains(letter)
}

/// Whether a name behind `before`, a colon and `value` are a member of YAML and not a sentence: the line begins with the name, and ends
/// with one word.
fn is_member(before: &str, value: &str) -> bool {
    let before = before.trim_end_matches([' ', '\t', '-', '"', '\'']);
    // Before the word is looked through, which may be all of the text.
    if !(before.is_empty() || before.ends_with(['\n', '{', ',', '\\'])) {
        return false;
    }
    let after = value.trim_start_matches(|letter| !ends_word(letter)).trim_start_matches([' ', '\t']);
    after.is_empty() || after.starts_with(['\n', '\r', '#', ',', '}', '\\'])
}

/// What the value of a program's option is.
#[derive(Debug, Clone, Copy)]
enum OptionValue {
    Login,
    Secret,
}

impl OptionValue {
    fn of(option: &str) -> Option<Self> {
        if LOGIN_OPTIONS.contains(&option) {
            return Some(Self::Login);
        }
        let name = option.strip_prefix("--")?.to_ascii_lowercase().replace('-', "_");
        SECRET_ENDINGS.iter().any(|ending| name.ends_with(ending)).then_some(Self::Secret)
    }

    fn is_secret(self, value: &str) -> bool {
        match self {
            Self::Login => value.contains(':'),
            Self::Secret => true,
        }
    }
}

/// The value of the option that begins at `at`, as in `-u name:password`, `--token=x` and `"-u", "name:password"`, and whether it is a
/// secret.
fn option_value(text: &str, at: usize) -> Option<(Range<usize>, bool)> {
    let before = text[..at].chars().next_back();
    if before.is_some_and(|letter| !letter.is_whitespace() && !"\"'`,[(".contains(letter)) {
        return None;
    }
    let rest = &text[at..];
    let word = rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-' || letter == '_'));
    let (option, after) = rest.split_at(word.unwrap_or(rest.len()));
    let option = OptionValue::of(option)?;
    let value = match after.strip_prefix('=') {
        Some(value) => value,
        None => {
            let closed = after.trim_start_matches(['\\', '"', '\'']);
            let value = closed.trim_start_matches([' ', '\t', ',', '\n']);
            if value.len() == closed.len() {
                return None;
            }
            value
        }
    };
    let quote = ["\\\"", "\"", "'"].into_iter().find(|quote| value.starts_with(quote)).unwrap_or_default();
    let inside = &value[quote.len()..];
    // That is another option.
    if inside.starts_with('-') {
        return None;
    }
    let end = match quote {
        "" => unquoted_end(inside, char::is_whitespace),
        quote => closing(inside, quote),
    };
    let start = text.len() - inside.len();
    Some((start..start + end, option.is_secret(&inside[..end])))
}

/// Where the quote closes: a quote behind a backslash does not, and a line that ends does.
fn closing(inside: &str, quote: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in inside.char_indices() {
        if letter == '\n' || (!escaped && inside[at..].starts_with(quote)) {
            return at;
        }
        // Where the quote itself has a backslash, one more in front of it is part of the text.
        escaped = letter == '\\' && !escaped && quote.len() != 2;
    }
    inside.len()
}

#[cfg(test)]
mod tests;
