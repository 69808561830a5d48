//! Tables for people: plain, boxed, Markdown.
//!
//! ```text
//!  l_returnflag |   sum_qty
//! --------------+-----------
//!  A            | 380456.00
//! (1 row)
//! ```
//!
//! Invariants: numbers are right-aligned; NULL is the word `NULL`, faint where there are colours; control characters are
//! escaped, so a cell is one line and cannot drive the terminal; rows are left out only on a terminal, and the last line
//! says how many.
//!
//! Does not: keep more than [`WIDTH_ROWS`] rows: later ones are printed in the widths of the first.

use std::collections::VecDeque;
use std::io::{self, Write};

use arrow::array::{ArrayRef, RecordBatch};

use super::OutputError;
use crate::cli::progress;
use crate::client::{Field, LogicalType, ResultStream, cells};

/// Rows that decide the widths of the columns.
const WIDTH_ROWS: usize = 10_000;
/// Rows printed on a terminal: half of them from the start, half from the end.
const TERMINAL_ROWS: usize = 60;
/// Characters of a cell printed on a terminal.
const TERMINAL_CELL: usize = 64;

/// How a kind of table is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Drawing {
    left: &'static str,
    between: &'static str,
    right: &'static str,
    top: Option<Rule>,
    middle: Rule,
    bottom: Option<Rule>,
    types: bool,
    count: bool,
    markdown: bool,
}

/// A horizontal line.
#[derive(Clone, Copy, Debug)]
struct Rule {
    left: &'static str,
    fill: &'static str,
    cross: &'static str,
    right: &'static str,
}

/// Plain lines, as psql has them.
pub const PLAIN: Drawing = Drawing {
    left: " ",
    between: " | ",
    right: "",
    top: None,
    middle: Rule {
        left: "-",
        fill: "-",
        cross: "-+-",
        right: "-",
    },
    bottom: None,
    types: false,
    count: true,
    markdown: false,
};

/// A drawn box, with the columns' types.
pub const BOX: Drawing = Drawing {
    left: "│ ",
    between: " │ ",
    right: " │",
    top: Some(Rule {
        left: "┌─",
        fill: "─",
        cross: "─┬─",
        right: "─┐",
    }),
    middle: Rule {
        left: "├─",
        fill: "─",
        cross: "─┼─",
        right: "─┤",
    },
    bottom: Some(Rule {
        left: "└─",
        fill: "─",
        cross: "─┴─",
        right: "─┘",
    }),
    types: true,
    count: true,
    markdown: false,
};

/// A Markdown table.
pub const MARKDOWN: Drawing = Drawing {
    left: "| ",
    between: " | ",
    right: " |",
    top: None,
    middle: Rule {
        left: "| ",
        fill: "-",
        cross: " | ",
        right: " |",
    },
    bottom: None,
    types: false,
    count: false,
    markdown: true,
};

/// What the terminal wants.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    rows: Option<usize>,
    cell: Option<usize>,
    color: bool,
}

impl Layout {
    /// On a terminal, long results and long cells are cut.
    pub fn of(terminal: bool, color: bool) -> Self {
        Self {
            rows: terminal.then_some(TERMINAL_ROWS),
            cell: terminal.then_some(TERMINAL_CELL),
            color,
        }
    }
}

type Row = Vec<Option<String>>;

/// Prints a result; on a terminal, where nothing is printed before the query has ended, after the progress bar is gone.
pub fn write(
    out: &mut dyn Write,
    mut stream: ResultStream,
    drawing: Drawing,
    layout: Layout,
    bar: progress::Guard,
) -> Result<(), OutputError> {
    let mut table = Table::of(&stream, drawing, layout);
    for batch in stream.by_ref() {
        let batch = batch?;
        for index in 0..batch.num_rows() {
            table.push(out, table.cells(&batch, index))?;
        }
    }
    drop(bar);
    table.close(out)?;
    Ok(())
}

/// A table that is being printed.
struct Table {
    columns: Vec<Column>,
    drawing: Drawing,
    layout: Layout,
    /// Rows that wait until the widths are known.
    head: Vec<Row>,
    /// The last rows of a result that is too long for the terminal.
    tail: VecDeque<Row>,
    started: bool,
    total: u64,
}

struct Column {
    name: String,
    ty: LogicalType,
    right: bool,
    width: usize,
}

impl Table {
    fn of(stream: &ResultStream, drawing: Drawing, layout: Layout) -> Self {
        let column = |field: &Field| Column {
            name: shown(&field.name, drawing, layout),
            ty: field.ty.clone(),
            right: field.ty.is_numeric(),
            width: 0,
        };
        Self {
            columns: stream.fields().iter().map(column).collect(),
            drawing,
            layout,
            head: Vec::new(),
            tail: VecDeque::new(),
            started: false,
            total: 0,
        }
    }

    fn cells(&self, batch: &RecordBatch, row: usize) -> Row {
        let columns = self.columns.iter().zip(batch.columns());
        let text = |(column, array): (&Column, &ArrayRef)| cells::text(array, row, &column.ty);
        columns
            .map(|cell| text(cell).map(|text| shown(&text, self.drawing, self.layout)))
            .collect()
    }

    fn push(&mut self, out: &mut dyn Write, row: Row) -> io::Result<()> {
        self.total += 1;
        if self.started {
            return self.write_row(out, &row);
        }
        match self.layout.rows {
            Some(most) if self.head.len() >= most => {
                self.tail.push_back(row);
                if self.tail.len() > most / 2 {
                    self.tail.pop_front();
                }
            }
            _ => self.head.push(row),
        }
        if self.layout.rows.is_none() && self.head.len() >= WIDTH_ROWS {
            self.start(out)?;
        }
        Ok(())
    }

    /// Prints the header and the rows that waited for it.
    fn start(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.started = true;
        self.fit();
        self.write_header(out)?;
        for row in std::mem::take(&mut self.head) {
            self.write_row(out, &row)?;
        }
        Ok(())
    }

    /// Prints what is left.
    fn close(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let elided = self.elide();
        if !self.started {
            self.start(out)?;
        }
        if elided > 0 {
            self.write_gap(out)?;
            for row in std::mem::take(&mut self.tail) {
                self.write_row(out, &row)?;
            }
        }
        if let Some(bottom) = self.drawing.bottom {
            self.write_rule(out, bottom)?;
        }
        self.write_count(out, elided)
    }

    /// Leaves the start of a long result in `head` and its end in `tail`; gives the number of rows between them.
    fn elide(&mut self) -> u64 {
        let Some(half) = self.layout.rows.map(|most| most / 2).filter(|_| !self.tail.is_empty()) else {
            return 0;
        };
        let mut end: Vec<Row> = self.head.split_off(half);
        end.extend(self.tail.drain(..));
        let skipped = end.len() - half;
        self.tail.extend(end.into_iter().skip(skipped));
        self.fit_to(self.tail.iter().cloned().collect::<Vec<_>>().as_slice());
        self.total - 2 * half as u64
    }

    fn fit(&mut self) {
        let head = std::mem::take(&mut self.head);
        self.fit_to(&head);
        self.head = head;
        for column in &mut self.columns {
            column.width = column.width.max(width(&column.name));
            if self.drawing.types {
                column.width = column.width.max(width(&column.ty.to_string()));
            }
            if self.drawing.markdown {
                column.width = column.width.max(3);
            }
        }
    }

    fn fit_to(&mut self, rows: &[Row]) {
        for row in rows {
            for (column, cell) in self.columns.iter_mut().zip(row) {
                column.width = column.width.max(cell.as_deref().map_or(NULL.len(), width));
            }
        }
    }

    fn write_header(&self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(top) = self.drawing.top {
            self.write_rule(out, top)?;
        }
        let names = self.columns.iter().map(|column| (column.name.clone(), "1"));
        self.write_line(out, names)?;
        if self.drawing.types {
            self.write_line(out, self.columns.iter().map(|column| (column.ty.to_string(), "2")))?;
        }
        self.write_rule(out, self.drawing.middle)
    }

    fn write_row(&self, out: &mut dyn Write, row: &Row) -> io::Result<()> {
        let cell = |cell: &Option<String>| match cell {
            Some(text) => (text.clone(), ""),
            None => (NULL.to_string(), "2"),
        };
        self.write_line(out, row.iter().map(cell))
    }

    fn write_gap(&self, out: &mut dyn Write) -> io::Result<()> {
        self.write_line(out, self.columns.iter().map(|_| ("…".to_string(), "2")))
    }

    /// A line of cells, each with its style (an ANSI code, or nothing).
    fn write_line(&self, out: &mut dyn Write, cells: impl Iterator<Item = (String, &'static str)>) -> io::Result<()> {
        let mut line = String::from(self.drawing.left);
        for (i, (column, (text, style))) in self.columns.iter().zip(cells).enumerate() {
            if i > 0 {
                line.push_str(self.drawing.between);
            }
            let fill = " ".repeat(column.width.saturating_sub(width(&text)));
            let text = if self.layout.color && !style.is_empty() {
                paint(&text, style)
            } else {
                text
            };
            let (before, after) = if column.right {
                (fill.as_str(), "")
            } else {
                ("", fill.as_str())
            };
            line.extend([before, &text, after]);
        }
        line.push_str(self.drawing.right);
        writeln!(out, "{}", line.trim_end())
    }

    fn write_rule(&self, out: &mut dyn Write, rule: Rule) -> io::Result<()> {
        let mut line = String::from(rule.left);
        for (i, column) in self.columns.iter().enumerate() {
            if i > 0 {
                line.push_str(rule.cross);
            }
            let colon = self.drawing.markdown && column.right;
            line.push_str(&rule.fill.repeat(column.width - usize::from(colon)));
            line.push_str(if colon { ":" } else { "" });
        }
        line.push_str(rule.right);
        writeln!(out, "{line}")
    }

    fn write_count(&self, out: &mut dyn Write, elided: u64) -> io::Result<()> {
        let plural = if self.total == 1 { "" } else { "s" };
        match self.drawing.count {
            false => Ok(()),
            true if elided > 0 => writeln!(out, "({} row{plural}, {elided} not shown)", self.total),
            true => writeln!(out, "({} row{plural})", self.total),
        }
    }
}

/// How NULL looks.
const NULL: &str = "NULL";

fn paint(text: &str, style: &str) -> String {
    format!("\x1b[{style}m{text}\x1b[0m")
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// A text on one line, without control characters, cut where the terminal wants it.
fn shown(text: &str, drawing: Drawing, layout: Layout) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => out.extend(c.escape_default()),
            c if c.is_control() => out.extend(c.escape_unicode()),
            '|' if drawing.markdown => out.push_str("\\|"),
            c => out.push(c),
        }
    }
    match layout.cell {
        Some(most) if width(&out) > most => out.chars().take(most - 1).chain(['…']).collect(),
        _ => out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(drawing: Drawing, terminal: bool, rows: Vec<Row>) -> String {
        let column = |name: &str, ty: LogicalType| Column {
            name: name.to_string(),
            right: ty.is_numeric(),
            ty,
            width: 0,
        };
        let mut table = Table {
            columns: vec![column("name", LogicalType::String), column("n", LogicalType::BigInt)],
            drawing,
            layout: Layout::of(terminal, false),
            head: Vec::new(),
            tail: VecDeque::new(),
            started: false,
            total: 0,
        };
        let mut out = Vec::new();
        for row in rows {
            table.push(&mut out, row).unwrap();
        }
        table.close(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn row(name: Option<&str>, n: u64) -> Row {
        vec![name.map(str::to_string), Some(n.to_string())]
    }

    #[test]
    fn plain() {
        expect_test::expect![[r"
             name |  n
            ------+----
             bear | 10
             NULL |  9
            (2 rows)
        "]]
        .assert_eq(
            &format!("\n{}", print(PLAIN, false, vec![row(Some("bear"), 10), row(None, 9)])).replacen('\n', "", 1),
        );
    }

    #[test]
    fn boxed() {
        expect_test::expect![[r"
            ┌────────┬────────┐
            │ name   │      n │
            │ string │ bigint │
            ├────────┼────────┤
            │ bear   │     10 │
            └────────┴────────┘
            (1 row)
        "]]
        .assert_eq(&print(BOX, false, vec![row(Some("bear"), 10)]));
    }

    #[test]
    fn markdown() {
        expect_test::expect![[r"
            | name |   n |
            | ---- | --: |
            | a\|b |  10 |
        "]]
        .assert_eq(&print(
            MARKDOWN,
            false,
            vec![row(Some(&shown("a|b", MARKDOWN, Layout::of(false, true))), 10)],
        ));
    }

    #[test]
    fn a_long_result_is_cut_on_a_terminal_only() {
        let rows = || (0..100).map(|n| row(Some("x"), n)).collect::<Vec<_>>();
        assert_eq!(print(PLAIN, false, rows()).lines().count(), 103);
        let cut = print(PLAIN, true, rows());
        assert_eq!(cut.lines().count(), 2 + TERMINAL_ROWS + 1 + 1);
        assert!(cut.ends_with(" x    | 99\n(100 rows, 40 not shown)\n"), "{cut}");
    }

    #[test]
    fn a_cell_cannot_drive_the_terminal() {
        assert_eq!(shown("a\x1b[2J\n", PLAIN, Layout::of(true, true)), "a\\u{1b}[2J\\n");
    }
}
