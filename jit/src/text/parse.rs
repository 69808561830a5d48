//! Reads the text form: modules and functions. Instructions are read in [`inst`](super::inst).
//!
//! Example: `fn @f(i64) -> i64 { b0(%x: i64): return %x }` is a module of one function.
//!
//! Values are numbered as written (`%7`) or, if they have names (`%sum`), in the order of their definitions; a function
//! does one or the other. Blocks, locals and slots are numbered in order whatever they are called.
//!
//! Invariants: never panics; the first fault is reported with its line and column.
//!
//! Does not: verify; the types written at definitions are taken at their word.

use std::collections::HashMap;

use super::ParseError;
use super::lex::{Kind, Token, lex};
use crate::ir::{
    Block, BlockData, FuncId, Function, HostDecl, HostId, Local, Module, Signature, Slot, Terminator, Type, Value,
};

/// Reads a whole module.
pub fn parse(text: &str) -> Result<Module, ParseError> {
    let tokens = lex(text)?;
    let names = scan(&tokens)?;
    let mut parser = Parser {
        tokens: &tokens,
        at: 0,
        names: &names,
    };
    let mut module = Module::default();
    loop {
        match parser.peek() {
            Kind::End => return Ok(module),
            Kind::Word(word) if word == "note" => {
                parser.at += 1;
                parser.sign('!')?;
                let number = parser.number_token()?;
                if number != module.notes.len().to_string() {
                    return parser.fail_before(format!("expected note !{}", module.notes.len()));
                }
                module.notes.push(parser.text()?);
            }
            Kind::Word(word) if word == "host" => {
                parser.at += 1;
                let name = parser.name('@')?;
                module.hosts.push(HostDecl {
                    name,
                    sig: parser.signature()?,
                });
            }
            Kind::Word(word) if word == "fn" => module.functions.push(FunctionParser::read(&mut parser)?),
            _ => return parser.fail("expected `fn`, `host` or `note`"),
        }
    }
}

/// Functions and host functions by name, so that calls can precede definitions.
#[derive(Default)]
pub(super) struct Names {
    functions: HashMap<String, FuncId>,
    hosts: HashMap<String, HostId>,
}

fn scan(tokens: &[Token]) -> Result<Names, ParseError> {
    let mut names = Names::default();
    for pair in tokens.windows(2) {
        let (Kind::Word(word), Kind::Name('@', name)) = (&pair[0].kind, &pair[1].kind) else {
            continue;
        };
        let known = match word.as_str() {
            "fn" => {
                let next = FuncId(names.functions.len() as u32);
                names.functions.insert(name.clone(), next).is_some()
            }
            "host" => {
                let next = HostId(names.hosts.len() as u32);
                names.hosts.insert(name.clone(), next).is_some()
            }
            _ => false,
        };
        if known {
            let Token { line, column, .. } = pair[1];
            return Err(ParseError {
                line,
                column,
                message: format!("@{name} is declared twice"),
            });
        }
    }
    Ok(names)
}

/// A cursor over tokens.
pub(super) struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    names: &'a Names,
}

impl<'a> Parser<'a> {
    pub(super) fn peek(&self) -> &'a Kind {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> &'a Kind {
        self.tokens.get(self.at + ahead).map_or(&Kind::End, |token| &token.kind)
    }

    pub(super) fn advance(&mut self) {
        self.at += 1;
    }

    pub(super) fn fail<T>(&self, message: impl Into<String>) -> Result<T, ParseError> {
        let token = self.tokens.get(self.at).or(self.tokens.last());
        let (line, column) = token.map_or((1, 1), |token| (token.line, token.column));
        Err(ParseError {
            line,
            column,
            message: message.into(),
        })
    }

    /// Fails at the token just read.
    pub(super) fn fail_before<T>(&mut self, message: impl Into<String>) -> Result<T, ParseError> {
        self.at = self.at.saturating_sub(1);
        self.fail(message)
    }

    /// Takes the punctuation if it comes next.
    pub(super) fn takes(&mut self, sign: char) -> bool {
        let found = *self.peek() == Kind::Sign(sign);
        self.at += usize::from(found);
        found
    }

    pub(super) fn sign(&mut self, sign: char) -> Result<(), ParseError> {
        if self.takes(sign) {
            return Ok(());
        }
        self.fail(format!(
            "expected `{}`",
            if sign == '>' { "->".to_owned() } else { sign.to_string() }
        ))
    }

    pub(super) fn word(&mut self) -> Result<&'a str, ParseError> {
        match self.peek() {
            Kind::Word(word) => {
                self.at += 1;
                Ok(word)
            }
            _ => self.fail("expected a word"),
        }
    }

    pub(super) fn name(&mut self, sign: char) -> Result<String, ParseError> {
        match self.peek() {
            Kind::Name(found, name) if *found == sign => {
                self.at += 1;
                Ok(name.clone())
            }
            _ => self.fail(format!("expected a name with `{sign}`")),
        }
    }

    pub(super) fn number_token(&mut self) -> Result<&'a str, ParseError> {
        match self.peek() {
            Kind::Number(number) => {
                self.at += 1;
                Ok(number)
            }
            _ => self.fail("expected a number"),
        }
    }

    /// An integer of any type, decimal or `0x…`.
    pub(super) fn integer<T: TryFrom<i128>>(&mut self) -> Result<T, ParseError> {
        let text = self.number_token()?;
        let value = match text.strip_prefix("0x") {
            Some(digits) => u128::from_str_radix(digits, 16).ok().map(|bits| bits as i128),
            None => text.parse::<i128>().ok(),
        };
        match value.and_then(|value| T::try_from(value).ok()) {
            Some(value) => Ok(value),
            None => self.fail_before(format!("bad number {text}")),
        }
    }

    fn text(&mut self) -> Result<String, ParseError> {
        match self.peek() {
            Kind::Text(text) => {
                self.at += 1;
                Ok(text.clone())
            }
            _ => self.fail("expected a string"),
        }
    }

    pub(super) fn ty(&mut self) -> Result<Type, ParseError> {
        let word = self.word()?;
        match Type::ALL.into_iter().find(|ty| ty.name() == word) {
            Some(ty) => Ok(ty),
            None => self.fail_before(format!("unknown type {word}")),
        }
    }

    fn signature(&mut self) -> Result<Signature, ParseError> {
        let mut sig = Signature::default();
        self.sign('(')?;
        while !self.takes(')') {
            if !sig.params.is_empty() {
                self.sign(',')?;
            }
            sig.params.push(self.ty()?);
        }
        if self.takes('>') {
            sig.results.push(self.ty()?);
            while self.takes(',') {
                sig.results.push(self.ty()?);
            }
        }
        Ok(sig)
    }

    pub(super) fn function_id(&mut self) -> Result<FuncId, ParseError> {
        let name = self.name('@')?;
        match self.names.functions.get(&name) {
            Some(id) => Ok(*id),
            None => self.fail_before(format!("function @{name} is not defined")),
        }
    }

    pub(super) fn host_id(&mut self) -> Result<HostId, ParseError> {
        let name = self.name('@')?;
        match self.names.hosts.get(&name) {
            Some(id) => Ok(*id),
            None => self.fail_before(format!("host function @{name} is not declared")),
        }
    }
}

/// Reads one function.
pub(super) struct FunctionParser<'p, 'a> {
    pub(super) parser: &'p mut Parser<'a>,
    function: Function,
    values: HashMap<String, Value>,
    locals: HashMap<String, Local>,
    slots: HashMap<String, Slot>,
    /// Labels in the order in which they are mentioned; terminators hold indices into this until the function ends.
    labels: Vec<(String, usize)>,
    /// Labels in the order in which they are defined.
    defined: HashMap<String, Block>,
}

impl<'p, 'a> FunctionParser<'p, 'a> {
    fn read(parser: &'p mut Parser<'a>) -> Result<Function, ParseError> {
        parser.at += 1;
        let name = parser.name('@')?;
        let sig = parser.signature()?;
        parser.sign('{')?;
        let function = Function {
            name,
            sig,
            ..Function::default()
        };
        let mut reader = FunctionParser {
            parser,
            function,
            values: HashMap::new(),
            locals: HashMap::new(),
            slots: HashMap::new(),
            labels: Vec::new(),
            defined: HashMap::new(),
        };
        reader.scan_values()?;
        reader.declarations()?;
        while !reader.parser.takes('}') {
            reader.block()?;
        }
        reader.link()
    }

    /// Finds the definitions, `%x: type`, up to the closing brace.
    fn scan_values(&mut self) -> Result<(), ParseError> {
        let start = self.parser.at;
        let mut types = HashMap::new();
        while !matches!(self.parser.peek(), Kind::Sign('}') | Kind::End) {
            if let (Kind::Name('%', name), Kind::Sign(':')) = (self.parser.peek(), self.parser.peek_at(1)) {
                let next = Value(self.values.len() as u32);
                let value = if name.starts_with(|c: char| c.is_ascii_digit()) {
                    name.parse()
                        .map(Value)
                        .or_else(|_| self.parser.fail(format!("bad value %{name}")))?
                } else {
                    next
                };
                let is_new = self.values.insert(name.clone(), value).is_none();
                self.parser.at += 2;
                let ty = self.parser.ty()?;
                if is_new && types.insert(value, ty).is_some() {
                    return self
                        .parser
                        .fail_before("a function names all values or numbers all values");
                }
                self.parser.at -= 1;
            }
            self.parser.at += 1;
        }
        self.parser.at = start;
        for i in 0..types.len() as u32 {
            match types.get(&Value(i)) {
                Some(ty) => self.function.values.push(*ty),
                None => return self.parser.fail(format!("value %{i} is not defined")),
            }
        }
        Ok(())
    }

    fn declarations(&mut self) -> Result<(), ParseError> {
        loop {
            match self.parser.peek() {
                Kind::Word(word) if word == "local" => {
                    self.parser.at += 1;
                    let name = self.parser.name('$')?;
                    self.parser.sign(':')?;
                    let ty = self.parser.ty()?;
                    self.locals.insert(name, Local(self.function.locals.len() as u32));
                    self.function.locals.push(ty);
                }
                Kind::Word(word) if word == "slot" => {
                    self.parser.at += 1;
                    let name = self.parser.word()?.to_owned();
                    self.parser.sign(':')?;
                    let bytes = self.parser.integer()?;
                    self.slots.insert(name, Slot(self.function.slots.len() as u32));
                    self.function.slots.push(bytes);
                }
                _ => return Ok(()),
            }
        }
    }

    fn block(&mut self) -> Result<(), ParseError> {
        let label = self.parser.word()?.to_owned();
        let block = Block(self.function.blocks.len() as u32);
        if self.defined.insert(label.clone(), block).is_some() {
            return self.parser.fail_before(format!("block {label} is defined twice"));
        }
        if block.0 == 0 {
            self.params()?;
        }
        let mut data = BlockData::default();
        if matches!(self.parser.peek(), Kind::Word(word) if word == "cold") {
            self.parser.at += 1;
            data.cold = true;
        }
        self.parser.sign(':')?;
        loop {
            if let Some(term) = self.terminator()? {
                data.term = term;
                break;
            }
            data.insts.push(self.inst()?);
        }
        self.function.blocks.push(data);
        Ok(())
    }

    /// `(%0: i64, …)` after the entry's label; may be left out if there are no parameters.
    fn params(&mut self) -> Result<(), ParseError> {
        let count = self.function.sig.params.len();
        if count == 0 && *self.parser.peek() != Kind::Sign('(') {
            return Ok(());
        }
        self.parser.sign('(')?;
        for i in 0..count {
            if i > 0 {
                self.parser.sign(',')?;
            }
            let value = self.value()?;
            self.parser.sign(':')?;
            let ty = self.parser.ty()?;
            if value != Value(i as u32) || ty != self.function.sig.params[i] {
                return self
                    .parser
                    .fail_before("the entry's parameters are not those of the signature");
            }
        }
        self.parser.sign(')')
    }

    fn terminator(&mut self) -> Result<Option<Terminator>, ParseError> {
        let Kind::Word(word) = self.parser.peek() else {
            return Ok(None);
        };
        let start = self.parser.at;
        self.parser.at += 1;
        Ok(Some(match word.as_str() {
            "jump" => Terminator::Jump(self.label()?),
            "branch" => {
                let cond = self.value()?;
                self.parser.sign(',')?;
                let then = self.label()?;
                self.parser.sign(',')?;
                Terminator::Branch {
                    cond,
                    then,
                    otherwise: self.label()?,
                }
            }
            "switch" => self.switch()?,
            "return" if matches!(self.parser.peek(), Kind::Name('%', _)) => Terminator::Return(self.values()?),
            "return" => Terminator::Return(Vec::new()),
            _ => {
                self.parser.at = start;
                return Ok(None);
            }
        }))
    }

    fn switch(&mut self) -> Result<Terminator, ParseError> {
        let on = self.value()?;
        self.parser.sign(',')?;
        self.parser.sign('[')?;
        let mut cases = Vec::new();
        while !self.parser.takes(']') {
            if !cases.is_empty() {
                self.parser.sign(',')?;
            }
            let case = self.parser.integer()?;
            self.parser.sign(':')?;
            cases.push((case, self.label()?));
        }
        self.parser.sign(',')?;
        Ok(Terminator::Switch {
            on,
            cases,
            default: self.label()?,
        })
    }

    /// A label; for now the block is the index of its first mention.
    fn label(&mut self) -> Result<Block, ParseError> {
        let label = self.parser.word()?;
        let known = self.labels.iter().position(|(known, _)| known == label);
        let at = known.unwrap_or_else(|| {
            self.labels.push((label.to_owned(), self.parser.at - 1));
            self.labels.len() - 1
        });
        Ok(Block(at as u32))
    }

    /// Puts the blocks in place of the labels.
    fn link(self) -> Result<Function, ParseError> {
        let FunctionParser {
            parser,
            mut function,
            labels,
            defined,
            ..
        } = self;
        let mut blocks = Vec::with_capacity(labels.len());
        for (label, at) in labels {
            match defined.get(&label) {
                Some(block) => blocks.push(*block),
                None => {
                    parser.at = at;
                    return parser.fail(format!("block {label} is not defined"));
                }
            }
        }
        let link = |to: &mut Block| *to = blocks[to.idx()];
        for block in &mut function.blocks {
            match &mut block.term {
                Terminator::None | Terminator::Return(_) => {}
                Terminator::Jump(to) => link(to),
                Terminator::Branch { then, otherwise, .. } => [then, otherwise].into_iter().for_each(link),
                Terminator::Switch { cases, default, .. } => {
                    cases.iter_mut().map(|(_, to)| to).chain([default]).for_each(link);
                }
            }
        }
        Ok(function)
    }

    pub(super) fn value(&mut self) -> Result<Value, ParseError> {
        let name = self.parser.name('%')?;
        match self.values.get(&name) {
            Some(value) => Ok(*value),
            None => self.parser.fail_before(format!("value %{name} is not defined")),
        }
    }

    /// One or more values with commas.
    pub(super) fn values(&mut self) -> Result<Vec<Value>, ParseError> {
        let mut values = vec![self.value()?];
        while self.parser.takes(',') {
            values.push(self.value()?);
        }
        Ok(values)
    }

    pub(super) fn local(&mut self) -> Result<Local, ParseError> {
        let name = self.parser.name('$')?;
        match self.locals.get(&name) {
            Some(local) => Ok(*local),
            None => self.parser.fail_before(format!("local ${name} is not declared")),
        }
    }

    pub(super) fn slot(&mut self) -> Result<Slot, ParseError> {
        let name = self.parser.word()?;
        match self.slots.get(name) {
            Some(slot) => Ok(*slot),
            None => self.parser.fail_before(format!("slot {name} is not declared")),
        }
    }
}
