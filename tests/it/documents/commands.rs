//! Each command that a page names is one.

use clap::{Command, CommandFactory};
use glimpsed::cli::Arguments;

use super::{fenced, pages, text};

/// The command lines of a page: those in `code`, in blocks, and in indented lines.
fn command_lines(text: &str) -> Vec<String> {
    let blocks = fenced(text).into_iter().filter(|(language, _)| ["", "sh", "bash", "console"].contains(language));
    let mut found: Vec<String> = blocks.flat_map(|(_, block)| block.lines().map(str::to_owned)).collect();
    found.extend(text.lines().filter(|line| line.starts_with("    ")).map(str::to_owned));
    found.extend(super::prose(text).split('`').skip(1).step_by(2).map(str::to_owned));
    found
}

/// The words behind `glimpsed`, up to what ends a command for a shell.
fn arguments(line: &str) -> Option<Vec<String>> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let program = words.iter().position(|word| *word == "glimpsed" || word.ends_with("/glimpsed"))?;
    // It is the program only at the beginning of a command; elsewhere it is a user, a group or a service.
    let before = words[..program].iter().all(|word| *word == "sudo" || word.contains('=') || *word == "&&");
    let arguments = words[program + 1..].iter().take_while(|word| !["#", "|", "&&", "||", ">", ";"].contains(word));
    let arguments: Vec<String> = arguments.map(|word| word.trim_end_matches([';', ',']).to_owned()).collect();
    (before && !arguments.is_empty()).then_some(arguments)
}

/// What is wrong with the arguments.
fn complaint(program: &Command, arguments: &[String]) -> Option<String> {
    let (mut command, mut rest) = (program, arguments);
    while let Some((name, others)) = rest.split_first() {
        let Some(inner) = command.find_subcommand(name) else { break };
        (command, rest) = (inner, others);
    }
    let name = command.get_name();
    if command.has_subcommands() && command.get_positionals().next().is_none() {
        return match rest.first() {
            Some(word) if !word.starts_with(['-', '<', '[']) => Some(format!("`{name}` has no `{word}`")),
            _ => None,
        };
    }
    let known = |flag: &str| {
        let flag = flag.trim_start_matches('[').trim_end_matches(']');
        let flag = flag.split_once('=').map_or(flag, |(flag, _)| flag);
        ["--help", "-h"].contains(&flag)
            || command.get_arguments().any(|argument| {
                argument.get_long().is_some_and(|long| flag.strip_prefix("--") == Some(long))
                    || argument
                        .get_short()
                        .is_some_and(|short| flag.strip_prefix('-') == Some(short.encode_utf8(&mut [0; 4])))
            })
    };
    let flags = rest.iter().filter(|word| word.trim_start_matches('[').starts_with('-') && word.len() > 1);
    flags.filter(|flag| !known(flag)).map(|flag| format!("`{name}` has no `{flag}`")).next()
}

#[test]
fn each_command_in_the_pages_is_one() {
    let program = Arguments::command();
    let (mut count, mut wrong) = (0, Vec::new());
    for page in pages() {
        for line in command_lines(&text(&page)) {
            let Some(arguments) = arguments(&line) else { continue };
            count += 1;
            wrong.extend(
                complaint(&program, &arguments).map(|complaint| format!("{}: {complaint}: {line}", page.display())),
            );
        }
    }
    assert!(count > 60, "only {count} commands");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_command_that_is_none_is_found() {
    let program = Arguments::command();
    let said = |line: &str| arguments(line).and_then(|arguments| complaint(&program, &arguments));
    assert_eq!(said("sudo glimpsed mqtt test -c FILE"), None);
    assert_eq!(said("sudo install --group=glimpsed x"), None);
    assert!(said("glimpsed mqtt rest").is_some());
    assert!(said("glimpsed frobnicate").is_some());
    assert!(said("glimpsed check --colour").is_some());
}
