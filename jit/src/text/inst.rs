//! Reads instructions.
//!
//! Example: `%2: i64, %3: i8 = add_checked %0, %1 !4` is a checked sum with two results and the note 4.
//!
//! Invariants: reads what [`super::print`] writes, operand by operand.
//!
//! Does not: check types.

use super::lex::Kind;
use super::parse::FunctionParser;
use super::{ParseError, names};
use crate::ir::{Inst, NoteId, Op, Value};

impl FunctionParser<'_, '_> {
    pub(super) fn inst(&mut self) -> Result<Inst, ParseError> {
        let mut results = Vec::new();
        if matches!(self.parser.peek(), Kind::Name('%', _)) {
            loop {
                results.push(self.value()?);
                self.parser.sign(':')?;
                self.parser.ty()?;
                if !self.parser.takes(',') {
                    break;
                }
            }
            self.parser.sign('=')?;
        }
        if results.len() > 2 {
            return self.parser.fail("an instruction has at most two results");
        }
        let op = self.op()?;
        let note = if self.parser.takes('!') {
            Some(NoteId(self.parser.integer()?))
        } else {
            None
        };
        Ok(Inst {
            op,
            result: results.first().copied(),
            result2: results.get(1).copied(),
            note,
        })
    }

    fn op(&mut self) -> Result<Op, ParseError> {
        let word = self.parser.word()?;
        if let Some(op) = self.table_op(word)? {
            return Ok(op);
        }
        Ok(match word {
            "const" => Op::Const(self.parser.integer()?),
            "f32const" => Op::F32Const(self.float32()?),
            "f64const" => Op::F64Const(self.float64()?),
            "select" => {
                let [cond, then, otherwise] = self.three()?;
                Op::Select { cond, then, otherwise }
            }
            "bit_select" => {
                let [mask, then, otherwise] = self.three()?;
                Op::BitSelect { mask, then, otherwise }
            }
            "splat" => Op::Splat(self.value()?),
            "extract_lane" => {
                let vector = self.value()?;
                self.parser.sign(',')?;
                Op::ExtractLane(vector, self.parser.integer()?)
            }
            "insert_lane" => {
                let vector = self.value()?;
                self.parser.sign(',')?;
                let lane = self.parser.integer()?;
                self.parser.sign(',')?;
                Op::InsertLane(vector, lane, self.value()?)
            }
            "high_bits" => Op::HighBits(self.value()?),
            "snarrow" => {
                let [a, b] = self.two()?;
                Op::SNarrow(a, b)
            }
            "any_true" => Op::AnyTrue(self.value()?),
            _ => return self.memory_op(word),
        })
    }

    /// Operations whose words are in tables.
    fn table_op(&mut self, word: &str) -> Result<Option<Op>, ParseError> {
        Ok(Some(if let Some(op) = names::parse_int_binary(word) {
            let [a, b] = self.two()?;
            Op::Int(op, a, b)
        } else if let Some(op) = names::parse_checked(word) {
            let [a, b] = self.two()?;
            Op::Checked(op, a, b)
        } else if let Some(op) = names::parse_int_unary(word) {
            Op::IntUnary(op, self.value()?)
        } else if let Some(op) = names::parse_float_binary(word) {
            let [a, b] = self.two()?;
            Op::Float(op, a, b)
        } else if let Some(op) = names::parse_float_unary(word) {
            Op::FloatUnary(op, self.value()?)
        } else if let Some(op) = names::parse_convert(word) {
            Op::Convert(op, self.value()?)
        } else if let Some(how) = names::parse_lanes(word) {
            Op::Widen(how, self.value()?)
        } else if word == "icmp" || word == "fcmp" {
            let cond = self.parser.word()?;
            let ints = names::parse_int_cond(cond).filter(|_| word == "icmp");
            let floats = names::parse_float_cond(cond).filter(|_| word == "fcmp");
            match (ints, floats) {
                (Some(cond), _) => {
                    let [a, b] = self.two()?;
                    Op::ICmp(cond, a, b)
                }
                (_, Some(cond)) => {
                    let [a, b] = self.two()?;
                    Op::FCmp(cond, a, b)
                }
                _ => return self.parser.fail_before(format!("{word} has no condition {cond}")),
            }
        } else {
            return Ok(None);
        }))
    }

    fn memory_op(&mut self, word: &str) -> Result<Op, ParseError> {
        Ok(match word {
            "load" => Op::Load(self.value()?, self.offset()?),
            "store" => {
                let [value, ptr] = self.two()?;
                Op::Store {
                    value,
                    ptr,
                    offset: self.offset()?,
                }
            }
            "index" => {
                let ptr = self.value()?;
                self.parser.sign('+')?;
                let index = self.value()?;
                self.parser.sign('*')?;
                let scale = self.parser.integer()?;
                Op::Index {
                    ptr,
                    index,
                    scale,
                    offset: self.offset()?,
                }
            }
            "slot_addr" => Op::SlotAddr(self.slot()?),
            "get" => Op::Get(self.local()?),
            "set" => {
                let local = self.local()?;
                self.parser.sign(',')?;
                Op::Set(local, self.value()?)
            }
            "call" => {
                let callee = self.parser.function_id()?;
                Op::Call(callee, self.args()?)
            }
            "call_host" => {
                let callee = self.parser.host_id()?;
                Op::CallHost(callee, self.args()?)
            }
            other => return self.parser.fail_before(format!("unknown operation {other}")),
        })
    }

    fn args(&mut self) -> Result<Vec<Value>, ParseError> {
        self.parser.sign('(')?;
        if self.parser.takes(')') {
            return Ok(Vec::new());
        }
        let values = self.values()?;
        self.parser.sign(')')?;
        Ok(values)
    }

    fn two(&mut self) -> Result<[Value; 2], ParseError> {
        let first = self.value()?;
        self.parser.sign(',')?;
        Ok([first, self.value()?])
    }

    fn three(&mut self) -> Result<[Value; 3], ParseError> {
        let [first, second] = self.two()?;
        self.parser.sign(',')?;
        Ok([first, second, self.value()?])
    }

    /// `+ 8`, `- 8` or nothing.
    fn offset(&mut self) -> Result<i32, ParseError> {
        let negative = self.parser.takes('-');
        if !negative && !self.parser.takes('+') {
            return Ok(0);
        }
        let bytes: i64 = self.parser.integer()?;
        match i32::try_from(if negative { -bytes } else { bytes }) {
            Ok(offset) => Ok(offset),
            Err(_) => self
                .parser
                .fail_before(format!("offset {bytes} does not fit in 32 bits")),
        }
    }

    fn float64(&mut self) -> Result<u64, ParseError> {
        if self.takes_nan()? {
            return self.parser.integer();
        }
        self.float_text()?
            .parse::<f64>()
            .map(f64::to_bits)
            .or_else(|_| self.parser.fail_before("bad number"))
    }

    fn float32(&mut self) -> Result<u32, ParseError> {
        if self.takes_nan()? {
            return self.parser.integer();
        }
        self.float_text()?
            .parse::<f32>()
            .map(f32::to_bits)
            .or_else(|_| self.parser.fail_before("bad number"))
    }

    /// `nan:` in front of the bits.
    fn takes_nan(&mut self) -> Result<bool, ParseError> {
        if !matches!(self.parser.peek(), Kind::Word(word) if word == "nan") {
            return Ok(false);
        }
        self.parser.advance();
        self.parser.sign(':').map(|()| true)
    }

    fn float_text(&mut self) -> Result<String, ParseError> {
        if let Kind::Word(word) = self.parser.peek()
            && word == "inf"
        {
            self.parser.advance();
            return Ok(word.clone());
        }
        self.parser.number_token().map(str::to_owned)
    }
}
