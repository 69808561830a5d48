//! What a procedure's metadata says: which kind of model it is, and what that kind needs to know.
//!
//! `<{ kind: 'incremental_by_unique_key', key: ['id'] }>` is a [`Spec`] with one key column; `kind: 'incremental'` with a `time_column` is one by
//! time range.
//!
//! Invariants: what a kind needs is there, and nothing that it has no use for.
//!
//! Does not: look at the body, or at tables.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Expr, ExprKind, Ident, Literal};
use gobi_grammar::similar::nearest;

use crate::plan::constant;
use crate::types::{LogicalType, Value};

/// How the rows of a model get into its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Full,
    View,
    Embedded,
    Seed,
    External,
    ByTimeRange,
    ByUniqueKey,
    ByPartition,
    Unmanaged,
    ScdByTime,
    ScdByColumn,
}

/// The names of the kinds, and those of `incremental` and `managed`.
const KINDS: &[(&str, Kind)] = &[
    ("full", Kind::Full),
    ("view", Kind::View),
    ("embedded", Kind::Embedded),
    ("seed", Kind::Seed),
    ("external", Kind::External),
    ("incremental_by_time_range", Kind::ByTimeRange),
    ("incremental_by_unique_key", Kind::ByUniqueKey),
    ("incremental_by_partition", Kind::ByPartition),
    ("incremental_unmanaged", Kind::Unmanaged),
    ("scd_type_2_by_time", Kind::ScdByTime),
    ("scd_type_2_by_column", Kind::ScdByColumn),
];

/// What metadata may say.
const NAMES: &[&str] = &[
    "kind",
    "target",
    "key",
    "time_column",
    "unit",
    "lookback",
    "batch_size",
    "start",
    "valid_from",
    "valid_to",
    "updated_at",
    "columns",
    "hard_deletes",
    "audits",
    SCHED,
];

/// When a model is to run.
/// When it is to run: the names of schedules, or times like those of cron.
pub const SCHED: &str = "sched";

/// The times that have names.
const TIMES: &[&str] = &[
    "@yearly",
    "@annually",
    "@monthly",
    "@weekly",
    "@daily",
    "@midnight",
    "@hourly",
];

const UNITS: &[&str] = &["minute", "hour", "day", "week", "month", "quarter", "year"];

/// A model, as its metadata describes it.
#[derive(Clone, Debug)]
pub struct Spec {
    pub kind: Kind,
    /// Schema and name of what it is kept in.
    pub target: [String; 2],
    /// Of a row, or of a partition.
    pub key: Vec<String>,
    /// The column that says when a row is from.
    pub time: Option<String>,
    /// What intervals are made of.
    pub unit: String,
    /// How many units before the last run are computed again.
    pub lookback: u32,
    /// How many units are computed at once.
    pub batch: Option<u32>,
    /// Where the first interval begins.
    pub start: Option<String>,
    /// The columns of a dimension that say when a version was the current one.
    pub valid: [String; 2],
    /// What makes a version of a dimension, by column; none: all but the key.
    pub columns: Vec<String>,
    /// A key that is gone ends its last version.
    pub hard_deletes: bool,
    /// What has to hold after a run.
    pub audits: Vec<String>,
}

impl Kind {
    pub fn name(self) -> &'static str {
        KINDS
            .iter()
            .find(|(_, kind)| *kind == self)
            .map_or("", |(name, _)| name)
    }

    /// It is computed interval by interval, if it has a time column.
    pub fn has_intervals(self) -> bool {
        matches!(
            self,
            Kind::ByTimeRange | Kind::ByUniqueKey | Kind::ByPartition | Kind::Unmanaged
        )
    }

    pub fn is_view(self) -> bool {
        matches!(self, Kind::View | Kind::Embedded)
    }

    pub fn is_dimension(self) -> bool {
        matches!(self, Kind::ScdByTime | Kind::ScdByColumn)
    }
}

impl Spec {
    /// That of a procedure; `None` if it is no model.
    pub fn of(name: &str, routine: &ast::Routine) -> Result<Option<Self>, Diagnostic> {
        let read = Metadata(&routine.metadata);
        let Some((first, _)) = routine.metadata.first().filter(|_| routine.is_model()) else {
            return read.times().map(|_| None);
        };
        read.check_names()?;
        read.times()?;
        let Some((_, kind)) = read.find("kind") else {
            let message = format!("`{}` says something of a model, and no kind is given", first.text);
            let help = "write `kind: 'full'`, or another kind, or leave it out: a plain body has `sched` only";
            return Err(Diagnostic::new("42601", first.span, message).with_help(help));
        };
        let mut spec = Self {
            kind: read.kind(kind)?,
            target: read.target(name)?,
            key: read.words("key")?,
            time: read.word("time_column")?,
            unit: read.word("unit")?.unwrap_or_else(|| "day".into()),
            lookback: read.number("lookback")?.unwrap_or(0),
            batch: read.number("batch_size")?,
            start: read.word("start")?,
            valid: [
                read.word("valid_from")?.unwrap_or_else(|| "valid_from".into()),
                read.word("valid_to")?.unwrap_or_else(|| "valid_to".into()),
            ],
            columns: read.words("columns")?,
            hard_deletes: read.truth("hard_deletes")?,
            audits: read.words("audits")?,
        };
        if let Some(updated) = read.word("updated_at")? {
            spec.time = Some(updated);
        }
        spec.unit = spec.unit.to_lowercase();
        read.needs(&spec)?;
        Ok(Some(spec))
    }
}

impl Spec {
    /// What it says, name by name.
    pub fn described(routine: &ast::Routine) -> Vec<[String; 2]> {
        let shown = |value: &Expr| match &value.kind {
            ExprKind::Array(items) => items.iter().filter_map(text).collect::<Vec<_>>().join(", "),
            ExprKind::Literal(Literal::Integer(digits)) => digits.clone(),
            ExprKind::Literal(Literal::Boolean(truth)) => truth.to_string(),
            _ => text(value).unwrap_or_default().to_owned(),
        };
        let metadata = routine.metadata.iter();
        metadata
            .map(|(name, value)| [name.text.to_lowercase(), shown(value)])
            .collect()
    }

    /// What lists of procedures say of it.
    pub fn signature(&self) -> String {
        format!("{} model {}.{}", self.kind.name(), self.target[0], self.target[1])
    }
}

struct Metadata<'m>(&'m [(Ident, Expr)]);

impl Metadata<'_> {
    fn find(&self, name: &str) -> Option<(&Ident, &Expr)> {
        let found = self.0.iter().find(|(known, _)| known.text.eq_ignore_ascii_case(name));
        found.map(|(name, value)| (name, value))
    }

    fn check_names(&self) -> Result<(), Diagnostic> {
        for (at, (name, _)) in self.0.iter().enumerate() {
            if !NAMES.iter().any(|known| known.eq_ignore_ascii_case(&name.text)) {
                let supported = ["tags", "owner"]
                    .iter()
                    .all(|known| !known.eq_ignore_ascii_case(&name.text));
                let (code, message) = match supported {
                    true => ("42601", format!("a model has no `{}`", name.text)),
                    false => ("0A000", format!("`{}` of a model is not supported yet", name.text)),
                };
                let near = nearest(&name.text, NAMES.iter().copied());
                let list = format!("a model has {}", NAMES.join(", "));
                let help = near.map_or(list, |near| format!("did you mean `{near}`?"));
                return Err(Diagnostic::new(code, name.span, message).with_help(help));
            }
            if self
                .0
                .iter()
                .take(at)
                .any(|(other, _)| other.text.eq_ignore_ascii_case(&name.text))
            {
                return Err(Diagnostic::new(
                    "42601",
                    name.span,
                    format!("`{}` is there twice", name.text),
                ));
            }
        }
        Ok(())
    }

    fn kind(&self, value: &Expr) -> Result<Kind, Diagnostic> {
        let name = text(value).unwrap_or_default().to_lowercase();
        if let Some((_, kind)) = KINDS.iter().find(|(known, _)| *known == name) {
            return Ok(*kind);
        }
        match name.as_str() {
            "incremental" if self.find("key").is_some() => Ok(Kind::ByUniqueKey),
            "incremental" if self.find("time_column").is_some() => Ok(Kind::ByTimeRange),
            "incremental" => {
                let message = "an incremental model needs a `key` or a `time_column`";
                Err(Diagnostic::new("42601", value.span, message))
            }
            "managed" => Err(Diagnostic::new(
                "0A000",
                value.span,
                "models of kind `managed` are not supported yet: no other engine keeps their tables",
            )),
            _ => {
                let message = format!("there is no kind of model `{name}`");
                let kinds: Vec<&str> = KINDS
                    .iter()
                    .map(|(name, _)| *name)
                    .chain(["incremental", "managed"])
                    .collect();
                let help = match nearest(&name, kinds.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`? The kinds are {}", kinds.join(", ")),
                    None => format!("the kinds are {}", kinds.join(", ")),
                };
                Err(Diagnostic::new("42601", value.span, message).with_help(help))
            }
        }
    }

    fn target(&self, name: &str) -> Result<[String; 2], Diagnostic> {
        let Some((_, value)) = self.find("target") else {
            return Ok(["models".into(), name.to_owned()]);
        };
        let written = text(value).unwrap_or_default();
        match written.split('.').collect::<Vec<_>>().as_slice() {
            [name] if !name.is_empty() => Ok(["main".into(), (*name).to_owned()]),
            [schema, name] if !schema.is_empty() && !name.is_empty() => Ok([(*schema).to_owned(), (*name).to_owned()]),
            _ => {
                let message = "the target of a model is the name of a table: `target: 'sales.daily'`";
                Err(Diagnostic::new("42601", value.span, message))
            }
        }
    }

    fn word(&self, name: &str) -> Result<Option<String>, Diagnostic> {
        let Some((_, value)) = self.find(name) else {
            return Ok(None);
        };
        match text(value) {
            Some(word) => Ok(Some(word.to_owned())),
            None => Err(Diagnostic::new("42601", value.span, format!("`{name}` takes a text"))),
        }
    }

    /// A text, or an array of texts.
    fn words(&self, name: &str) -> Result<Vec<String>, Diagnostic> {
        let Some((_, value)) = self.find(name) else {
            return Ok(Vec::new());
        };
        let items = match &value.kind {
            ExprKind::Array(items) => items.as_slice(),
            _ => std::slice::from_ref(value),
        };
        let words: Option<Vec<String>> = items.iter().map(|item| text(item).map(str::to_owned)).collect();
        words.ok_or_else(|| {
            Diagnostic::new(
                "42601",
                value.span,
                format!("`{name}` takes a text, or an array of texts"),
            )
        })
    }

    /// Times like those of cron, and names of schedules.
    fn times(&self) -> Result<Vec<String>, Diagnostic> {
        let times = self.words(SCHED)?;
        let Some((_, value)) = self.find(SCHED) else {
            return Ok(times);
        };
        for time in &times {
            let fields = time.split_whitespace().count();
            let is_known = match time.starts_with('@') {
                true => TIMES.contains(&time.to_lowercase().as_str()),
                false => fields == 1 || (5..=7).contains(&fields),
            };
            if !is_known {
                let message = format!("`{time}` is no time to run at");
                let near = nearest(time, TIMES.iter().copied());
                let help = near.map_or_else(
                    || format!("write the name of a schedule, five to seven fields like those of cron (`0 4 * * *`), or one of {}", TIMES.join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                return Err(Diagnostic::new("42601", value.span, message).with_help(help));
            }
        }
        Ok(times)
    }

    fn number(&self, name: &str) -> Result<Option<u32>, Diagnostic> {
        let Some((_, value)) = self.find(name) else {
            return Ok(None);
        };
        let number = match &value.kind {
            ExprKind::Literal(Literal::Integer(digits)) => digits.parse().ok(),
            _ => None,
        };
        match number {
            Some(number) if number > 0 || name == "lookback" => Ok(Some(number)),
            _ => Err(Diagnostic::new(
                "42601",
                value.span,
                match name {
                    "lookback" => format!("`{name}` takes a whole number"),
                    _ => format!("`{name}` takes a whole number that is at least 1"),
                },
            )),
        }
    }

    fn truth(&self, name: &str) -> Result<bool, Diagnostic> {
        match self.find(name).map(|(_, value)| (value.span, &value.kind)) {
            None => Ok(false),
            Some((_, ExprKind::Literal(Literal::Boolean(truth)))) => Ok(*truth),
            Some((span, _)) => Err(Diagnostic::new("42601", span, format!("`{name}` takes true or false"))),
        }
    }

    /// What a kind cannot do without, and what it does nothing with.
    fn needs(&self, spec: &Spec) -> Result<(), Diagnostic> {
        let kind = spec.kind;
        let (keyed, timed) = (
            matches!(kind, Kind::ByUniqueKey | Kind::ByPartition) || kind.is_dimension(),
            matches!(kind, Kind::ByTimeRange),
        );
        let place = self.find("kind").map(|(name, _)| name.span).unwrap_or_default();
        let missing = |what: &str| {
            let message = format!("a model of kind `{}` needs {what}", kind.name());
            Err(Diagnostic::new("42601", place, message))
        };
        if keyed && spec.key.is_empty() {
            return missing("a `key`");
        }
        if timed && spec.time.is_none() {
            return missing("a `time_column`");
        }
        if kind == Kind::ScdByTime && self.find("updated_at").is_none() {
            return missing("`updated_at`, the column that says when a row changed");
        }
        if spec.batch.is_some() && spec.start.is_none() {
            return missing("a `start` to have a `batch_size`");
        }
        if let (Some(start), Some((_, value))) = (&spec.start, self.find("start")) {
            let text = Value::String(start.as_str().into());
            constant::convert(&text, &LogicalType::String, &LogicalType::Timestamp).map_err(|misfit| {
                let message = format!("`start` takes a time: {}", misfit.message);
                Diagnostic::new(misfit.code, value.span, message).with_help("write it as in `start: '2026-01-31'`")
            })?;
        }
        if !UNITS.contains(&spec.unit.as_str()) {
            let span = self.find("unit").map_or(place, |(_, value)| value.span);
            return Err(Diagnostic::new(
                "42601",
                span,
                format!("a unit is one of {}", UNITS.join(", ")),
            ));
        }
        let intervals = kind.has_intervals() && spec.time.is_some();
        let of_dimensions = kind.is_dimension();
        let useless = [
            ("key", !keyed),
            ("time_column", !kind.has_intervals()),
            ("unit", !intervals),
            ("lookback", !intervals),
            ("batch_size", !intervals),
            ("start", !intervals),
            ("valid_from", !of_dimensions),
            ("valid_to", !of_dimensions),
            ("hard_deletes", !of_dimensions),
            ("updated_at", kind != Kind::ScdByTime),
            ("columns", kind != Kind::ScdByColumn),
            (SCHED, matches!(kind, Kind::Embedded)),
        ];
        for (name, useless) in useless {
            if let (Some((place, _)), true) = (self.find(name), useless) {
                let needs_time = kind.has_intervals() && !intervals && name != "key";
                let message = match needs_time {
                    true => format!("`{name}` needs a `time_column`"),
                    false => format!("a model of kind `{}` has no use for `{name}`", kind.name()),
                };
                return Err(Diagnostic::new("42601", place.span, message));
            }
        }
        Ok(())
    }
}

fn text(value: &Expr) -> Option<&str> {
    match &value.kind {
        ExprKind::Literal(Literal::String(text) | Literal::Timestamp(text) | Literal::Date(text)) => Some(text),
        _ => None,
    }
}
