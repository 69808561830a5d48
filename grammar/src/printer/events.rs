//! From pest's tree and the tokens to layout events.
//!
//! `where a and b` becomes `begin "WHERE" indent line "a" line "AND" space "b" dedent end`.
//!
//! Invariants: every token of the statement becomes exactly one text; comments are flushed at the first event after the
//! token before them, so that they break the groups around the gap and no others.
//!
//! Does not: choose between one line and several; see `layout`.

mod blocks;
mod clauses;
mod expressions;
mod programs;
mod tokens;

pub(super) use self::blocks::{Closed, closes, is_left};
use self::programs::is_program;
use super::layout::Event;
use crate::parser::rules::Rule;
use crate::parser::tree::{Node, is_keyword};
use crate::scan::Token;

/// Stands for a bracket that holds on to what is in it, among those that are open.
const HUG: &str = "";

/// The events of one statement, as they are made.
pub(super) struct Tree<'a> {
    script: &'a str,
    /// Where the statement begins in the script.
    base: usize,
    tokens: Vec<Token>,
    /// The next token to write.
    at: usize,
    events: Vec<Event>,
    /// No space before the next token.
    glue: bool,
    /// The last token written, for the space after it.
    last: &'a str,
    /// Words are kept as they are: names, and text that is only stepped over.
    verbatim: usize,
    /// In text that the grammar only steps over: tokens that touch go on touching.
    skimmed: usize,
    /// Inside the angle brackets of a type.
    types: usize,
    /// The brackets that are open.
    brackets: Vec<&'a str>,
    /// The next VALUES row is assigned to columns.
    assigns: bool,
    /// Nested queries: the clauses of the outermost one stand on lines of their own.
    queries: usize,
    /// Unless the text has it on one line, within a program.
    compact: bool,
    /// Words of the language are written in lower case: those of programs.
    lower: bool,
    /// Blocks around what is written.
    blocks: usize,
    /// The event that the statement begins with.
    first: usize,
    /// The next expression begins on the line of what is before it.
    hangs: bool,
    /// A block stands behind the next expression.
    heads: bool,
    /// The next bracket holds on to what is in it.
    hugs: bool,
}

impl<'a> Tree<'a> {
    pub(super) fn new(script: &'a str, base: usize, tokens: Vec<Token>) -> Self {
        Self {
            script,
            base,
            tokens,
            at: 0,
            events: Vec::new(),
            glue: false,
            last: "",
            verbatim: 0,
            skimmed: 0,
            types: 0,
            brackets: Vec::new(),
            assigns: false,
            queries: 0,
            compact: false,
            lower: false,
            blocks: 0,
            first: 0,
            hangs: false,
            heads: false,
            hugs: false,
        }
    }

    /// The events, after whatever tokens are left, and a semicolon if one is wanted.
    pub(super) fn finish(mut self, semicolon: bool) -> Vec<Event> {
        self.raw_until(usize::MAX);
        self.flush();
        if semicolon {
            self.events.push(Event::Text(";".to_owned()));
        }
        self.events
    }

    /// Writes a node.
    pub(super) fn node(&mut self, node: Node<'_>) {
        let start = self.base + node.as_span().start();
        let end = start + node.as_str().trim_end().len();
        self.raw_until(start);
        if is_program(node.as_rule()) {
            return self.program(node, end);
        }
        match node.as_rule() {
            Rule::query => self.query(node, end),
            Rule::query_term | Rule::query_rest => self.children(node, end, Self::clause),
            Rule::expr | Rule::plain_expr | Rule::case_operand => self.expression(node, end),
            Rule::case_expr => self.case(node, end),
            Rule::window_spec => self.window(node, end),
            Rule::table_item => self.table_item(node, end),
            Rule::join_condition => self.indented(node, end),
            Rule::param => self.parameter(start, end),
            Rule::change_stmt => self.change(node, end),
            Rule::alter_actions => self.actions(node, end),
            Rule::insert_stmt | Rule::upsert_stmt => self.children(node, end, Self::insert_part),
            Rule::values_row | Rule::merge_insert | Rule::set_item | Rule::set_row => self.assigned(node, end),
            Rule::drop_stmt | Rule::truncate_stmt | Rule::begin_stmt => {
                self.push(Event::Begin);
                self.children(node, end, Self::node);
                self.push(Event::End);
            }
            rule if is_clause(rule) => self.clause(node),
            Rule::type_generic => {
                self.cut(end);
                self.types += 1;
                self.children(node, end, Self::node);
                self.types -= 1;
            }
            Rule::op_other | Rule::op_arrow if !node.as_str().starts_with(char::is_alphabetic) => {
                // One operator may be several tokens: `>>` also closes two types.
                for at in start..end {
                    self.glue = at > start;
                    self.raw_until(at + 1);
                }
                self.glue = false;
            }
            Rule::word | Rule::at_word | Rule::type_words | Rule::generic_word | Rule::on_word => {
                self.verbatim += 1;
                self.raw_until(end);
                self.verbatim -= 1;
            }
            Rule::swallow | Rule::parens | Rule::braces | Rule::brackets => {
                self.verbatim += 1;
                self.skimmed += 1;
                self.raw_until(end);
                self.skimmed -= 1;
                self.verbatim -= 1;
            }
            rule => {
                let is_separate = match rule {
                    Rule::column_list => self.last.eq_ignore_ascii_case("using"),
                    Rule::type_fields | Rule::type_labels => self.last.eq_ignore_ascii_case("as"),
                    _ => !is_glued(rule),
                };
                if !is_separate {
                    self.glue = true;
                }
                self.children(node, end, Self::node);
                if matches!(rule, Rule::op_neg | Rule::op_pos | Rule::op_bang | Rule::slice_colon) {
                    self.glue = true;
                }
            }
        }
    }

    /// Writes a node's tokens, each child by `child`.
    fn children(&mut self, node: Node<'_>, end: usize, child: fn(&mut Self, Node<'_>)) {
        for inner in node.into_inner().filter(|inner| !inner.as_str().is_empty()) {
            child(self, inner);
        }
        self.raw_until(end);
    }

    fn query(&mut self, node: Node<'_>, end: usize) {
        let lower = std::mem::replace(&mut self.lower, false);
        self.queries += 1;
        self.children(node, end, Self::clause);
        self.queries -= 1;
        self.lower = lower;
    }

    /// A part of a query: each begins a line.
    fn clause(&mut self, node: Node<'_>) {
        let rule = node.as_rule();
        let start = self.base + node.as_span().start();
        let end = start + node.as_str().trim_end().len();
        if is_keyword(rule) || matches!(rule, Rule::direction) {
            return self.node(node);
        }
        if rule == Rule::query_term {
            return self.node(node);
        }
        self.raw_until(start);
        let begins_query = self.is_first_of_query();
        if !begins_query {
            self.clause_break();
        }
        match rule {
            Rule::select_clause | Rule::from_clause | Rule::where_clause | Rule::group_clause | Rule::having_clause => {
                self.list_clause(node, end);
            }
            Rule::qualify_clause | Rule::order_clause | Rule::values_clause => self.list_clause(node, end),
            Rule::set_clause | Rule::using_clause | Rule::returning_clause => self.list_clause(node, end),
            Rule::merge_using | Rule::merge_on => self.list_clause(node, end),
            Rule::conflict_clause | Rule::merge_when => self.branch(node, end),
            Rule::with_options => self.children(node, end, Self::node),
            Rule::with_clause => {
                self.children(node, end, Self::cte_part);
            }
            Rule::set_op => {
                self.node(node);
                self.clause_break();
            }
            _ => self.node(node),
        }
    }

    /// Nothing of this query has been written: it stands at the start, or right behind what opens it.
    fn is_first_of_query(&self) -> bool {
        match self
            .events
            .iter()
            .rev()
            .find(|event| !matches!(event, Event::Begin | Event::Indent | Event::Dedent))
        {
            None => true,
            Some(Event::Soft | Event::Line | Event::Hard | Event::Blank) => true,
            Some(_) => false,
        }
    }

    fn clause_break(&mut self) {
        let outermost = self.queries <= 1 && self.brackets.is_empty();
        self.push(if outermost && !self.compact {
            Event::Hard
        } else {
            Event::Line
        });
    }

    fn cte_part(&mut self, node: Node<'_>) {
        let later = self.last == ",";
        if later {
            self.clause_break();
        }
        self.node(node);
    }

    /// Keywords, then a list that goes on the same line if it fits, else one item per line.
    fn list_clause(&mut self, node: Node<'_>, end: usize) {
        self.push(Event::Begin);
        let mut indented = false;
        // `FROM (` holds on to its subquery.
        let hugs = node.as_rule() == Rule::from_clause && is_one_subquery(&node);
        for inner in node.into_inner().filter(|inner| !inner.as_str().is_empty()) {
            let heads = is_keyword(inner.as_rule())
                || matches!(
                    inner.as_rule(),
                    Rule::select_distinct | Rule::select_all | Rule::distinct_on
                );
            if !heads && !indented && !hugs {
                indented = true;
                self.raw_until(self.base + inner.as_span().start());
                self.push(Event::Indent);
                self.push(Event::Line);
            }
            self.node(inner);
        }
        self.raw_until(end);
        if indented {
            self.push(Event::Dedent);
        }
        self.push(Event::End);
    }

    /// `:name` is two tokens and one word.
    fn parameter(&mut self, start: usize, end: usize) {
        let text = self.script.get(start..end).unwrap_or_default();
        if !text.starts_with(':') {
            return self.raw_until(end);
        }
        self.write_owned(text.to_owned(), self.glue);
        self.last = text;
        while self.tokens.get(self.at).is_some_and(|token| token.start < end) {
            self.at += 1;
        }
    }

    fn indented(&mut self, node: Node<'_>, end: usize) {
        self.push(Event::Indent);
        self.children(node, end, Self::node);
        self.push(Event::Dedent);
    }

    fn table_item(&mut self, node: Node<'_>, end: usize) {
        self.push(Event::Begin);
        for inner in node.into_inner() {
            if inner.as_rule() == Rule::join_suffix {
                self.push(Event::Line);
            }
            self.node(inner);
        }
        self.raw_until(end);
        self.push(Event::End);
    }
}

/// A FROM clause with one relation, which begins with a bracket.
fn is_one_subquery(from: &Node<'_>) -> bool {
    let mut items = from
        .clone()
        .into_inner()
        .filter(|inner| inner.as_rule() == Rule::table_item);
    items.next().is_some_and(|item| item.as_str().starts_with('(')) && items.next().is_none()
}

/// Clauses of statements that are no queries: each begins a line.
fn is_clause(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::with_clause
            | Rule::from_clause
            | Rule::where_clause
            | Rule::set_clause
            | Rule::using_clause
            | Rule::returning_clause
            | Rule::conflict_clause
            | Rule::merge_using
            | Rule::merge_on
            | Rule::merge_when
            | Rule::with_options
    )
}

/// Rules whose first token stands directly behind what comes before.
fn is_glued(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::call_tail
            | Rule::subscript
            | Rule::safe_subscript
            | Rule::field
            | Rule::method
            | Rule::cast_postfix
            | Rule::type_params
            | Rule::array_suffix
            | Rule::table_args
            | Rule::slice_colon
            | Rule::target_index
            | Rule::macro_params
    )
}
