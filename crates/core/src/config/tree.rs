//! Tables of TOML with the places of their keys and values: one is laid over another, looked into, and taken from.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The same table, whose text begins so much further behind.
pub(super) fn shifted(table: DeTable<'_>, by: usize) -> DeTable<'_> {
    if by == 0 {
        return table;
    }
    let moved = |span: Range<usize>| span.start + by..span.end + by;
    let members = table.into_iter().map(|(key, value)| {
        let (of_key, of_value) = (moved(key.span()), moved(value.span()));
        let value = shifted_value(value.into_inner(), by);
        (Spanned::new(of_key, key.into_inner()), Spanned::new(of_value, value))
    });
    members.collect()
}

fn shifted_value(value: DeValue<'_>, by: usize) -> DeValue<'_> {
    match value {
        DeValue::Table(table) => DeValue::Table(shifted(table, by)),
        DeValue::Array(mut array) => {
            for element in array.iter_mut() {
                let span = element.span();
                let inner = std::mem::replace(element.get_mut(), DeValue::Boolean(false));
                *element = Spanned::new(span.start + by..span.end + by, shifted_value(inner, by));
            }
            DeValue::Array(array)
        }
        other => other,
    }
}

/// Tables become one, key by key; everything else is replaced as a whole.
pub(super) fn lay_over<'a>(below: &mut DeTable<'a>, above: DeTable<'a>) {
    for (key, value) in above {
        if value.get_ref().is_table()
            && let Some(DeValue::Table(there)) = below.get_mut(key.get_ref().as_ref()).map(Spanned::get_mut)
        {
            if let DeValue::Table(more) = value.into_inner() {
                lay_over(there, more);
            }
            continue;
        }
        // The key is taken out first, because it would keep its old place.
        below.remove(key.get_ref().as_ref());
        below.insert(key, value);
    }
}

/// Puts a value at `path`, with the tables that it stands in.
pub(super) fn insert<'a>(table: &mut DeTable<'a>, path: &'a [String], value: DeValue<'a>, span: Range<usize>) {
    let [first, rest @ ..] = path else { return };
    if rest.is_empty() {
        table.remove(first.as_str());
        table.insert(Spanned::new(span.clone(), first.as_str().into()), Spanned::new(span, value));
        return;
    }
    let exists = table.iter().any(|(key, member)| key.get_ref() == first && member.get_ref().is_table());
    if !exists {
        table.remove(first.as_str());
        let empty = DeValue::Table(DeTable::new());
        table.insert(Spanned::new(span.clone(), first.as_str().into()), Spanned::new(span.clone(), empty));
    }
    for (key, member) in table.iter_mut() {
        if key.get_ref() == first
            && let DeValue::Table(inner) = member.get_mut()
        {
            insert(inner, rest, value, span);
            return;
        }
    }
}

/// The table at `path`.
pub(super) fn table<'t, 'a>(from: &'t DeTable<'a>, path: &[impl AsRef<str>]) -> Option<&'t DeTable<'a>> {
    let Some((first, rest)) = path.split_first() else { return Some(from) };
    match from.get(first.as_ref())?.get_ref() {
        DeValue::Table(inner) => table(inner, rest),
        _ => None,
    }
}

/// What is found at a path: the places of key and value, and the value.
pub(super) type Found<'t, 'a> = (Range<usize>, Range<usize>, &'t DeValue<'a>);

/// The number of a table without a name is a part of the path.
pub(super) fn find<'t, 'a>(table: &'t DeTable<'a>, path: &[impl AsRef<str>]) -> Option<Found<'t, 'a>> {
    let (first, rest) = path.split_first()?;
    let (key, value) = table.get_key_value(first.as_ref())?;
    match (rest, value.get_ref()) {
        ([], _) => Some((key.span(), value.span(), value.get_ref())),
        (rest, DeValue::Table(inner)) => find(inner, rest),
        ([number, rest @ ..], DeValue::Array(tables)) => {
            let one = tables.get(number.as_ref().parse::<usize>().ok()?)?;
            match (rest, one.get_ref()) {
                ([], inner) => Some((one.span(), one.span(), inner)),
                (rest, DeValue::Table(inner)) => find(inner, rest),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The first key in `above` whose value is another in `below`, or is not there: the places of the key's parts, and where it stands.
pub(super) fn difference(above: &DeValue<'_>, below: Option<&DeValue<'_>>) -> Option<(Vec<String>, Range<usize>)> {
    let DeValue::Table(table) = above else { return None };
    table.iter().find_map(|(key, value)| {
        let under = match below {
            Some(DeValue::Table(table)) => table.get(key.get_ref().as_ref()).map(Spanned::get_ref),
            _ => None,
        };
        let name = key.get_ref().to_string();
        if let Some((rest, span)) = difference(value.get_ref(), under) {
            return Some(([name].into_iter().chain(rest).collect(), span));
        }
        let is_same = under.is_some_and(|under| same(value.get_ref(), under));
        (!is_same).then(|| (vec![name], key.span()))
    })
}

/// Whether they say the same, wherever they stand.
pub(super) fn same(one: &DeValue<'_>, other: &DeValue<'_>) -> bool {
    match (one, other) {
        (DeValue::String(one), DeValue::String(other)) => one == other,
        (DeValue::Integer(one), DeValue::Integer(other)) => one.to_string() == other.to_string(),
        (DeValue::Float(one), DeValue::Float(other)) => one.as_str().parse::<f64>() == other.as_str().parse::<f64>(),
        (DeValue::Boolean(one), DeValue::Boolean(other)) => one == other,
        (DeValue::Datetime(one), DeValue::Datetime(other)) => one == other,
        (DeValue::Array(one), DeValue::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one.get_ref(), other.get_ref()))
        }
        (DeValue::Table(one), DeValue::Table(other)) => {
            let has_same = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
                let key: &std::borrow::Cow<'_, str> = key.get_ref();
                other.get(key.as_ref()).is_some_and(|other| same(value.get_ref(), other.get_ref()))
            };
            one.len() == other.len() && one.iter().all(has_same)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> DeTable<'_> {
        DeTable::parse(text).expect("TOML").into_inner()
    }

    #[test]
    fn tables_become_one_and_everything_else_is_replaced_as_a_whole() {
        let mut below = parsed("a = [1, 2]\n[t]\nx = 1\ny = 2\n[t.u]\nz = 3\n[[n]]\nq = 1\n[[n]]\nq = 2\n[s]\nv = 1\n");
        lay_over(&mut below, shifted(parsed("a = [3]\ns = 5\nt = { y = 9, u.w = 4 }\n[[n]]\nq = 7\n"), 1000));
        let expected = parsed("a = [3]\ns = 5\n[t]\nx = 1\ny = 9\nu = { z = 3, w = 4 }\n[[n]]\nq = 7\n");
        assert!(same(&DeValue::Table(below.clone()), &DeValue::Table(expected)), "{below:?}");
        let place = |path: &[&str]| find(&below, path).map(|(key, ..)| key.start);
        assert_eq!(place(&["t", "x"]), Some(15), "as it was");
        assert_eq!(place(&["a"]), Some(1000));
        assert_eq!(place(&["t", "y"]), Some(1000 + 20), "with the key's new place");
        assert!(place(&["n", "0", "q"]).is_some_and(|start| start > 1000), "in arrays too");
    }

    #[test]
    fn values_are_the_same_however_they_are_written() {
        let value = |text| DeValue::parse(text).expect("a value").into_inner();
        for (one, other) in
            [("0.5", "0.50"), ("[1, {a = 'b'}]", "[ 1,{ a=\"b\" } ]"), ("{a = 1, b = 2}", "{b = 2, a = 1}")]
        {
            assert!(same(&value(one), &value(other)), "{one} {other}");
        }
        for (one, other) in
            [("1", "2"), ("1", "\"1\""), ("[1]", "[1, 2]"), ("{a = 1}", "{a = 1, b = 2}"), ("true", "false")]
        {
            assert!(!same(&value(one), &value(other)), "{one} {other}");
        }
    }

    #[test]
    fn what_differs_is_found_with_its_place() {
        let (above, below) =
            (DeValue::Table(parsed("[t]\nx = 1\ny = 2\n")), DeValue::Table(parsed("[t]\nx = 1\ny = 3\n")));
        assert_eq!(difference(&above, Some(&below)), Some((vec!["t".into(), "y".into()], 10..11)));
        assert_eq!(difference(&above, Some(&above)), None);
        assert_eq!(difference(&above, None).map(|(path, _)| path), Some(vec!["t".into(), "x".into()]));
    }
}
