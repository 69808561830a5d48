//! The line editor: history, several lines, colours, completion.
//!
//! `SEL` and Tab offers `SELECT`; Enter on `FROM [1,` starts a second line.
//!
//! Invariants: history is kept in one file per user, and its loss is no error.
//!
//! Does not: run anything.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use gobi_grammar::{Dialect, TokenKind};
use nu_ansi_term::{Color, Style};
use reedline::{
    ColumnarMenu, Emacs, FileBackedHistory, Highlighter, KeyCode, KeyModifiers, MenuBuilder, Prompt, PromptEditMode,
    PromptHistorySearch, Reedline, ReedlineEvent, ReedlineMenu, Signal, StyledText, ValidationResult, Validator,
    default_emacs_keybindings,
};

use super::complete::Words;

/// Statements remembered.
const HISTORY: usize = 10_000;

/// A prompt with everything around it.
pub struct Editor {
    reedline: Reedline,
    names: Arc<Mutex<Vec<String>>>,
}

impl Editor {
    /// An editor for a dialect.
    pub fn new(dialect: Dialect, color: bool) -> Self {
        let names = Arc::new(Mutex::new(Vec::new()));
        let mut keys = default_emacs_keybindings();
        keys.add_binding(
            KeyModifiers::NONE,
            KeyCode::Tab,
            ReedlineEvent::UntilFound(vec![ReedlineEvent::Menu("words".into()), ReedlineEvent::MenuNext]),
        );
        let menu = ReedlineMenu::EngineCompleter(Box::new(ColumnarMenu::default().with_name("words")));
        let mut reedline = Reedline::create()
            .with_validator(Box::new(Complete { dialect }))
            .with_completer(Box::new(Words::new(Arc::clone(&names))))
            .with_menu(menu)
            .with_edit_mode(Box::new(Emacs::new(keys)))
            .with_ansi_colors(color);
        if color {
            reedline = reedline.with_highlighter(Box::new(Colors { dialect }));
        }
        if let Some(history) = history_file().and_then(|path| FileBackedHistory::with_file(HISTORY, path).ok()) {
            reedline = reedline.with_history(Box::new(history));
        }
        Self { reedline, names }
    }

    /// Names to complete besides keywords and files.
    pub fn offer(&mut self, names: Vec<String>) {
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) = names;
    }

    /// Reads one input, of one line or several.
    pub fn read(&mut self) -> io::Result<Signal> {
        self.reedline.read_line(&GobiPrompt)
    }
}

/// `$XDG_STATE_HOME/gobi/history`, else `~/.local/state/gobi/history`.
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    Some(state.or_else(home)?.join("gobi/history"))
}

struct Complete {
    dialect: Dialect,
}

impl Validator for Complete {
    fn validate(&self, line: &str) -> ValidationResult {
        if line.trim_start().starts_with('.') || gobi_grammar::is_complete(line, self.dialect) {
            ValidationResult::Complete
        } else {
            ValidationResult::Incomplete
        }
    }
}

struct Colors {
    dialect: Dialect,
}

impl Highlighter for Colors {
    fn highlight(&self, line: &str, _cursor: usize) -> StyledText {
        let mut text = StyledText::new();
        let mut done = 0;
        for (range, kind) in gobi_grammar::highlight(line, self.dialect) {
            text.push((
                Style::new(),
                line.get(done..range.start).unwrap_or_default().to_string(),
            ));
            done = range.end;
            text.push((style(kind), line.get(range).unwrap_or_default().to_string()));
        }
        text.push((Style::new(), line.get(done..).unwrap_or_default().to_string()));
        text
    }
}

fn style(kind: TokenKind) -> Style {
    match kind {
        TokenKind::Keyword => Style::new().bold().fg(Color::Blue),
        TokenKind::String => Style::new().fg(Color::Green),
        TokenKind::Number => Style::new().fg(Color::Cyan),
        TokenKind::Comment => Style::new().dimmed(),
        TokenKind::Name | TokenKind::Operator => Style::new(),
    }
}

struct GobiPrompt;

impl Prompt for GobiPrompt {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        "gobi".into()
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        "".into()
    }

    fn render_prompt_indicator(&self, _mode: PromptEditMode) -> Cow<'_, str> {
        "> ".into()
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        "  ... ".into()
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        format!("(search: {}) ", search.term).into()
    }
}
