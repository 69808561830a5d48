//! Every grammar rule in words, for messages.
//!
//! The rule `where_clause` is "`WHERE`"; `operand` is "an expression".
//!
//! Invariants: a rule without words of its own says nothing rather than its internal name.
//!
//! Does not: build messages; see `errors`.

use super::rules::Rule;
use super::tree::is_keyword;

/// What a rule stands for, coarse enough for a list in a message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Expected {
    /// An expression.
    Expression,
    /// A name.
    Name,
    /// A relation: table, file, subquery.
    Relation,
    /// A type.
    Type,
    /// A query.
    Query,
    /// A statement.
    Statement,
    /// A string.
    String,
    /// A whole number.
    Number,
    /// Something else, in words.
    Other(&'static str),
    /// A clause that may follow, by its words.
    Clause(&'static str),
    /// A keyword, in capitals.
    Keyword(String),
    /// An operator, or what else may continue a complete expression.
    Operator,
    /// The end of the statement.
    End,
}

/// What CREATE, DROP and DESCRIBE take.
pub(super) const OBJECT: &str = "a kind of object such as `TABLE`";

/// What ALTER TABLE takes.
pub(super) const CHANGE: &str = "a change such as `ADD COLUMN`";

/// What may follow a column's type.
pub(super) const CONSTRAINT: &str = "a constraint such as `NOT NULL`";

/// What to say for a rule that could have matched.
pub(super) fn expected(rule: Rule) -> Option<Expected> {
    if is_keyword(rule) {
        return Some(match keyword_clause(rule) {
            "" => Expected::Keyword(format!("{rule:?}").trim_start_matches("kw_").to_ascii_uppercase()),
            clause => Expected::Clause(clause),
        });
    }
    Some(match rule {
        Rule::expr | Rule::plain_expr | Rule::operand | Rule::name_or_call | Rule::number | Rule::param => {
            Expected::Expression
        }
        Rule::paren_expr | Rule::array_lit | Rule::brace_expr | Rule::case_expr | Rule::cast_expr => {
            Expected::Expression
        }
        Rule::call_args | Rule::star_arg | Rule::trim_args | Rule::named_arg | Rule::case_operand => {
            Expected::Expression
        }
        Rule::select_item | Rule::star_item | Rule::order_item | Rule::struct_field | Rule::estring => {
            Expected::Expression
        }
        Rule::word | Rule::backtick | Rule::dquoted | Rule::set_name | Rule::table_path => Expected::Name,
        Rule::object_name | Rule::column_def | Rule::free_path => Expected::Name,
        Rule::change_target | Rule::insert_target | Rule::set_item => Expected::Name,
        Rule::table_item | Rule::table_primary | Rule::table_name | Rule::table_paren => Expected::Relation,
        Rule::type_name | Rule::type_words | Rule::type_struct | Rule::type_generic => Expected::Type,
        Rule::query | Rule::query_term | Rule::nested_query | Rule::values_clause => Expected::Query,
        Rule::squoted => Expected::String,
        Rule::integer => Expected::Number,
        Rule::interval_unit => Expected::Other("a unit such as `day`"),
        Rule::statement_end | Rule::line_begins | Rule::EOI => Expected::End,
        Rule::open_paren => Expected::Other("`(`"),
        Rule::between_word => Expected::Other("`BETWEEN`"),
        Rule::and_word => Expected::Other("`AND`"),
        Rule::equals => Expected::Other("`=`"),
        Rule::column_list | Rule::columns => Expected::Other("names in parentheses"),
        Rule::create_object | Rule::object_kind => Expected::Other(OBJECT),
        Rule::table_elements => Expected::Other("columns in parentheses"),
        Rule::alter_actions => Expected::Other(CHANGE),
        Rule::column_constraint => Expected::Other(CONSTRAINT),
        Rule::referential_action => Expected::Other("an action such as `CASCADE`"),
        Rule::when => Expected::Other("a point in time"),
        Rule::transaction_mode => Expected::Other("a mode such as `READ ONLY`"),
        Rule::isolation_level => Expected::Other("a level such as `SERIALIZABLE`"),
        Rule::merge_when => Expected::Keyword("WHEN".to_owned()),
        Rule::merge_rows => Expected::Keyword("MATCHED".to_owned()),
        Rule::merge_action => Expected::Other("`UPDATE`, `DELETE`, `INSERT` or `DO NOTHING`"),
        Rule::set_row => Expected::Other("values in parentheses"),
        Rule::table_alias => Expected::Other("an alias"),
        Rule::join_condition => Expected::Other("`ON` or `USING`"),
        Rule::copy_options => Expected::Other("options in parentheses"),
        Rule::values_row => Expected::Other("a row in parentheses"),
        Rule::case_arm => Expected::Keyword("WHEN".to_owned()),
        Rule::case_else => Expected::Keyword("ELSE".to_owned()),
        Rule::window_spec => Expected::Other("a window in parentheses"),
        Rule::partition_clause | Rule::partition_word => Expected::Clause("PARTITION BY"),
        Rule::frame_clause | Rule::frame_unit => Expected::Other("a frame such as `ROWS …`"),
        Rule::frame_side => Expected::Other("`PRECEDING` or `FOLLOWING`"),
        Rule::join_suffix | Rule::join_head => Expected::Clause("JOIN"),
        Rule::set_op => Expected::Clause("UNION"),
        Rule::braces | Rule::block => Expected::Other("a block in braces"),
        _ if is_statement(rule) => Expected::Statement,
        _ if is_operator(rule) => Expected::Operator,
        _ => match clause_name(rule) {
            "" => return in_body(rule),
            name => Expected::Clause(name),
        },
    })
}

/// What stands in the place of a rule of blocks and functions.
fn in_body(rule: Rule) -> Option<Expected> {
    Some(match rule {
        Rule::bare_expr => Expected::Expression,
        Rule::match_arm => Expected::Other("an arm such as `_ -> 0`"),
        Rule::pattern | Rule::pattern_value => Expected::Other("a pattern"),
        Rule::routine_params => Expected::Other("parameters in parentheses"),
        Rule::routine_body => Expected::Other("a body"),
        Rule::catch_clause | Rule::catch_word => Expected::Keyword("CATCH".to_owned()),
        Rule::raises_word => Expected::Keyword("RAISES".to_owned()),
        Rule::returns_word => Expected::Keyword("RETURNS".to_owned()),
        _ => return None,
    })
}

/// The clause that a keyword begins; pest reports the keyword where it has nothing else to report.
fn keyword_clause(rule: Rule) -> &'static str {
    match rule {
        Rule::kw_from => "FROM",
        Rule::kw_where => "WHERE",
        Rule::kw_group => "GROUP BY",
        Rule::kw_having => "HAVING",
        Rule::kw_qualify => "QUALIFY",
        Rule::kw_window => "WINDOW",
        Rule::kw_order => "ORDER BY",
        Rule::kw_limit | Rule::kw_fetch => "LIMIT",
        Rule::kw_offset => "OFFSET",
        Rule::kw_union | Rule::kw_intersect | Rule::kw_except => "UNION",
        Rule::kw_join => "JOIN",
        _ => "",
    }
}

fn is_statement(rule: Rule) -> bool {
    format!("{rule:?}").ends_with("_stmt") || rule == Rule::assignment
}

fn is_operator(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::op_and
            | Rule::op_or
            | Rule::op_compare
            | Rule::op_add
            | Rule::op_mul
            | Rule::op_coalesce
            | Rule::op_pipe
            | Rule::op_between
            | Rule::op_like
            | Rule::op_escape
            | Rule::op_distinct
            | Rule::op_other
            | Rule::op_arrow
            | Rule::is_suffix
            | Rule::in_suffix
            | Rule::as_cast
            | Rule::cast_postfix
            | Rule::subscript
            | Rule::method
            | Rule::safe_subscript
            | Rule::field
    )
}

/// The name of a clause in capitals; empty for a rule that is none.
pub(super) fn clause_name(rule: Rule) -> &'static str {
    match rule {
        Rule::select_clause => "SELECT",
        Rule::from_clause => "FROM",
        Rule::where_clause => "WHERE",
        Rule::group_clause => "GROUP BY",
        Rule::having_clause => "HAVING",
        Rule::qualify_clause => "QUALIFY",
        Rule::window_clause => "WINDOW",
        Rule::order_clause => "ORDER BY",
        Rule::limit_clause => "LIMIT",
        Rule::offset_clause => "OFFSET",
        Rule::with_clause => "WITH",
        _ => "",
    }
}
