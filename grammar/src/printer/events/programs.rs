//! The layout of programs: what stands before and between blocks.
//!
//! `for r in select a from t {` is one line if it fits; else the query begins a line, and so does the brace.
//!
//! Invariants: words of programs are written in lower case, those of SQL within them in upper case.
//!
//! Does not: lay out what is in blocks; see `blocks`.

use super::Tree;
use super::blocks::is_one_line;
use crate::parser::rules::Rule;
use crate::parser::tree::Node;
use crate::printer::layout::Event;

impl Tree<'_> {
    /// Writes a node for which [`is_program`] holds.
    pub(super) fn program(&mut self, node: Node<'_>, end: usize) {
        let lower = std::mem::replace(&mut self.lower, true);
        match node.as_rule() {
            Rule::block => self.own_block(node, end),
            Rule::query_stmt => {
                self.lower = false;
                self.query_statement(node, end);
            }
            Rule::function_stmt | Rule::upsert_routine_stmt | Rule::create_routine_stmt => self.routine(node, end),
            Rule::macro_stmt => self.made(node, end),
            Rule::exception_stmt => self.exception(node, end),
            Rule::call_tail => self.call(node, end, lower),
            Rule::match_postfix | Rule::match_arms | Rule::catch_arms => self.arms(node, end, lower),
            Rule::try_expr => {
                self.push(Event::Begin);
                let one_line = is_one_line(&node);
                self.attempt(node, end, one_line);
                self.push(Event::End);
            }
            Rule::create_trigger_stmt => self.create_trigger(node, end),
            Rule::match_word
            | Rule::match_head
            | Rule::try_head
            | Rule::catch_word
            | Rule::guard_word
            | Rule::effect_head => self.raw_until(end),
            Rule::type_struct | Rule::map_lit => self.children(node, end, Self::node),
            _ => {
                let one_line = is_one_line(&node);
                self.sentence(node, end, one_line);
            }
        }
        self.lower = lower;
    }

    /// Words, values and blocks.
    fn sentence(&mut self, node: Node<'_>, end: usize, one_line: bool) {
        let mut inner = node.into_inner().filter(|inner| !inner.as_str().is_empty()).peekable();
        while let Some(part) = inner.next() {
            let start = self.base + part.as_span().start();
            let part_end = start + part.as_str().trim_end().len();
            let next = inner.peek().map(Node::as_rule);
            self.raw_until(start);
            match part.as_rule() {
                Rule::query => self.value_query(part, next),
                Rule::expr => {
                    self.hangs = true;
                    self.heads = matches!(next, Some(Rule::block | Rule::kw_then));
                    self.node(part);
                    (self.hangs, self.heads) = (false, false);
                }
                Rule::block => self.block(part, part_end, one_line),
                Rule::then_block | Rule::elif_block | Rule::else_block | Rule::elif_then | Rule::else_then => {
                    self.sentence(part, part_end, one_line);
                }
                Rule::then_items => self.then_items(part, one_line),
                _ => self.node(part),
            }
        }
        self.raw_until(end);
    }

    /// A query by itself, and what is done with its rows.
    fn query_statement(&mut self, node: Node<'_>, end: usize) {
        let one_line = is_one_line(&node);
        let mut inner = node.into_inner();
        let (query, then) = (inner.next(), inner.next());
        if let Some(query) = query {
            if self.blocks > 0 && self.events.len() == self.first {
                self.compact = is_one_line(&query);
            }
            self.push(Event::Begin);
            self.node(query);
            if let Some(then) = &then {
                self.raw_until(self.base + then.as_span().start());
                self.break_clause();
            }
            self.push(Event::End);
        }
        if let Some(then) = then {
            self.then_block(then, end, one_line);
        }
        self.raw_until(end);
    }

    fn then_block(&mut self, node: Node<'_>, end: usize, one_line: bool) {
        let lower = std::mem::replace(&mut self.lower, true);
        self.sentence(node, end, one_line);
        self.lower = lower;
    }

    fn break_clause(&mut self) {
        self.push(if self.compact { Event::Line } else { Event::Hard });
    }

    /// A query as a value: on the line of what is before it, or on lines of its own.
    fn value_query(&mut self, query: Node<'_>, next: Option<Rule>) {
        let compact = std::mem::replace(&mut self.compact, is_one_line(&query));
        self.push(Event::Begin);
        self.push(Event::Indent);
        self.push(Event::Line);
        self.node(query);
        self.push(Event::Dedent);
        if matches!(next, Some(Rule::block | Rule::then_block)) {
            self.break_clause();
        }
        self.push(Event::End);
        self.compact = compact;
    }

    /// The statements between THEN and END.
    fn then_items(&mut self, node: Node<'_>, one_line: bool) {
        let until = self.base + node.as_span().start() + node.as_str().trim_end().len();
        self.blocks += 1;
        self.push(Event::Indent);
        self.items(node.into_inner(), until, one_line);
        self.push(Event::Dedent);
        self.blocks -= 1;
        self.push(if one_line { Event::Line } else { Event::Hard });
    }

    /// `try … catch …`, whose blocks break together.
    fn attempt(&mut self, node: Node<'_>, end: usize, one_line: bool) {
        for inner in node.into_inner().filter(|inner| !inner.as_str().is_empty()) {
            let start = self.base + inner.as_span().start();
            let inner_end = start + inner.as_str().trim_end().len();
            self.raw_until(start);
            match inner.as_rule() {
                Rule::block => self.block(inner, inner_end, one_line),
                Rule::catch_clause => self.attempt(inner, inner_end, one_line),
                _ => self.node(inner),
            }
        }
        self.raw_until(end);
    }

    /// `match {…}` and `catch {…}`: on one line if the author wrote them on one and they fit; else an arm a line.
    fn arms(&mut self, node: Node<'_>, end: usize, lower: bool) {
        let mut opened = node.as_rule() == Rule::catch_arms;
        let one_line = is_one_line(&node);
        if opened {
            self.open_arms(one_line);
        }
        self.lower = lower;
        let mut is_first = true;
        for inner in node.into_inner() {
            let is_arm = matches!(inner.as_rule(), Rule::match_arm | Rule::catch_arm);
            if is_arm && !opened {
                opened = true;
                self.open_arms(one_line);
            }
            self.raw_until(self.base + inner.as_span().start());
            if is_arm && !std::mem::replace(&mut is_first, false) && self.last != "," {
                self.push(Event::Line);
            }
            self.node(inner);
        }
        self.raw_until(end);
    }

    fn open_arms(&mut self, one_line: bool) {
        self.symbol(false);
        self.brackets.push("{");
        self.push(Event::Begin);
        self.push(Event::Indent);
        self.push(if one_line { Event::Soft } else { Event::Hard });
        self.glue = true;
    }

    /// `f(x => { … })` holds on to its block.
    fn call(&mut self, node: Node<'_>, end: usize, lower: bool) {
        self.lower = lower;
        self.hugs = hugs(&node);
        self.glue = true;
        self.children(node, end, Self::node);
        self.hugs = false;
    }

    /// A function or procedure: with metadata each part of its head has a line of its own, if they do not fit one.
    fn routine(&mut self, node: Node<'_>, end: usize) {
        let one_line = is_one_line(&node);
        let has_metadata = node.clone().into_inner().any(|inner| inner.as_rule() == Rule::metadata);
        let gap = if has_metadata { Event::Line } else { Event::Space };
        let mut behind_metadata = false;
        self.push(Event::Begin);
        for inner in node.into_inner().filter(|inner| !inner.as_str().is_empty()) {
            let start = self.base + inner.as_span().start();
            let inner_end = start + inner.as_str().trim_end().len();
            self.raw_until(start);
            match inner.as_rule() {
                Rule::metadata => {
                    self.push(gap.clone());
                    self.metadata(inner, inner_end);
                    behind_metadata = true;
                }
                Rule::routine_params => {
                    if std::mem::take(&mut behind_metadata) {
                        self.push(gap.clone());
                    } else {
                        self.glue = true;
                    }
                    self.node(inner);
                }
                Rule::receiver | Rule::generic_params => {
                    self.cut(inner_end);
                    let is_apart = self
                        .script
                        .get(..start)
                        .unwrap_or_default()
                        .ends_with(char::is_whitespace);
                    self.symbol(!is_apart);
                    self.glue = true;
                    self.types += 1;
                    self.children(inner, inner_end, Self::node);
                    self.types -= 1;
                }
                Rule::raises_clause | Rule::returns_clause | Rule::mode_clause => {
                    self.push(gap.clone());
                    self.push(Event::Begin);
                    self.node(inner);
                    self.push(Event::End);
                }
                Rule::routine_body => self.body(inner, inner_end, one_line, has_metadata),
                _ => self.node(inner),
            }
        }
        self.raw_until(end);
    }

    /// Ends the group of the head.
    fn body(&mut self, node: Node<'_>, end: usize, one_line: bool, has_metadata: bool) {
        let is_block = node.clone().into_inner().any(|inner| inner.as_rule() == Rule::block);
        if has_metadata && is_block {
            self.push(Event::Line);
        }
        if !is_block {
            self.push(Event::End);
        }
        for inner in node.into_inner() {
            let start = self.base + inner.as_span().start();
            let inner_end = start + inner.as_str().trim_end().len();
            self.raw_until(start);
            match inner.as_rule() {
                Rule::block => {
                    self.push(Event::End);
                    self.block(inner, inner_end, one_line);
                }
                Rule::query => self.value_query(inner, None),
                Rule::expr if inner.clone().into_inner().count() > 1 => {
                    self.push(Event::Begin);
                    self.push(Event::Indent);
                    self.push(Event::Line);
                    self.node(inner);
                    self.push(Event::Dedent);
                    self.push(Event::End);
                }
                _ => self.node(inner),
            }
        }
        self.raw_until(end);
    }

    /// `<{ key: value, … }>`.
    fn metadata(&mut self, node: Node<'_>, end: usize) {
        self.cut(end);
        self.symbol(false);
        for braces in node.into_inner() {
            self.symbol(true);
            self.brackets.push("{");
            self.push(Event::Begin);
            self.push(Event::Indent);
            self.push(Event::Line);
            let braces_end = self.base + braces.as_span().start() + braces.as_str().trim_end().len();
            for field in braces.into_inner() {
                self.node(field);
            }
            self.raw_until(braces_end - 1);
            self.brackets.pop();
            self.push(Event::Dedent);
            self.push(Event::Line);
            self.symbol(false);
            self.push(Event::End);
        }
        self.symbol(true);
        self.raw_until(end);
    }

    /// `macro m(a) { a + 1 }`.
    fn made(&mut self, node: Node<'_>, end: usize) {
        let braced = is_braced_macro(&node);
        for inner in node.into_inner() {
            let start = self.base + inner.as_span().start();
            if inner.as_rule() != Rule::expr {
                self.node(inner);
            } else if braced {
                self.until_brace();
                self.symbol(false);
                self.push(Event::Indent);
                self.push(Event::Line);
                self.node(inner);
                self.between_macro(end);
                self.push(Event::Dedent);
                self.push(Event::Line);
                self.symbol(false);
            } else {
                self.raw_until(start);
                self.hangs = true;
                self.node(inner);
                self.hangs = false;
            }
        }
        self.raw_until(end);
    }

    fn until_brace(&mut self) {
        while let Some(token) = self.tokens.get(self.at).copied() {
            match self.script.get(token.start..token.end) {
                Some("{") => return,
                _ if token.kind == crate::scan::Kind::Comment => self.flush(),
                _ => self.token(token),
            }
        }
    }

    /// The semicolons before the brace that ends a macro.
    fn between_macro(&mut self, end: usize) {
        while let Some(token) = self.tokens.get(self.at).copied().filter(|token| token.start + 1 < end) {
            match self.script.get(token.start..token.end) {
                Some(";") => self.at += 1,
                _ => self.flush(),
            }
        }
    }

    /// `type exception as NoStock('none is left')`.
    fn exception(&mut self, node: Node<'_>, end: usize) {
        for inner in node.into_inner() {
            let start = self.base + inner.as_span().start();
            if matches!(inner.as_rule(), Rule::squoted | Rule::dquoted) && self.is_bracket() {
                self.glue = true;
            }
            self.raw_until(start);
            self.node(inner);
        }
        self.raw_until(end);
    }

    fn is_bracket(&self) -> bool {
        let text = self
            .tokens
            .get(self.at)
            .and_then(|token| self.script.get(token.start..token.end));
        text == Some("(")
    }

    /// `CREATE TRIGGER …` on one line if it fits; else what it does begins another, and at last each clause does.
    fn create_trigger(&mut self, node: Node<'_>, end: usize) {
        self.lower = false;
        self.push(Event::Begin);
        self.push(Event::Indent);
        let mut clauses = 0;
        for inner in node.into_inner() {
            self.raw_until(self.base + inner.as_span().start());
            if matches!(
                inner.as_rule(),
                Rule::trigger_tables | Rule::trigger_level | Rule::trigger_when | Rule::trigger_call
            ) {
                self.push(Event::Line);
                if clauses == 0 {
                    self.push(Event::Begin);
                }
                clauses += 1;
            }
            self.node(inner);
        }
        self.raw_until(end);
        if clauses > 0 {
            self.push(Event::End);
        }
        self.push(Event::Dedent);
        self.push(Event::End);
    }
}

/// A call whose last argument is a lambda with a block.
fn hugs(call: &Node<'_>) -> bool {
    let args = call.clone().into_inner().next();
    let last = args.filter(|args| args.as_rule() == Rule::call_args).and_then(last_of);
    let value = match last {
        Some(named) if named.as_rule() == Rule::named_arg => last_of(named),
        last => last,
    };
    let value = value.filter(|value| value.as_rule() == Rule::expr);
    value.and_then(last_of).is_some_and(|end| end.as_rule() == Rule::block)
}

fn last_of(node: Node<'_>) -> Option<Node<'_>> {
    node.into_inner().last()
}

/// `macro m(a) { … }`, not `macro m(a) => …`.
pub(super) fn is_braced_macro(node: &Node<'_>) -> bool {
    let params = node
        .clone()
        .into_inner()
        .find(|inner| inner.as_rule() == Rule::macro_params);
    let params = params.map_or(0, |params| params.as_span().end() - node.as_span().start());
    let rest = node.as_str().get(params..).unwrap_or_default().trim_start();
    let behind_as = rest
        .get(..2)
        .filter(|word| word.eq_ignore_ascii_case("as"))
        .map(|_| rest.get(2..));
    behind_as.flatten().unwrap_or(rest).trim_start().starts_with('{')
}

/// Words behind which `::` stands like AS.
pub(super) fn declares(word: &str) -> bool {
    ["struct", "enum", "exception"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(word))
}

/// What this file lays out.
pub(super) fn is_program(rule: Rule) -> bool {
    is_procedural(rule)
        || matches!(
            rule,
            Rule::block
                | Rule::query_stmt
                | Rule::call_tail
                | Rule::match_postfix
                | Rule::match_arms
                | Rule::catch_arms
                | Rule::try_expr
                | Rule::match_word
                | Rule::match_head
                | Rule::try_head
                | Rule::catch_word
                | Rule::guard_word
                | Rule::effect_head
                | Rule::type_struct
                | Rule::map_lit
        )
}

/// Statements of programs.
pub(super) fn is_procedural(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::let_stmt
            | Rule::assignment
            | Rule::if_stmt
            | Rule::while_stmt
            | Rule::for_stmt
            | Rule::return_stmt
            | Rule::break_stmt
            | Rule::continue_stmt
            | Rule::throw_stmt
            | Rule::yield_stmt
            | Rule::assert_stmt
            | Rule::call_stmt
            | Rule::test_stmt
            | Rule::function_stmt
            | Rule::upsert_routine_stmt
            | Rule::create_routine_stmt
            | Rule::exception_stmt
            | Rule::type_stmt
            | Rule::macro_stmt
            | Rule::module_stmt
            | Rule::import_stmt
            | Rule::value_stmt
            | Rule::bare_expr
            | Rule::upsert_trigger_stmt
            | Rule::create_trigger_stmt
    )
}
