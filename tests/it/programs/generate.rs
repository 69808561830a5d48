//! Random programs of the language that are well typed and come to an end.
//!
//! The bytes `[3, 1, 4, …]` become a function of a dozen statements over numbers, texts, arrays, arrays of arrays, a struct, a map, JSON and a
//! UUID, and calls of it, some of them in queries.
//!
//! Invariants: a program has no error but those of running it; the same bytes make the same program; the two ways of writing one, in place
//! and by copies, mean the same.
//!
//! Does not: run anything.

/// How arrays, structs and texts are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `a[i] = x`, `a = a || [x]`, `s = s || x`.
    InPlace,
    /// The same by functions that make another value.
    ByCopies,
}

/// A program.
pub fn program(bytes: &[u8], style: Style) -> String {
    let mut writer = Writer {
        bytes,
        style,
        out: String::new(),
        depth: 0,
        loops: 0,
        counters: 0,
        left: 24,
        element: None,
        tries: 0,
        in_function: true,
    };
    writer.line("type exception as Odd('odd')");
    writer.line("function fib(n int) returns int => case when n < 2 then n else fib(n - 1) + fib(n - 2) end");
    writer.function();
    writer.in_function = false;
    writer.left = 60;
    writer.main();
    writer.out
}

struct Writer<'b> {
    bytes: &'b [u8],
    style: Style,
    out: String,
    /// Blocks around the statement.
    depth: usize,
    /// Loops around it.
    loops: usize,
    /// Counters of loops so far.
    counters: usize,
    /// Statements that may still be written.
    left: usize,
    /// What the element of an array is called here.
    element: Option<&'static str>,
    /// `try` around it, in the same function.
    tries: usize,
    in_function: bool,
}

impl Writer<'_> {
    /// A number below `n`; 0 where the bytes have ended.
    fn pick(&mut self, n: usize) -> usize {
        let Some((first, rest)) = self.bytes.split_first() else {
            return 0;
        };
        self.bytes = rest;
        *first as usize % n
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(&"  ".repeat(self.depth));
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn function(&mut self) {
        self.line("function f(n int, xs array<int>) returns int {");
        self.depth = 1;
        self.variables();
        self.line("i0 = n");
        self.line("a0 = xs");
        self.statements(6);
        self.line("return i0 + array_length(a0)");
        self.depth = 0;
        self.line("}");
    }

    fn main(&mut self) {
        self.line("function main() returns string {");
        self.depth = 1;
        self.variables();
        self.statements(14);
        self.line(
            "return f'{i0} {i1} {d0} {b0} {s0} {s1} {a0} {a1} {m0} {t0} {p0.x} {p0.y} {p0.s} {h0} {j0} {u0} {c0}'",
        );
        self.depth = 0;
        self.line("}");
        self.line("let shown = main()");
        self.line("select shown");
    }

    fn variables(&mut self) {
        for line in [
            "let i0: int = 3",
            "let i1: int = 7",
            "let v: int = 0",
            "let w: string = ''",
            "let d0: double = 1.5e0",
            "let b0: boolean = true",
            "let s0: string = 'ab'",
            "let s1: string = 'a text of more than twelve bytes'",
            "let a0: array<int> = [1, 2, 3]",
            "let a1: array<int> = range(5) |> map(x => x * x)",
            "let m0: array<array<int>> = [[1, 2], [3, 4]]",
            "let t0: array<string> = ['x', 'a second text of more than twelve']",
            "let p0: struct(x int, y array<int>, s string) = {x: 1, y: [5, 6], s: 'p'}",
            "let h0: map<string, int> = map{'q': 1, 'ab': 2}",
            "let j0: json = '{\"k\": [1, 20], \"s\": \"x\"}' :: json",
            "let u0: uuid = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' :: uuid",
            "let c0: decimal(12, 2) = 1.50",
        ] {
            self.line(line);
        }
    }

    fn statements(&mut self, most: usize) {
        let count = 1 + self.pick(most);
        for _ in 0..count {
            if self.left == 0 {
                return;
            }
            self.left -= 1;
            self.statement();
        }
    }

    fn block(&mut self) {
        self.depth += 1;
        self.statements(4);
        self.depth -= 1;
    }

    fn statement(&mut self) {
        let kinds = if self.depth > 3 { 28 } else { 36 };
        match self.pick(kinds) {
            0 | 1 => {
                let (name, value) = (self.int_name(), self.int(2));
                self.line(&format!("{name} = {value} ?? 1"));
            }
            2 => {
                let value = self.double(2);
                self.line(&format!("d0 = {value} ?? 0e0"));
            }
            3 => {
                let value = self.truth(2);
                self.line(&format!("b0 = {value}"));
            }
            4 | 5 => self.set_element(),
            6 => self.set_inner(),
            7 => self.set_text(),
            8 | 9 => self.set_field(),
            10 | 11 => self.append(),
            12 | 13 => self.extend(),
            14 => self.copy_whole(),
            15 => {
                let lambda = self.lambda();
                self.line(&format!("a0 = a0 |> {lambda}"));
            }
            16 => {
                let lambda = self.lambda();
                self.line(&format!("a1 = a0 |> take(6) |> {lambda}"));
            }
            17 if self.loops > 0 => {
                let (condition, word) = (self.truth(1), ["break", "continue"][self.pick(2)]);
                self.line(&format!("if {condition} {{ {word} }}"));
            }
            18 if !self.in_function => {
                let (value, array) = (self.int(1), self.array_name());
                self.line(&format!("i1 = f({value} ?? 2, {array})"));
            }
            17 | 18 => {
                let value = self.int(1);
                self.line(&format!(
                    "i0 = ({value}) match {{0 -> 5, 1..9 -> 6, null -> 7, _ -> i1}}"
                ));
            }
            19 => self.set_entry(),
            20 => self.set_json(),
            21 => {
                let value = self.uuid();
                self.line(&format!("u0 = {value}"));
            }
            22 => {
                let value = self.decimal(1);
                self.line(&format!("c0 = {value} :: decimal(12, 2)"));
            }
            23 | 24 => self.ask(),
            25 if self.tries > 0 => {
                let (condition, value) = (self.truth(1), self.text(0));
                self.line(&format!("if {condition} {{ throw Odd({value} ?? 'none') }}"));
            }
            25 | 26 => {
                let value = self.int(1);
                self.line(&format!("i1 = fib(abs({value} ?? 3) % 9)"));
            }
            27 => {
                let (value, array) = (self.int(0), self.array_name());
                self.line(&format!("let l = x => x + {value}"));
                self.line(&format!("{array} = {array} |> map(x => l(x))"));
            }
            28 => self.branch(),
            29 | 30 => self.loop_over_numbers(),
            31 => self.loop_over_elements(),
            32 => self.repeat(),
            33 => self.loop_over_rows(),
            _ => self.attempt(),
        }
    }

    // --- assignments

    /// A position that is a value, and mostly one that an array has.
    fn position(&mut self, array: &str) -> String {
        match self.pick(8) {
            0 => "0".into(),
            1 => "-1".into(),
            2 => {
                let value = self.int(1);
                format!("({value} ?? 0)")
            }
            _ => {
                let value = self.int(1);
                format!("(abs({value} ?? 1) % greatest(array_length({array}), 1))")
            }
        }
    }

    fn set_element(&mut self) {
        let (array, value) = (self.array_name(), self.int(2));
        let at = self.position(array);
        self.line(&format!("v = {value}"));
        match self.style {
            Style::InPlace => self.line(&format!("{array}[{at}] = v")),
            Style::ByCopies => self.line(&format!("{array} = array_set({array}, {at}, v)")),
        }
    }

    fn set_inner(&mut self) {
        let value = self.int(1);
        let row = self.position("m0");
        let at = self.position("a1");
        self.line(&format!("v = {value}"));
        match self.style {
            Style::InPlace => self.line(&format!("m0[{row}][{at}] = v")),
            Style::ByCopies => self.line(&format!("m0 = array_set(m0, {row}, array_set(m0[{row}], {at}, v))")),
        }
    }

    fn set_text(&mut self) {
        let value = self.text(1);
        let at = self.position("t0");
        self.line(&format!("w = {value}"));
        match self.style {
            Style::InPlace => self.line(&format!("t0[{at}] = w")),
            Style::ByCopies => self.line(&format!("t0 = array_set(t0, {at}, w)")),
        }
    }

    fn set_field(&mut self) {
        match self.pick(4) {
            0 => {
                let value = self.int(2);
                self.line(&format!("v = {value}"));
                match self.style {
                    Style::InPlace => self.line("p0.x = v"),
                    Style::ByCopies => self.line("p0 = {x: v, y: p0.y, s: p0.s}"),
                }
            }
            1 => {
                let value = self.text(1);
                self.line(&format!("w = {value}"));
                match self.style {
                    Style::InPlace => self.line("p0.s = w"),
                    Style::ByCopies => self.line("p0 = {x: p0.x, y: p0.y, s: w}"),
                }
            }
            2 => {
                let array = self.array_name();
                match self.style {
                    Style::InPlace => self.line(&format!("p0.y = {array}")),
                    Style::ByCopies => self.line(&format!("p0 = {{x: p0.x, y: {array}, s: p0.s}}")),
                }
            }
            _ => {
                let value = self.int(1);
                let at = self.position("p0.y");
                self.line(&format!("v = {value}"));
                match self.style {
                    Style::InPlace => self.line(&format!("p0.y[{at}] = v")),
                    Style::ByCopies => self.line(&format!("p0 = {{x: p0.x, y: array_set(p0.y, {at}, v), s: p0.s}}")),
                }
            }
        }
    }

    fn append(&mut self) {
        let (array, value, way) = (self.array_name(), self.int(1), self.pick(2));
        self.line(&format!("v = {value}"));
        match (self.style, way) {
            (Style::InPlace, 0) => self.line(&format!("{array} = {array} || [v]")),
            (Style::InPlace, _) => self.line(&format!("{array} = array_append({array}, v)")),
            (Style::ByCopies, _) => self.line(&format!("{array} = array_slice({array}, 0, null) || [v]")),
        }
    }

    fn extend(&mut self) {
        let (name, value) = (["s0", "s1"][self.pick(2)], self.text(1));
        // Texts that are put behind themselves would double in each round of a loop.
        self.line(&format!("w = substr({value}, 1, 9) ?? '-'"));
        match self.style {
            Style::InPlace => self.line(&format!("{name} = {name} || w")),
            Style::ByCopies => self.line(&format!("{name} = '' || {name} || w")),
        }
    }

    fn set_entry(&mut self) {
        let (key, value) = (self.text(0), self.int(1));
        self.line(&format!("w = {key} ?? '-'"));
        self.line(&format!("v = {value}"));
        // A loop that makes its keys longer must not fill the map.
        self.line("h0[substr(w, 1, 5)] = v");
    }

    fn set_json(&mut self) {
        let line = match self.pick(5) {
            0 => format!("j0 = to_json({})", self.array_name()),
            1 => "j0 = to_json(p0)".into(),
            2 => format!("j0 = json_object('k', {}, 's', {})", self.array_name(), self.text(0)),
            3 => format!("j0 = json_array({}, h0, u0, c0)", self.int(1)),
            _ => "j0 = j0.k ?? j0".into(),
        };
        self.line(&line);
    }

    /// Queries that the program asks, with its variables in them.
    fn ask(&mut self) {
        let (name, count) = (self.int_name(), 1 + self.pick(6));
        self.element = Some("range");
        let line = match self.pick(6) {
            0 => format!(
                "(select sum({}) from range({count}) where {})",
                self.int(1),
                self.truth(1)
            ),
            1 => format!("(select count(distinct {}) from range({count}))", self.int(2)),
            2 => format!(
                "(select max({0} % 7) from range({count}) group by range % 2 order by 1 limit 1)",
                self.int(1)
            ),
            3 => format!("(select max(fib(range + {})) from range({count}))", self.pick(4)),
            4 if !self.in_function => format!("(select min(f(range, {})) from range({count}))", self.array_name()),
            _ => {
                let array = self.array_name();
                format!("(select sum(value) from {{{array}}} where index < {count})")
            }
        };
        self.element = None;
        self.line(&format!("{name} = {line} ?? 3"));
    }

    fn copy_whole(&mut self) {
        let at = self.position("m0");
        let line = match self.pick(7) {
            0 => "a0 = a1".to_owned(),
            1 => "a1 = a0".to_owned(),
            2 => format!("a0 = m0[{at}]"),
            3 => "m0 = [a0, a1]".to_owned(),
            4 => "a1 = p0.y".to_owned(),
            5 => "s0 = substr(s1, 1, 30)".to_owned(),
            _ => match self.style {
                Style::InPlace => format!("m0[{at}] = a0"),
                Style::ByCopies => format!("m0 = array_set(m0, {at}, a0)"),
            },
        };
        self.line(&line);
    }

    // --- blocks

    fn branch(&mut self) {
        let condition = self.truth(2);
        self.line(&format!("if {condition} {{"));
        self.block();
        if self.pick(2) == 1 {
            self.line("} else {");
            self.block();
        }
        self.line("}");
    }

    fn counter(&mut self) -> String {
        self.counters += 1;
        format!("k{}", self.counters)
    }

    fn looped(&mut self) {
        self.loops += 1;
        self.block();
        self.loops -= 1;
        self.line("}");
    }

    fn loop_over_numbers(&mut self) {
        let (name, count) = (self.counter(), 1 + self.pick(5));
        self.line(&format!("for {name} in range({count}) {{"));
        self.line(&format!("  i1 = {name}"));
        self.looped();
    }

    fn loop_over_elements(&mut self) {
        let (name, array) = (self.counter(), self.array_name());
        self.line(&format!("for {name} in array_slice({array}, 0, 5) {{"));
        self.line(&format!("  i0 = {name} ?? 0"));
        self.looped();
    }

    fn loop_over_rows(&mut self) {
        let (name, count) = (self.counter(), 1 + self.pick(5));
        self.element = Some("range");
        let (value, condition) = (self.int(1), self.truth(1));
        self.element = None;
        self.line(&format!(
            "for {name} in select range as n, {value} as m from range({count}) where {condition} or range < 2 order by n desc {{"
        ));
        self.line(&format!("  i0 = {name}.n + ({name}.m ?? 0)"));
        self.looped();
    }

    fn repeat(&mut self) {
        let (name, count) = (self.counter(), 1 + self.pick(4));
        self.line(&format!("let {name}: int = 0"));
        self.line(&format!("while {name} < {count} {{"));
        self.line(&format!("  {name} = {name} + 1"));
        self.looped();
    }

    fn attempt(&mut self) {
        self.line("try {");
        self.tries += 1;
        self.block();
        self.tries -= 1;
        self.line("} catch e {");
        self.line("  s0 = s0 || e.code");
        self.line("}");
    }

    // --- values

    fn int_name(&mut self) -> &'static str {
        ["i0", "i1"][self.pick(2)]
    }

    fn array_name(&mut self) -> &'static str {
        ["a0", "a1"][self.pick(2)]
    }

    fn lambda(&mut self) -> String {
        self.element = Some("x");
        let lambda = match self.pick(2) {
            0 => format!("map(x => {})", self.int(2)),
            _ => format!("filter(x => {})", self.truth(1)),
        };
        self.element = None;
        lambda
    }

    fn int(&mut self, depth: usize) -> String {
        let kinds = if depth == 0 { 6 } else { 19 };
        match self.pick(kinds) {
            0 => self.pick(9).to_string(),
            1 => format!("({})", self.pick(40) as i64 - 20),
            2 => self.element.unwrap_or("i0").to_owned(),
            3 => "i1".into(),
            4 => format!("array_length({})", self.array_name()),
            5 => "p0.x".into(),
            6 => self.both(depth, "+"),
            7 => self.both(depth, "-"),
            8 => self.both(depth, "*"),
            9 => self.both(depth, "%"),
            10 => self.both(depth, "div"),
            11 => {
                let array = self.array_name();
                let at = self.position(array);
                format!("{array}[{at}]")
            }
            12 => format!("m0[{}]?[1]", self.position("m0")),
            13 => format!("length({})", self.text(0)),
            14 => format!("h0[{}]", self.text(0)),
            15 => format!(
                "try_cast(json_extract_string(j0, '{}') as int)",
                ["k", "s", "$.k[0]"][self.pick(3)]
            ),
            16 => format!("json_array_length(j0.{})", ["k", "y"][self.pick(2)]),
            17 => format!("({} :: int)", self.decimal(depth - 1)),
            _ => {
                let (condition, then, other) = (self.truth(depth - 1), self.int(depth - 1), self.int(depth - 1));
                format!("(case when {condition} then {then} else {other} end)")
            }
        }
    }

    fn both(&mut self, depth: usize, operator: &str) -> String {
        let (left, right) = (self.int(depth - 1), self.int(depth - 1));
        format!("({left} {operator} {right})")
    }

    fn double(&mut self, depth: usize) -> String {
        match self.pick(if depth == 0 { 2 } else { 6 }) {
            0 => format!("{}.5e0", self.pick(9)),
            1 => "d0".into(),
            2 => format!("({} + {})", self.double(depth - 1), self.double(depth - 1)),
            3 => format!("({} * {})", self.double(depth - 1), self.double(depth - 1)),
            4 => format!("sqrt({})", self.double(depth - 1)),
            _ => format!("({} :: double)", self.int(depth - 1)),
        }
    }

    fn decimal(&mut self, depth: usize) -> String {
        match self.pick(if depth == 0 { 2 } else { 5 }) {
            0 => format!("{}.{}", self.pick(9), self.pick(9)),
            1 => "c0".into(),
            2 => format!("({} + {})", self.decimal(depth - 1), self.decimal(depth - 1)),
            3 => format!("({} - {})", self.decimal(depth - 1), self.decimal(depth - 1)),
            _ => format!("(({} % 100) * {})", self.int(depth - 1), self.decimal(depth - 1)),
        }
    }

    /// Mostly a text that a UUID can be.
    fn uuid(&mut self) -> String {
        format!("(lpad({} :: string, 32, 'a') :: uuid)", self.int(0))
    }

    fn truth(&mut self, depth: usize) -> String {
        match self.pick(if depth == 0 { 2 } else { 11 }) {
            0 => "b0".into(),
            1 => format!("{} < {}", self.int(0), self.int(0)),
            2 => format!("({} = {})", self.int(depth - 1), self.int(depth - 1)),
            3 => format!("({} and {})", self.truth(depth - 1), self.truth(depth - 1)),
            4 => format!("({} or {})", self.truth(depth - 1), self.truth(depth - 1)),
            5 => format!("(not {})", self.truth(depth - 1)),
            6 => format!("({} is null)", self.int(depth - 1)),
            7 => format!("(u0 < {})", self.uuid()),
            8 => format!("(c0 > {})", self.decimal(depth - 1)),
            9 => "(json_type(j0) = 'array')".into(),
            _ => format!("({} <= {})", self.text(0), self.text(0)),
        }
    }

    fn text(&mut self, depth: usize) -> String {
        match self.pick(if depth == 0 { 4 } else { 10 }) {
            0 => ["'q'", "'thirteen bytes'", "''"][self.pick(3)].into(),
            1 => "s0".into(),
            2 => "s1".into(),
            3 => "p0.s".into(),
            4 => format!("t0[{}]", self.position("t0")),
            5 => format!("upper(substr({}, 1, 20))", self.text(depth - 1)),
            6 => format!("substr({}, 1, 9) || {}", self.text(depth - 1), self.int(0)),
            7 => "substr(u0 :: string, 20)".into(),
            8 => "(j0.s :: string)".into(),
            _ => format!("f'{{{}}}!'", self.int(0)),
        }
    }
}
