//! Random programs of the language that are well typed and come to an end.
//!
//! The bytes `[3, 1, 4, …]` become a function of a dozen statements over numbers, texts, arrays, arrays of arrays and a struct, and a call of it.
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
        in_function: true,
    };
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
        self.line("return f'{i0} {i1} {d0} {b0} {s0} {s1} {a0} {a1} {m0} {t0} {p0.x} {p0.y} {p0.s}'");
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
        let kinds = if self.depth > 3 { 19 } else { 25 };
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
            19 => self.branch(),
            20 | 21 => self.loop_over_numbers(),
            22 => self.loop_over_elements(),
            23 => self.repeat(),
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

    fn repeat(&mut self) {
        let (name, count) = (self.counter(), 1 + self.pick(4));
        self.line(&format!("let {name}: int = 0"));
        self.line(&format!("while {name} < {count} {{"));
        self.line(&format!("  {name} = {name} + 1"));
        self.looped();
    }

    fn attempt(&mut self) {
        self.line("try {");
        self.block();
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
        let kinds = if depth == 0 { 6 } else { 15 };
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

    fn truth(&mut self, depth: usize) -> String {
        match self.pick(if depth == 0 { 2 } else { 8 }) {
            0 => "b0".into(),
            1 => format!("{} < {}", self.int(0), self.int(0)),
            2 => format!("({} = {})", self.int(depth - 1), self.int(depth - 1)),
            3 => format!("({} and {})", self.truth(depth - 1), self.truth(depth - 1)),
            4 => format!("({} or {})", self.truth(depth - 1), self.truth(depth - 1)),
            5 => format!("(not {})", self.truth(depth - 1)),
            6 => format!("({} is null)", self.int(depth - 1)),
            _ => format!("({} <= {})", self.text(0), self.text(0)),
        }
    }

    fn text(&mut self, depth: usize) -> String {
        match self.pick(if depth == 0 { 4 } else { 8 }) {
            0 => ["'q'", "'thirteen bytes'", "''"][self.pick(3)].into(),
            1 => "s0".into(),
            2 => "s1".into(),
            3 => "p0.s".into(),
            4 => format!("t0[{}]", self.position("t0")),
            5 => format!("upper(substr({}, 1, 20))", self.text(depth - 1)),
            6 => format!("substr({}, 1, 9) || {}", self.text(depth - 1), self.int(0)),
            _ => format!("f'{{{}}}!'", self.int(0)),
        }
    }
}
