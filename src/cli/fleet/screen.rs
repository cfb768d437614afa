//! The live table: what is shown, and what the keys do.

use jiff::Timestamp;
use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line as Text, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Table};
use tokio::time::Instant;

use super::listen::Line;
use glimpsed_core::fleet::column::{Column, sorted};
use glimpsed_core::fleet::device::{Device, Presence};
use glimpsed_core::fleet::filter::Filter;
use glimpsed_core::fleet::roster::Roster;

/// From here on a temperature is told in another colour; and from here on in a warning one.
const WARM_CELSIUS: [f64; 2] = [70.0, 80.0];

/// A filter that is typed.
const MAX_TYPED: usize = 200;

const KEYS: &str =
    "q quit   up/down PgUp/PgDn Home/End select   left/right sort by   r reverse   / filter   Esc no filter   ? keys";

/// What a key has led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum After {
    GoOn,
    End,
}

/// What is shown of the devices.
pub(super) struct Screen {
    sort: Column,
    descending: bool,
    /// Of the command line.
    always: Filter,
    typed: Filter,
    text: String,
    /// Why the text is no filter.
    wrong: Option<String>,
    editing: bool,
    /// The selected device, which stays selected when the order changes.
    selected: Option<String>,
    first: usize,
    /// The devices as they were shown last.
    order: Vec<String>,
    /// The rows that there is room for.
    height: usize,
    pub(super) colours: bool,
}

impl Screen {
    pub(super) fn new(sort: Column, descending: bool, always: Filter) -> Self {
        Self {
            sort,
            descending,
            always,
            typed: Filter::default(),
            text: String::new(),
            wrong: None,
            editing: false,
            selected: None,
            first: 0,
            order: Vec::new(),
            height: 0,
            colours: true,
        }
    }

    pub(super) fn press(&mut self, key: KeyEvent) -> After {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if key.code == KeyCode::Char('c') { After::End } else { After::GoOn };
        }
        if self.editing {
            self.edit(key.code);
            return After::GoOn;
        }
        let page = self.height.saturating_sub(1).max(1) as isize;
        match key.code {
            KeyCode::Char('q') => return After::End,
            KeyCode::Char('/') => self.editing = true,
            KeyCode::Esc => self.filter_by(String::new()),
            KeyCode::Char('r') => self.descending = !self.descending,
            KeyCode::Left | KeyCode::Char('<') => self.sort_by(-1),
            KeyCode::Right | KeyCode::Char('>') => self.sort_by(1),
            KeyCode::Up | KeyCode::Char('k') => self.select(-1),
            KeyCode::Down | KeyCode::Char('j') => self.select(1),
            KeyCode::PageUp => self.select(-page),
            KeyCode::PageDown => self.select(page),
            KeyCode::Home => self.select(isize::MIN),
            KeyCode::End => self.select(isize::MAX),
            _ => {}
        }
        After::GoOn
    }

    fn edit(&mut self, code: KeyCode) {
        let mut text = self.text.clone();
        match code {
            KeyCode::Enter => return self.editing = false,
            KeyCode::Esc => {
                self.editing = false;
                text.clear();
            }
            KeyCode::Backspace => drop(text.pop()),
            KeyCode::Char(letter) if text.len() < MAX_TYPED => text.push(letter),
            _ => {}
        }
        self.filter_by(text);
    }

    /// Takes effect while it is typed. A word alone is looked for in the ids.
    fn filter_by(&mut self, text: String) {
        let is_word = !text.trim().is_empty()
            && !text.contains(['=', '<', '>', '!', '&'])
            && !["online", "offline"].contains(&text.trim());
        let parsed = if is_word { format!("device=*{}*", text.trim()).parse() } else { text.parse() };
        match parsed {
            Ok(filter) => (self.typed, self.wrong) = (filter, None),
            Err(cause) => self.wrong = Some(format!("{cause}")),
        }
        self.text = text;
    }

    fn sort_by(&mut self, step: isize) {
        let shown = Column::SHOWN;
        let at = shown.iter().position(|column| *column == self.sort).unwrap_or(0);
        self.sort = shown[(at as isize + step).rem_euclid(shown.len() as isize) as usize];
    }

    fn select(&mut self, step: isize) {
        let at = self.selected_at().unwrap_or(0);
        let last = self.order.len().saturating_sub(1);
        let next = at.saturating_add_signed(step).min(last);
        self.selected = self.order.get(next).cloned();
    }

    fn selected_at(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        self.order.iter().position(|id| id == selected)
    }

    pub(super) fn draw(&mut self, frame: &mut Frame<'_>, roster: &Roster, broker: &str, line: &Line, now: Timestamp) {
        let [top, middle, details, bottom] =
            Layout::vertical([Constraint::Length(2), Constraint::Min(2), Constraint::Length(2), Constraint::Length(1)])
                .areas(frame.area());
        let meant =
            roster.devices().filter(|device| self.always.is_true_of(device, now) && self.typed.is_true_of(device, now));
        let devices = sorted(meant, self.sort, self.descending, now);
        self.order = devices.iter().map(|device| device.id.clone()).collect();
        let selected = self.selected_at().unwrap_or(0);
        self.selected = self.order.get(selected).cloned();
        self.height = usize::from(middle.height).saturating_sub(1);
        self.first = self.first.min(selected).max((selected + 1).saturating_sub(self.height.max(1)));
        let visible = devices.iter().skip(self.first).take(self.height);
        self.draw_top(frame, top, roster, &devices, broker, line);
        self.draw_table(frame, middle, visible, selected - self.first.min(selected), now);
        if let Some(device) = devices.get(selected) {
            frame.render_widget(Paragraph::new(self.details(device)), details);
        }
        let prompt = match (self.editing, &self.wrong) {
            (true, None) => format!("filter: {}_", self.text),
            (true, Some(wrong)) => format!("filter: {}_   {wrong}", self.text),
            (false, _) => KEYS.to_owned(),
        };
        frame.render_widget(Paragraph::new(prompt), bottom);
    }

    fn draw_top(
        &self,
        frame: &mut Frame<'_>,
        area: Rect,
        roster: &Roster,
        devices: &[&Device],
        broker: &str,
        line: &Line,
    ) {
        let count = |presence: Presence| roster.devices().filter(|device| device.presence == presence).count();
        let (online, offline) = (count(Presence::Online), count(Presence::Offline));
        let head = vec![
            Span::styled("glimpsed fleet", Style::new().add_modifier(Modifier::BOLD)),
            Span::raw(format!("  {broker}  {} devices, {online} online, {offline} offline", roster.len())),
        ];
        let (says, colour) = match line {
            Line::Gathering => ("what the broker keeps arrives".to_owned(), Color::Yellow),
            Line::Connected { notes, .. } if notes.is_empty() => ("connected".to_owned(), Color::Green),
            Line::Connected { notes, .. } => (format!("connected; {}", notes.join("; ")), Color::Yellow),
            Line::Away { cause, until } => {
                let again = until.saturating_duration_since(Instant::now()).as_secs();
                (format!("what is shown is old: {cause}; tried again in {again} s"), Color::Red)
            }
        };
        let mut second = vec![Span::styled(says, self.coloured(colour))];
        if !self.text.is_empty() {
            second.push(Span::raw(format!("   filter `{}`: {} devices", self.text, devices.len())));
        }
        frame.render_widget(Paragraph::new(vec![Text::from(head), Text::from(second)]), area);
    }

    fn draw_table<'a>(
        &self,
        frame: &mut Frame<'_>,
        area: Rect,
        devices: impl Iterator<Item = &'a &'a Device>,
        selected: usize,
        now: Timestamp,
    ) {
        let heading = Column::SHOWN.map(|column| {
            let arrow = match (column == self.sort, self.descending) {
                (false, _) => "",
                (true, false) => "^",
                (true, true) => "v",
            };
            let text = Text::from(format!("{}{arrow}", column.name()));
            Cell::from(if column.is_number() { text.right_aligned() } else { text })
        });
        let rows = devices.enumerate().map(|(at, device)| {
            let cells = Column::SHOWN.map(|column| {
                let text = Text::from(column.show(device, now));
                Cell::from(if column.is_number() { text.right_aligned() } else { text })
                    .style(self.style(column, device))
            });
            let row = Row::new(cells);
            if at == selected { row.style(Style::new().add_modifier(Modifier::REVERSED)) } else { row }
        });
        let table = Table::new(rows, Column::SHOWN.map(width)).column_spacing(1);
        frame.render_widget(table.header(Row::new(heading).style(Style::new().add_modifier(Modifier::BOLD))), area);
    }

    fn style(&self, column: Column, device: &Device) -> Style {
        let alarming = match column {
            Column::Status if device.presence != Presence::Online => Some(Color::Red),
            Column::Status => Some(Color::Green),
            Column::Temperature => match device.temperature_celsius {
                Some(warm) if warm >= WARM_CELSIUS[1] => Some(Color::Red),
                Some(warm) if warm >= WARM_CELSIUS[0] => Some(Color::Yellow),
                _ => None,
            },
            Column::Lost if device.dropped_events.is_some_and(|count| count > 0) => Some(Color::Red),
            Column::Problems if !device.problems.is_empty() || !device.nonsense.is_empty() || device.twin.is_some() => {
                Some(Color::Yellow)
            }
            _ => None,
        };
        alarming.map_or(Style::new(), |colour| self.coloured(colour))
    }

    fn coloured(&self, colour: Color) -> Style {
        if self.colours { Style::new().fg(colour) } else { Style::new() }
    }

    /// Two lines about the selected device.
    fn details(&self, device: &Device) -> Vec<Text<'static>> {
        let known = [&device.name, &device.board].into_iter().flatten().cloned();
        let mut second: Vec<String> = device.problems.clone();
        second.extend(device.twin.iter().map(|twin| format!("another device has the same id: {twin}")));
        second.extend(device.nonsense.iter().map(|(topic, cause)| format!("`{topic}` is not understood: {cause}")));
        let first: Vec<String> = std::iter::once(device.id.clone()).chain(known).collect();
        vec![
            Text::from(first.join(", ")).style(Style::new().add_modifier(Modifier::BOLD)),
            Text::from(second.join("; ")).style(self.coloured(Color::Yellow)),
        ]
    }
}

fn width(column: Column) -> Constraint {
    match column {
        Column::Device | Column::Label => Constraint::Min(14),
        Column::Model => Constraint::Max(20),
        Column::Status => Constraint::Length(7),
        Column::Temperature => Constraint::Length(11),
        Column::Config | Column::Problems | Column::Version | Column::Dropped => Constraint::Length(9),
        _ => Constraint::Length(8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn roster() -> Roster {
        let mut roster = Roster::new("glimpsed");
        for (id, temperature, status) in
            [("gate-2", 50.0, "online"), ("gate-10", 81.5, "online"), ("hall", 20.0, "offline")]
        {
            let mut note = |kind: &str, payload: String| {
                roster.note(&format!("glimpsed/{id}/{kind}"), payload.as_bytes(), true, Timestamp::UNIX_EPOCH)
            };
            note("status", status.into());
            note("info", r#"{"version": "0.1.0", "board": "Pi"}"#.into());
            note(
                "health",
                format!(r#"{{"temperature_c": {temperature}, "uptime_s": 60, "problems": ["\u001b[2J it is warm"]}}"#),
            );
        }
        roster
    }

    fn shown(screen: &mut Screen, line: &Line) -> (Vec<String>, Terminal<TestBackend>) {
        let mut terminal = Terminal::new(TestBackend::new(140, 12)).expect("a terminal");
        terminal.draw(|frame| screen.draw(frame, &roster(), "mqtt://b", line, Timestamp::UNIX_EPOCH)).expect("drawn");
        let buffer = terminal.backend().buffer();
        let row = |y: u16| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol().to_owned()).collect::<String>();
        ((0..buffer.area.height).map(|y| row(y).trim_end().to_owned()).collect(), terminal)
    }

    fn press(screen: &mut Screen, text: &str) {
        for letter in text.chars() {
            let code = match letter {
                '\n' => KeyCode::Enter,
                letter => KeyCode::Char(letter),
            };
            assert_eq!(screen.press(KeyEvent::new(code, KeyModifiers::NONE)), After::GoOn);
        }
    }

    const CONNECTED: Line = Line::Connected { notes: Vec::new(), all_came: true };

    #[test]
    fn devices_stand_in_the_order_of_the_column_and_the_selected_one_says_what_is_wrong() {
        let mut screen = Screen::new(Column::Device, false, Filter::default());
        let (lines, _) = shown(&mut screen, &CONNECTED);
        assert_eq!(lines[0], "glimpsed fleet  mqtt://b  3 devices, 2 online, 1 offline");
        assert_eq!(lines[1], "connected");
        assert!(
            lines[2].starts_with("device^") && lines[3].starts_with("gate-2 ") && lines[5].starts_with("hall "),
            "{lines:#?}"
        );
        assert!(lines[9].starts_with("gate-2, Pi") && lines[10].contains("\\u{1b}[2J it is warm"), "{lines:#?}");
        screen.press(KeyEvent::new(KeyCode::End, KeyModifiers::NONE));
        press(&mut screen, "r");
        let (lines, terminal) = shown(&mut screen, &CONNECTED);
        assert!(
            lines[2].starts_with("devicev") && lines[3].starts_with("hall ") && lines[9].starts_with("hall"),
            "{lines:#?}"
        );
        let buffer = terminal.backend().buffer();
        assert!(buffer[(0, 3)].modifier.contains(Modifier::REVERSED), "it stays selected");
        let at = lines[4].find("81.5").expect("its temperature") as u16;
        assert_eq!(buffer[(at, 4)].fg, Color::Red);
    }

    #[test]
    fn a_filter_takes_effect_while_it_is_typed_and_a_wrong_one_says_why() {
        let mut screen = Screen::new(Column::Device, false, Filter::default());
        press(&mut screen, "/gate-1");
        assert!(shown(&mut screen, &CONNECTED).0[3].starts_with("gate-10"));
        press(&mut screen, "\n/");
        screen.press(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE));
        press(&mut screen, "/temprature>3");
        let (lines, _) = shown(&mut screen, &CONNECTED);
        assert!(lines[11].contains("there is no column `temprature`; did you mean `temperature`?"), "{lines:#?}");
        screen.press(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE));
        assert!(shown(&mut screen, &CONNECTED).0[11].starts_with("q quit"));
    }

    #[test]
    fn a_broker_that_is_away_is_told_and_what_was_heard_stays() {
        let mut screen = Screen::new(Column::Temperature, true, Filter::default());
        screen.colours = false;
        let away = Line::Away { cause: "connection refused".into(), until: Instant::now() };
        let (lines, terminal) = shown(&mut screen, &away);
        assert_eq!(lines[1], "what is shown is old: connection refused; tried again in 0 s");
        assert!(lines[3].starts_with("gate-10"), "{lines:#?}");
        let buffer = terminal.backend().buffer();
        assert!((0..140).all(|x| (0..12).all(|y| buffer[(x, y)].fg == Color::Reset)));
    }

    #[test]
    fn any_size_can_be_drawn_and_control_c_ends_it() {
        let mut screen = Screen::new(Column::Device, false, Filter::default());
        for (width, height) in [(1, 1), (5, 3), (20, 40), (300, 6)] {
            let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
            terminal
                .draw(|frame| screen.draw(frame, &roster(), "mqtt://b", &CONNECTED, Timestamp::UNIX_EPOCH))
                .expect("drawn");
        }
        assert_eq!(screen.press(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), After::End);
    }
}
